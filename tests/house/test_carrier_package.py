"""examples/carrier-package: what a package brings along is there without a change of streamproc."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from streamproc.cli import main
from streamproc.cli.extensions import RULE_KINDS, load
from streamproc.contracts.rules_file.load import load_rulebook, load_rules
from streamproc.core.rules.kinds import KINDS
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.events import SubscriberEvent
from streamproc.dispatch.assembly import gateways_of, lanes_of
from streamproc.dispatch.config import load_gateways
from streamproc.dispatch.lanes import lane_of
from streamproc.dispatch.model import Accepted, Origin, Outgoing
from streamproc.lab.oracle import PlacedRecord, expect, reaching
from streamproc.lab.workload import WorkloadSettings, generate
from streamproc.worker.native_bridge.unsupported import unsupported
from tests.support import carrier
from tests.support.expectation import expect as run
from tests.support.oracle import assert_agrees
from tests.support.scheduler import START_MS, TOPIC, reminder

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples" / "carrier-package"
RULES = PACKAGE / "rules.yaml"


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    carrier.install_into(tmp_path)
    with carrier.used(tmp_path):
        yield tmp_path


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in words])


def test_without_the_package_its_kind_is_refused_by_name() -> None:
    done = command("rules", "check", RULES)
    assert done.exit_code == 1
    assert "rules[0].kind: there is no kind 'overage_bytes', and no package" in done.output


def test_a_misspelt_kind_is_told_as_one() -> None:
    text = RULES.read_text(encoding="utf-8").replace("overage_bytes ", "overage_startd ")
    with pytest.raises(ValueError, match=r"must be one of usage_percent, .*, not 'overage_startd'"):
        load_rulebook(text, "rules.yaml")


@pytest.mark.usefixtures("installed")
def test_its_kind_is_checked_as_others_are() -> None:
    assert command("rules", "check", "--strict", RULES).output.endswith("1 rule, texts in en\n")
    text = RULES.read_text(encoding="utf-8").replace("500_000_000]", "0, 7 GB]")
    with pytest.raises(ValueError, match=r"thresholds\[1\]: must be at least 1, not 0") as wrong:
        load_rulebook(text, "rules.yaml")
    assert "thresholds[2]: must be a whole number, not '7 GB'" in str(wrong.value)


@pytest.mark.usefixtures("installed")
def test_its_needs_are_warned_of_as_others_are(tmp_path: Path) -> None:
    endless = RULES.read_text(encoding="utf-8").replace(
        "granted_bytes: 1_000_000_000", "unlimited: true"
    )
    (tmp_path / "endless.yaml").write_text(endless, encoding="utf-8")
    assert "[no-overage]" in command("rules", "check", tmp_path / "endless.yaml").output


@pytest.mark.usefixtures("installed")
def test_its_kind_is_played() -> None:
    played = command("play", RULES, PACKAGE / "events.jsonl").output
    assert "You have used 120 MB beyond your plan. That costs €0.60" in played
    assert "beyond 100 MB used" in played


def test_its_reader_is_used_by_send(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[SubscriberEvent] = []

    class Producer:
        waiting = 0

        def __enter__(self) -> Producer:
            return self

        def __exit__(self, *raised: object) -> None: ...

        def send(self, event: SubscriberEvent) -> None:
            sent.append(event)

    monkeypatch.setattr(sys.modules["streamproc.cli.send"], "_producer", lambda _: Producer())
    done = command("send", "--broker", "nowhere:1", PACKAGE / "usage.cdr")
    assert "usage.cdr:3: has a time or an amount that cannot be read" in done.output
    assert done.exit_code == 1
    found: list[Any] = [msgspec.to_builtins(one) for one in sent]
    assert [(one["id"], one["total_bytes"]) for one in found] == [
        ("A-1", 1_050_000_000),
        ("A-2", 70_000_000),
    ]
    assert "pipe-cdr" in command("send", "--help").output


def test_without_the_package_its_form_is_unknown() -> None:
    done = command("send", "--broker", "x:1", "--format", "pipe-cdr", PACKAGE / "usage.cdr")
    assert done.exit_code == 2
    assert "'pipe-cdr' is none of auto, ndjson" in done.output


@pytest.mark.usefixtures("installed")
def test_its_gateway_sends_and_its_kind_is_urgent(tmp_path: Path) -> None:
    load("streamproc.gateways")
    load(RULE_KINDS)
    config = load_gateways((PACKAGE / "gateways.yaml").read_text(encoding="utf-8"), "g.yaml")
    gateway = gateways_of(config, tmp_path, lambda: 0.5)["modem"]
    told = reminder(kind="overage_bytes")
    message = Outgoing(told.id, told, Origin(TOPIC, 0, 0, START_MS), 0, 0, START_MS, START_MS + 1)
    assert not isinstance(asyncio.run(gateway.send(message)), Accepted), "there is no such folder"
    (tmp_path / "outgoing").mkdir()
    assert asyncio.run(gateway.send(message)) == Accepted()
    written = (tmp_path / "outgoing" / told.id).read_text(encoding="utf-8")
    assert written == f"To: {told.subscriber}\nAlphabet: UTF-8\n\n{told.text}\n"
    assert lane_of(told, lanes_of(config)) == 0
    assert lane_of(replace_kind(told, "usage_summary"), lanes_of(config)) == 1


def replace_kind(told: Any, kind: str) -> Any:
    return msgspec.structs.replace(told, kind=kind)


def test_its_kind_is_told_as_the_oracle_has_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core needs to know nothing of the kind, and the compiled part leaves it to the core."""
    load(RULE_KINDS)
    rules = load_rules(RULES)
    assert unsupported(rules) == ["kind overage_bytes"]
    monkeypatch.setitem(
        reaching.FIGURES,
        "overage_bytes",
        lambda contract, rule, level, rules: contract.overage >= level,
    )
    settings = WorkloadSettings(seed=3, events=2_000, subscribers=20, days=70)
    records = list(generate(settings, rules))
    end_ms = max(one.timestamp_ms for one in records)
    placed = [(0, offset, one) for offset, one in enumerate(records)]
    result = run(placed, "events", rules, final_clock_ms=end_ms)
    log = [PlacedRecord("events", 0, offset, *one) for offset, one in enumerate(records)]
    expected = expect(log, rules, until_ms=end_ms)
    assert expected.reminders_by_kind["overage_bytes"] > 5
    assert_agrees(result, expected, rules)


def test_the_oracle_says_which_kind_it_does_not_know(installed: Path) -> None:
    load(RULE_KINDS)
    rules: Rulebook = load_rules(RULES)
    settings = WorkloadSettings(seed=3, events=20, subscribers=1)
    records = list(generate(settings, rules))
    log = [PlacedRecord("events", 0, offset, *one) for offset, one in enumerate(records)]
    with pytest.raises(reaching.UnknownKindError, match="no rule kind 'overage_bytes'"):
        expect(log, rules, until_ms=records[-1].timestamp_ms)


@pytest.mark.parametrize(
    ("name", "place", "problem"),
    [
        ("velocity", "mine:VELOCITY", "there is a rule kind 'velocity' already"),
        ("other", "mine:VELOCITY", "calls itself 'velocity'"),
        ("moon", "mine:MOON", "is not a RuleKind, but 'moon'"),
        ("gone", "mine:GONE", "cannot be loaded: AttributeError"),
        ("away", "nowhere_at_all:KIND", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_package_that_brings_nothing_right_is_named(
    name: str, place: str, problem: str, tmp_path: Path
) -> None:
    module = "from streamproc.core.rules.kinds.velocity import KIND as VELOCITY\nMOON = 'moon'\n"
    (tmp_path / "mine.py").write_text(module, encoding="utf-8")
    carrier.describe(tmp_path, "mine", "2.0", {RULE_KINDS: {name: place}})
    known = dict(KINDS)
    with carrier.used(tmp_path):
        done = command("rules", "check", ROOT / "examples" / "first" / "rules.yaml")
    assert done.exit_code == 1
    assert (
        f"the entry point {name!r} of streamproc.rule_kinds in the package mine 2.0" in done.output
    )
    assert problem in done.output
    assert known == KINDS


def test_the_recipe_names_the_places_of_a_kind() -> None:
    """docs/recipes/rule-kind.md: five places for a kind of streamproc's own."""
    page = (ROOT / "docs" / "recipes" / "rule-kind.md").read_text(encoding="utf-8")
    steps = [line for line in page.splitlines() if line[:2] in ("1.", "2.", "3.", "4.", "5.", "6.")]
    assert len(steps) == 5
    for place in ("core/rules/kinds/", "lab/oracle/reaching.py", "docs/alerts.md", "everything.py"):
        assert any(place in line for line in steps), place
