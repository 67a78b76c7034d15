"""The compiled plain case over a whole workload."""

from __future__ import annotations

import pytest

from streamproc.app.settings import Topics
from streamproc.contracts.rulesfile import load_rulebook, packaged_content
from streamproc.edges.workload import WorkloadSettings, generate
from tests.support.rules import edited
from tests.unit.test_native import RULES, Log, compared, needs_native

TEXT = packaged_content("default.yaml").rules.decode()
VARIANTS = {
    "as packaged": (),
    "about some buckets": (("category: balance", "category: balance\n    buckets: [video]"),),
    "of absolute use": (
        ("kind: remaining_bytes", "kind: used_bytes"),
        ("[100_000_000, 10_000_000]", "[100_000_000, 10_000_000, 900_000_000]"),
    ),
    "a rule with a memory": (("category: balance", "category: balance\n    for_count: 2"),),
    "a cool-down": (("category: balance", "category: balance\n    cool_down_seconds: 18000"),),
    "quiet hours": (("plans:", 'alerts: {quiet_hours: {start: "08:00", end: "20:00"}}\nplans:'),),
    "a cap": (("plans:", "alerts: {caps: [{messages: 1, window_hours: 24}]}\nplans:"),),
}


@needs_native
@pytest.mark.parametrize("name", VARIANTS)
def test_a_whole_workload_is_equal_byte_for_byte(name: str) -> None:
    rules = load_rulebook(edited(TEXT, *VARIANTS[name]), "r.yaml")
    settings = WorkloadSettings(seed=5, events=6_000, subscribers=120)
    log = [Log(*record, offset=number) for number, record in enumerate(generate(settings, RULES))]
    run = compared(log, list(range(777, len(log), 777)), rules)
    assert run.outbox.topics[Topics().reminders]
