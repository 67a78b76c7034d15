"""docs/alerts.md says what is so: its examples are played."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.timeline import played

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^(#+ [^\n]+)$|^```(yaml|timeline)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL
)


def examples() -> list[tuple[str, str, str]]:
    """Heading, rules and timeline of each example."""
    found, heading, rules = [], "", ""
    for title, language, block in BLOCKS:
        if title:
            heading, rules = title.lstrip("# "), ""
        elif language == "yaml":
            rules = block
        else:
            found.append((heading, rules, block))
    return found


HEAD = next(block for _, language, block in BLOCKS if language == "yaml")


@pytest.mark.parametrize(("heading", "rules", "timeline"), examples())
def test_an_example_comes_true(heading: str, rules: str, timeline: str) -> None:
    if rules.startswith("- "):
        rules = "rules:\n" + re.sub("^", "  ", rules, flags=re.MULTILINE)
    written, true = played(rules, timeline, HEAD, "basic")
    assert true == written


def test_every_kind_of_alert_rule_has_an_example() -> None:
    assert len(examples()) >= 22
