"""The workload generator's month through the worker's processor, against the oracle."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest

from streamproc.contracts.rules_file.load import default_rulebook
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import unpack
from streamproc.engine.rows import DUE_BYTES
from streamproc.lab.oracle import Expectation, PlacedRecord, differences, expect, observed
from streamproc.lab.workload import WorkloadSettings, clock_records, generate
from streamproc.worker.settings import Native
from tests.property import rulebooks
from tests.property.test_laws_log import NATIVE, TOPICS, Run
from tests.property.world import figures_of

PARTITIONS = 3
RULES = default_rulebook()


def month(settings: WorkloadSettings, rules: Rulebook) -> list[PlacedRecord]:
    """The workload, spread over partitions by key, and the month's end for each."""
    offsets = [0] * PARTITIONS
    records = []

    def put(partition: int, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        records.append(
            PlacedRecord("events", partition, offsets[partition], key, value, timestamp_ms)
        )
        offsets[partition] += 1

    for key, value, timestamp_ms in generate(settings, rules):
        put(sum(key or b"") % PARTITIONS, key, value, timestamp_ms)
    for partition, (key, value, timestamp_ms) in clock_records(settings, PARTITIONS):
        put(partition, key, value, timestamp_ms)
    return records


def outcome(records: list[PlacedRecord], rules: Rulebook, native: Native) -> Expectation:
    """What the worker's processor makes of the log."""
    outputs: defaultdict[str, list[bytes]] = defaultdict(list)
    accounts = {}
    charged_bytes = 0
    for partition in range(PARTITIONS):
        run = Run(rules, native)
        own = [record for record in records if record.partition == partition]
        for start in range(0, len(own), 500):
            run.apply(own[start : start + 500])
            run.commit()
        run.finish()
        for (topic, _), values in run.outputs.items():
            outputs[topic] += values
        for key, data in run.states.items():
            account = unpack(data[DUE_BYTES:])
            accounts[key.decode()] = figures_of(account, rules)
            charged_bytes += account.charged_bytes
    return observed(
        outputs[TOPICS.reminders],
        outputs[TOPICS.audit],
        outputs[TOPICS.rejects],
        len(records),
        charged_bytes,
        accounts,
        outputs[TOPICS.policy],
    )


@cache
def _expected(
    settings: WorkloadSettings, rules: Rulebook
) -> tuple[list[PlacedRecord], Expectation]:
    records = month(settings, rules)
    return records, expect(records, rules)


def check(settings: WorkloadSettings, rules: Rulebook, native: Native) -> None:
    records, expected = _expected(settings, rules)
    assert sum(expected.reminders_by_kind.values()) > settings.subscribers
    assert len(expected.rejects) > 8
    found = outcome(records, rules, native)
    assert not differences(found, expected), "\n".join(differences(found, expected))


@pytest.mark.parametrize("native", NATIVE)
def test_a_month_of_the_workload(native: Native) -> None:
    check(WorkloadSettings(seed=5, events=20_000, subscribers=300), RULES, native)


@pytest.mark.slow_property
@pytest.mark.parametrize("seed", range(5))
def test_a_large_month_under_the_rules_of_production(seed: int) -> None:
    settings = WorkloadSettings(seed=seed, events=200_000, subscribers=2_000)
    check(settings, RULES, "auto")


@pytest.mark.slow_property
@pytest.mark.parametrize("seed", range(5))
def test_a_month_with_much_of_everything_rare(seed: int) -> None:
    settings = WorkloadSettings(
        seed=seed,
        events=100_000,
        subscribers=500,
        late_share=0.3,
        duplicate_share=0.2,
        malformed_share=0.05,
        unknown_share=0.05,
        account_share=0.2,
    )
    check(settings, rulebooks.make(max_event_bytes=10**12), "auto")
