"""What a worker writes about months of workload fits the contract, word by word."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, get_args

import msgspec
import pytest

from streamproc.contracts.rules_file.load import packaged_rulebook
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.alerts.timed_rules import CLOSED_CYCLE
from streamproc.core.instants import DAY_MS
from streamproc.core.rules.kinds import BUILT_IN
from streamproc.core.rules.notices import NoticeKind
from streamproc.core.state import account as account_row
from streamproc.core.usage.pools import MEMBER
from streamproc.lab.workload import WorkloadSettings, clock_records, generate
from streamproc.lab.workload_quota import quota_month
from streamproc.lab.workload_talk import mixed
from tests.contract.contract import ROOT, SCHEMAS, decode, schema, validator
from tests.support import yearly
from tests.support.everything import every_kind
from tests.support.expectation import Result, expect
from tests.support.talking import talking_rules

MONTHS = WorkloadSettings(
    seed=5, events=900, subscribers=9, days=120, malformed_share=0.06, account_share=0.1
)
"""Long enough for an anomaly, which needs cycles before it."""
TALK = WorkloadSettings(seed=5, events=600, subscribers=20, account_share=0.05)
"""With services, zones and commands: two months later, so that a plan may be advised."""
QUOTA = WorkloadSettings(seed=20, events=6_000, subscribers=60, late_share=0.2)
TALKING = (("saving_minor: 500", "saving_minor: 500\n    cycles: 1"),)
TOPICS = {
    f"{record}.v1": name
    for name, topic in WorkerTopics.declared().items()
    if "worker" not in topic.read_by  # what it forwards are other people's records
    for record in topic.records
}


@cache
def months() -> Result:
    rules = every_kind()
    records = list(generate(MONTHS, rules))
    ((_, clock),) = clock_records(MONTHS, 1)
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    return expect(placed, "streamproc.events", rules, final_clock_ms=clock.timestamp_ms)


@cache
def talked() -> Result:
    rules = talking_rules(*TALKING)
    records = list(mixed(TALK, rules, 900))
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    final_ms = records[-1].timestamp_ms + 70 * DAY_MS
    return expect(placed, "streamproc.events", rules, final_clock_ms=final_ms)


@cache
def throttled() -> Result:
    """Pools, caps and policies, so that a policy system is told something."""
    rules = packaged_rulebook("quota.yaml")
    records = list(quota_month(QUOTA, rules))
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    final_ms = records[-1].timestamp_ms + 4 * DAY_MS
    return expect(placed, "streamproc.events", rules, final_clock_ms=final_ms)


@cache
def scheduled() -> Result:
    """Every schedule, for a year."""
    placed = [
        (0, offset, (subscriber.encode(), value, at_ms))
        for offset, (at_ms, subscriber, value) in enumerate(yearly.events(25, seed=5))
    ]
    rules = yearly.rules()
    return expect(placed, "streamproc.events", rules, final_clock_ms=yearly.END_MS)


def written(name: str) -> Iterable[bytes]:
    values: Counter[bytes] = Counter()
    for result in (months(), talked(), throttled(), scheduled()):
        values += result.outputs[TOPICS[name]]
    tag = name.removesuffix(".v1")
    return [value for value in values if msgspec.json.decode(value)["type"] == tag]


@pytest.mark.parametrize("name", TOPICS)
def test_everything_a_worker_writes_fits_its_schema(name: str) -> None:
    check = validator(name)
    count = 0
    for value in written(name):
        check.validate(msgspec.json.decode(value))
        assert msgspec.json.encode(decode(name, value)) == value
        count += 1

    assert count > (10 if TOPICS[name] == "orders" else 50), (
        "the workload is too tame to show anything"
    )


@pytest.mark.parametrize("name", TOPICS)
def test_nothing_is_written_that_the_schema_does_not_name(name: str) -> None:
    declared = schema(name)["properties"].keys()
    found = {field for value in written(name) for field in msgspec.json.decode(value)}

    assert found <= declared
    assert found >= set(schema(name)["required"])


# Vocabularies that may grow: the schemas list them, the README explains them, the code uses them.


def _terms(name: str, field: str) -> list[str]:
    terms: list[str] = schema(name)["properties"][field]["x-extensible-enum"]
    assert len(terms) == len(set(terms))
    return terms


def _calls(*functions: str) -> set[str]:
    """The terms in the code: string literals that are the first string of a call."""
    found = set()
    for call in _all_calls():
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func
        name = name.id if isinstance(name, ast.Name) else name
        if name in functions:
            found.update(_first_text(call))
    return found


@cache
def _all_calls() -> list[ast.Call]:
    return [
        node
        for package in ("core", "contracts", "worker")
        for path in (ROOT / "streamproc" / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def _first_text(call: ast.Call) -> list[str]:
    for argument in call.args[:2]:
        texts = [
            node.value
            for node in ast.walk(argument)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if texts:
            return [text for text in texts if re.fullmatch("[a-z_]+", text)]
    return []


def test_the_reject_reasons_are_those_of_the_code() -> None:
    used = _calls("rejected", "_reject", "DecodeFailure", "Rejected")

    assert set(_terms("input.rejected.v1", "reason")) == used


def test_the_decisions_are_those_of_the_code() -> None:
    # The last ones reach their call by a variable.
    used = _calls("audited", "Audited", "audit", "refused", "of_waiting", "Delay", "of_level")
    used |= {"left_category", "joined_category", "confirmed", "refused", "timed_out"}
    used |= {"cost_cap_lifted", "cost_cap_restored", "merged"}

    # Records of earlier releases have them, and readers know them still.
    earlier = {"dedupe_shortened"}
    assert not earlier & used
    assert set(_terms("audit.recorded.v1", "decision")) == used | earlier


def test_the_kinds_are_those_of_the_rules() -> None:
    kinds = {*(one.name for one in BUILT_IN), *get_args(NoticeKind)}
    assert set(_terms("reminder.requested.v1", "kind")) == kinds


def test_the_kinds_of_buckets_are_those_of_the_state() -> None:
    figures: dict[str, Any] = schema("reminder.requested.v1")["$defs"]["bucket_figures"]

    assert figures["properties"]["kind"]["x-extensible-enum"] == [
        account_row.ALLOWANCE,
        account_row.PACK,
        account_row.TOPUP,
        account_row.ROLLOVER,
        account_row.UNLIMITED,
        MEMBER,
        CLOSED_CYCLE,
    ]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("input.rejected.v1", "reason"),
        ("audit.recorded.v1", "decision"),
        ("reminder.requested.v1", "kind"),
    ],
)
def test_the_workload_uses_known_terms_and_the_readme_explains_all(name: str, field: str) -> None:
    readme = (SCHEMAS / "README.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `([a-z_]+)` \|", readme, re.MULTILINE)
    used = {msgspec.json.decode(value)[field] for value in written(name)}

    assert field != "kind" or used == set(_terms(name, field)), "the workload is too tame"
    assert used <= set(_terms(name, field))
    assert set(_terms(name, field)) <= set(explained)


def test_the_readme_explains_nothing_that_is_gone() -> None:
    readme = (SCHEMAS / "README.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `([a-z_]+)` \|", readme, re.MULTILINE)
    known = [
        *_terms("input.rejected.v1", "reason"),
        *_terms("audit.recorded.v1", "decision"),
        *_terms("reminder.requested.v1", "kind"),
    ]

    assert sorted(explained) == sorted(known)
