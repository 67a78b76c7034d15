"""docs/rules.md says what is so: its examples load, its tables are the types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import NODEFAULT, Struct

from streamproc.cli import main
from streamproc.contracts.rules_file.format import entries as format
from streamproc.contracts.rules_file.format import plans as quota
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.kinds import BUILT_IN
from streamproc.core.rules.kinds.entry import BucketEntry, RuleEntry, TimedEntry
from streamproc.core.rules.placeholders import REMINDER
from streamproc.core.rules.rulebook import TOPUP_PRIORITY

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) ?\|$", re.MULTILINE)
SEE_BELOW = object()
IN_WORDS: dict[str, Any] = {
    "required": NODEFAULT,
    "all": None,
    "none": (),
    "off": None,
    "see below": SEE_BELOW,
    "false": False,
    "true": True,
    "week": "week",
    "-": None,
    "its id": NODEFAULT,
    "as all": NODEFAULT,
    "packaged": NODEFAULT,
    "empty": "",
    "first": "first",
    "uncrossed": "uncrossed",
    "the first three": frozenset(("allowance", "pack", "topup")),
    "latest": "latest",
    "not set": None,
    "no restriction": format.AlertsEntry(),
    "info": "info",
    "narrow": "narrow",
    "decimal": "decimal",
    "hold": "hold",
    "any": "any",
    "device_user": "device_user",
}


def block(language: str) -> str:
    return TEXT.split(f"```{language}\n", 1)[1].split("```", 1)[0]


def table(*starts: str) -> dict[str, Any]:
    """Fields and defaults of the first table after texts that follow one another."""
    text = TEXT
    for start in starts:
        text = text.split(start, 1)[1]
    rows = text.split("|---|---|---|\n", 1)[1].split("\n\n", 1)[0]
    found = ROW.findall(rows)
    assert len(found) == len(rows.strip().split("\n")), rows
    return {
        name: IN_WORDS[default.strip()] if default.strip() in IN_WORDS else int(default)
        for name, default, _ in found
    }


def fields(*kinds: type[Struct]) -> dict[str, Any]:
    return {
        field.encode_name: field.default for kind in kinds for field in msgspec.structs.fields(kind)
    }


def test_the_yaml_example_loads_and_the_documents_have_every_kind_of_rule() -> None:
    rules = load_rulebook(block("yaml"), "r.yaml")
    alerts = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^\s+kind: (\w+)", block("yaml") + alerts, re.MULTILINE))
    assert kinds == {one.name for one in BUILT_IN}
    assert rules.plans["family-20gb"].allowances[1].scope.rating_groups == frozenset({20})


def test_the_toml_example_loads() -> None:
    rules = load_rulebook(block("toml"), "r.toml")
    assert rules.plans["basic-5gb"].allowances[0].granted_bytes == 5_000_000_000


def test_the_summary_shown_is_the_one_printed(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(block("yaml"), encoding="utf-8")
    printed = CliRunner().invoke(main, ["rules", "check", str(path)]).stdout
    assert printed.removeprefix(f"{tmp_path}/") in TEXT


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("### The file", format.RulesFormat),
        ("### limits", format.LimitsEntry),
        ("### alerts", format.AlertsEntry),
        ("### plans", quota.PlanEntry),
        ("### allowances", quota.AllowanceEntry),
        ("### packs", quota.PackEntry),
        ("### rollover", quota.RolloverEntry),
        ("### tariffs", quota.TariffEntry),
        ("### overage_tiers", quota.TierEntry),
        ("### policies", quota.PolicyEntry),
        ("### storms", format.StormsEntry),
    ],
)
def test_a_table_is_its_type(heading: str, kind: type[Struct]) -> None:
    written = table(heading)
    if kind is format.RulesFormat:
        assert written.pop("limits") is written.pop("storms") is SEE_BELOW
        written |= {"limits": format.LimitsEntry(), "storms": format.StormsEntry()}
    assert written == fields(kind)


def test_the_tables_of_rules_are_their_types() -> None:
    common = fields(RuleEntry)
    assert table("### rules") == {**common, "kind": NODEFAULT}
    families = {
        "Kinds with thresholds remind": fields(BucketEntry) | {"thresholds": NODEFAULT},
        "All of them have:": fields(TimedEntry),
    }
    for start, family in families.items():
        assert common | table(start) == family


def test_every_placeholder_is_described() -> None:
    rows = TEXT.split("### Placeholders", 1)[1].split("\n\nA brace", 1)[0]
    assert set(re.findall(r"`\{(\w+)\}`", rows)) == REMINDER.keys()


def test_the_priority_of_topups_is_told() -> None:
    assert f"(top-ups have {TOPUP_PRIORITY})" in TEXT
