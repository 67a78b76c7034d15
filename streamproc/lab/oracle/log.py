"""A whole log: the clocks of its partitions, its subscribers, its results."""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.ledger import SubscriberLedger
from streamproc.lab.oracle.reading import NotAnEventError, read
from streamproc.lab.oracle.results import Expectation, PlacedRecord

YEAR_2100_MS = 4_102_444_800_000


def expect(
    records: Iterable[PlacedRecord],
    rules: Rulebook,
    until_ms: int | None = None,
    outcome: Expectation | None = None,
    partitions: int = 0,
) -> Expectation:
    """The results of a log with the event clock.

    Records of one partition must come in log order. The clock of a partition is the latest record
    timestamp so far, which is also a record's arrival. At the end time moves to ``until_ms``, or to
    each partition's clock if that is later. Results are added to ``outcome`` if it is given, so
    that a caller that feeds a long log can read it meanwhile.

    ``partitions`` is their number in the topic; 0: not known. If it is known, records in another
    partition than that of their key are refused.
    """
    outcome = Expectation() if outcome is None else outcome
    clocks: dict[int, int] = {}
    ledgers: dict[tuple[int, str], SubscriberLedger] = {}
    for record in records:
        outcome.records += 1
        partition = record.partition
        if record.timestamp_ms >= YEAR_2100_MS:
            # Such a time must not set a clock.
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
            if partitions and partition != _partition_of(event["subscriber"], partitions):
                outcome.rejects["wrong_partition"] += 1
                continue
            ledger = ledgers[place] = SubscriberLedger(event["subscriber"], rules, outcome)
        ledger.arrive(event, clock_ms)
    for (partition, name), ledger in ledgers.items():
        ledger.pass_time(max(clocks[partition], until_ms or 0))
        figures = ledger.figures()
        if figures is not None:
            outcome.accounts[name] = figures
    return outcome


def _partition_of(subscriber: str, partitions: int) -> int:
    """The partition that a Kafka client chooses. It uses kafka-python, other code than the
    workers."""
    from kafka.partitioner import murmur2  # takes long to import

    return (int(murmur2(subscriber.encode())) & 0x7FFFFFFF) % partitions
