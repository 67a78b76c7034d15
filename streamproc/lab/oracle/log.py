"""A whole log: its partitions' clocks, its subscribers, its outcome."""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.contract import YEAR_9999_MS
from streamproc.lab.oracle.figures import Expectation, PlacedRecord
from streamproc.lab.oracle.ledger import SubscriberLedger
from streamproc.lab.oracle.reading import NotAnEventError, read


def expect(
    records: Iterable[PlacedRecord],
    rules: Rulebook,
    until_ms: int | None = None,
    outcome: Expectation | None = None,
) -> Expectation:
    """The outcome of a log under the event clock.

    Records of one partition must come in log order. The clock of a partition is the latest record
    timestamp so far, and that is a record's arrival; in the end time passes to ``until_ms``, or
    to where each partition's clock stands if that is later. Counts into ``outcome`` if there is
    one, so that who feeds a long log can look at it and settle part of it meanwhile.
    """
    outcome = Expectation() if outcome is None else outcome
    clocks: dict[int, int] = {}
    ledgers: dict[tuple[int, str], SubscriberLedger] = {}
    for record in records:
        outcome.records += 1
        partition = record.partition
        if record.timestamp_ms >= YEAR_9999_MS:
            # No clock can be set by this.
            outcome.rejects["time_in_future"] += 1
            continue
        clock_ms = max(clocks.get(partition, 0), record.timestamp_ms)
        clocks[partition] = clock_ms
        try:
            event = read(record.value, record.key, record.headers)
        except NotAnEventError as refused:
            outcome.rejects[str(refused)] += 1
            continue
        if event["type"] == "clock.advanced":
            continue
        place = (partition, event["subscriber"])
        ledger = ledgers.get(place)
        if ledger is None:
            ledger = ledgers[place] = SubscriberLedger(event["subscriber"], rules, outcome)
        ledger.arrive(event, clock_ms)
    for (partition, name), ledger in ledgers.items():
        ledger.pass_time(max(clocks[partition], until_ms or 0))
        figures = ledger.figures()
        if figures is not None:
            outcome.accounts[name] = figures
    return outcome
