"""What pages and schemas say of the kinds of rules is what the kinds say of themselves."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.rules.kinds import BUILT_IN, KINDS, RuleKind
from streamproc.core.rules.notices import NoticeKind
from streamproc.core.rules.placeholders import OF_SOME_KINDS
from streamproc.core.rules.sending import Policy
from streamproc.tools.explain import decision_words
from tests.support import kind_tables
from tests.support.timeline import HEAD


@pytest.mark.parametrize("path", kind_tables.pages(), ids=lambda path: path.name)
def test_a_page_is_as_make_tables_writes_it(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == kind_tables.pages()[path], "stale: run make tables"


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_a_kind_says_all_that_there_is_to_know_of_it(kind: RuleKind) -> None:
    assert KINDS[kind.name] is kind
    assert kind.says
    assert kind.brief
    assert kind.placeholders <= OF_SOME_KINDS.keys()
    names = {field.encode_name for field in msgspec.structs.fields(kind.entry)}
    assert kind.field_docs.keys() <= names
    assert ("thresholds" in names) == bool(kind.thresholds_are)


REQUIRED = {
    "thresholds": [50],
    "step_bytes": 100,
    "window_seconds": 3600,
    "of": ["low"],
    "at": "10:00",
    "cron": "0 10 * * *",
    "date": "2026-03-01",
    "days": 3,
    "days_before": 3,
    "hours_after": 3,
    "policies": ["end"],
}
OF_KIND: dict[str, dict[str, int]] = {"spend_percent": {"cap_minor": 100}, "anomaly": {"cycles": 2}}
SENDING = {
    "severity": "critical",
    "audience": "both",
    "in_quiet_hours": "send",
    "cool_down_seconds": 60,
    "coalesce_seconds": 30,
    "group": "g",
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2027-01-01T00:00:00Z",
}


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_a_rule_of_a_kind_is_sent_as_its_entry_says(kind: RuleKind) -> None:
    needed = [
        field.encode_name
        for field in msgspec.structs.fields(kind.entry)
        if field.required and field.encode_name in REQUIRED
    ]
    rule = {"id": "one", "kind": kind.name, "category": "c", "texts": {"en": "."}, **SENDING}
    rule |= {name: REQUIRED[name] for name in needed} | OF_KIND.get(kind.name, {})
    low = {"id": "low", "kind": "zero_balance", "category": "c", "texts": {"en": "."}}
    head = HEAD.replace(
        "packs:", "    policies: [{id: end, when: nothing_left, state: barred}]\npacks:"
    )
    rules = load_rulebook(f"{head}rules: {json.dumps([low, rule])}\n", "rules.yaml")
    (told,) = [one for one in rules.rules_by_id.values() if one.id == "one"]
    start_ms, end_ms = (to_ms(datetime(year, 1, 1, tzinfo=UTC)) for year in (2026, 2027))
    assert told.policy == Policy(
        "critical",
        "both",
        "send",
        60_000,
        30_000,
        "g",
        valid_from_ms=start_ms,
        valid_until_ms=end_ms,
    )


def test_a_stale_page_would_be_seen() -> None:
    page = "a\n<!-- kinds: written by `make tables` -->\nold\n<!-- end of kinds -->\nb\n"
    assert "old" not in kind_tables.with_part(page, "kinds", "new")


def test_kinds_with_one_unit_have_the_same_words_for_it() -> None:
    """``explain`` knows a threshold's unit alone."""
    found = {(kind.unit, kind.level_words) for kind in BUILT_IN if kind.unit}
    assert len({unit for unit, _ in found}) == len(found)
    levels = {decision_words.level(7, unit) for unit, _ in found}
    assert levels >= {"7 % left", "7 minor units spent"}


def test_every_kind_stands_in_one_lane_of_the_page() -> None:
    kinds = [*(kind.name for kind in BUILT_IN), *get_args(NoticeKind)]
    assert sorted(re.findall("`([a-z_]+)`", kind_tables.lanes_table())) == sorted(
        [*kinds, "urgent", "bulk"]
    )
