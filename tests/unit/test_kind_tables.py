"""What pages and schemas say of the kinds of rules is what the kinds say of themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from streamproc.core.rules.kinds import BUILT_IN, KINDS, RuleKind
from streamproc.core.rules.notices import NoticeKind
from streamproc.core.rules.placeholders import OF_SOME_KINDS
from streamproc.tools.explain import words
from tests.support import kind_tables


@pytest.mark.parametrize("path", kind_tables.pages(), ids=lambda path: path.name)
def test_a_page_is_as_make_kinds_writes_it(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == kind_tables.pages()[path], "stale: run make kinds"


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_a_kind_says_all_that_there_is_to_know_of_it(kind: RuleKind) -> None:
    assert KINDS[kind.name] is kind
    assert kind.says
    assert kind.brief
    assert kind.placeholders <= OF_SOME_KINDS.keys()
    names = {field.encode_name for field in msgspec.structs.fields(kind.entry)}
    assert kind.field_docs.keys() <= names
    assert ("thresholds" in names) == bool(kind.thresholds_are)


def test_a_stale_page_would_be_seen() -> None:
    page = "a\n<!-- kinds: written by `make kinds` -->\nold\n<!-- end of kinds -->\nb\n"
    assert "old" not in kind_tables.with_part(page, "kinds", "new")


def test_kinds_with_one_unit_have_the_same_words_for_it() -> None:
    """``explain`` knows a threshold's unit alone."""
    found = {(kind.unit, kind.level_words) for kind in BUILT_IN if kind.unit}
    assert len({unit for unit, _ in found}) == len(found)
    assert {words.level(7, unit) for unit, _ in found} >= {"7 % left", "7 minor units spent"}


def test_every_kind_stands_in_one_lane_of_the_page() -> None:
    kinds = [*(kind.name for kind in BUILT_IN), *get_args(NoticeKind)]
    assert sorted(re.findall("`([a-z_]+)`", kind_tables.lanes_table())) == sorted(
        [*kinds, "urgent", "bulk"]
    )
