"""Rule packs: right, printed, named; docs/rule-packs.md says what is so: its examples are lived."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.rules_file.load import packaged_rulebook
from streamproc.contracts.rules_file.packs import pack_names, pack_path
from streamproc.core.rules.rulebook import Plan
from streamproc.core.rules.scope import ORDINARY_RATING_GROUP
from tests.support.checked import checked
from tests.support.timeline import lives

PACKS = ["australia", "canada", "china", "eu-roaming", "india", "us"]
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rule-packs.md").read_text(encoding="utf-8")
SECTIONS = re.findall(
    r"^## [^\n]+\n\n`([\w-]+)`.*?^```timeline\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL
)
CONSOLE = re.findall(
    r"^```console\n\$ streamproc ([^\n]+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize(("pack", "timeline"), SECTIONS)
def test_an_example_comes_true(pack: str, timeline: str) -> None:
    lives(pack, timeline)


@pytest.mark.parametrize(("command", "output"), CONSOLE)
def test_a_command_prints_what_is_shown(
    command: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert CliRunner().invoke(main, command.split()).stdout == output


def test_every_pack_has_an_example_and_a_life_with_packs_top_ups_and_changes_of_plan() -> None:
    assert sorted(pack for pack, _ in SECTIONS) == PACKS
    played = {one for command, _ in CONSOLE for one in command.split() if one.startswith("pack:")}
    assert played >= {f"pack:{pack}" for pack in PACKS}


@pytest.mark.parametrize("pack", PACKS)
def test_a_life_has_a_pack_a_top_up_and_a_downgrade(pack: str) -> None:
    lines = (ROOT / "examples" / "packs" / f"{pack}.ndjson").read_text(encoding="utf-8")
    events = [json.loads(line) for line in lines.splitlines()]
    assert [one for one in events if "pack" in one]
    assert [one for one in events if one["type"] == "account.topped_up" and "granted_bytes" in one]
    plans = [one["plan"] for one in events if "plan" in one]
    known = packaged_rulebook(f"packs/{pack}.yaml").plans
    assert any(
        _granted(known[later]) < _granted(known[earlier]) for earlier, later in pairwise(plans)
    )


def _granted(plan: Plan) -> float:
    if any(one.unlimited for one in plan.allowances):
        return float("inf")
    return sum(one.granted_bytes for one in plan.allowances)


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_is_right_and_so_are_its_texts_within_their_budgets(pack: str) -> None:
    texts = checked(packaged_rulebook(f"packs/{pack}.yaml"))
    assert [one.problems for one in texts if one.problems] == []
    assert max(one.max_segments for one in texts if not one.rule.startswith("reply.")) <= 2
    source = pack_path(pack).read_text(encoding="utf-8")
    assert "# Sources. " in source
    assert "# Not in here: " in source


def test_a_pack_is_named_where_a_rules_file_is() -> None:
    run = CliRunner().invoke
    assert pack_names() == PACKS
    for command in (["rules", "check"], ["texts", "lint"]):
        assert run(main, [*command, "pack:canada"]).exit_code == 0
    assert run(main, ["rules", "check", "pack:canada"]).stdout.startswith("pack:canada: OK: ")
    wrong = run(main, ["worker", "--broker", "b:1", "--rules", "pack:atlantis"])
    assert wrong.exit_code == 2
    assert "there is no pack 'atlantis'; there are australia, canada, china" in wrong.stderr


def test_a_pack_is_printed_as_it_is_to_be_copied() -> None:
    run = CliRunner().invoke
    printed = run(main, ["rules", "pack", "canada"]).stdout
    assert printed == pack_path("canada").read_text(encoding="utf-8")
    names = [line.split()[0] for line in run(main, ["rules", "pack"]).stdout.splitlines()]
    assert names == PACKS
    wrong = run(main, ["rules", "pack", "atlantis"])
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "there is no pack 'atlantis'" in wrong.stderr


UNLIMITED = "unlimited|ilimitad|不限|吃到飽|limit|[Лл]имит|محدود"


@pytest.mark.parametrize("file", ["quota.yaml", *(f"packs/{one}.yaml" for one in PACKS)])
def test_names_of_unlimited_data_do_not_say_so_twice(file: str) -> None:
    """A list shows ``domestic data unlimited``: the name and what is left of it."""
    rules = packaged_rulebook(file)
    endless = [one for plan in rules.plans.values() for one in plan.allowances if one.unlimited]
    said = [name for one in endless for name in one.names.values()]
    assert [name for name in said if re.search(UNLIMITED, name)] == []


@pytest.mark.parametrize("pack", PACKS)
def test_data_abroad_costs_what_the_zone_says_under_every_plan(pack: str) -> None:
    """Else the welcome to the zone would tell a price that nobody is charged."""
    rules = packaged_rulebook(f"packs/{pack}.yaml")
    for plan in rules.plans.values():
        for zone in rules.zones.values():
            tariff = next(
                one for one in plan.all_tariffs if one.scope.covers(ORDINARY_RATING_GROUP, zone.id)
            )
            found = (tariff.tiers[0].price_minor, tariff.tiers[0].unit_bytes)
            assert found == (zone.price_minor, zone.unit_bytes), (plan.id, zone.id)
