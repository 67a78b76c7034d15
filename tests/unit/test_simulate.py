"""``streamproc simulate``: pairing messages, counting differences, the command on a recording."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.cli.simulate import _rule_ids
from streamproc.contracts.rulesfile import packaged_rulebook
from streamproc.core.instants import DAY_MS
from streamproc.edges.simulation.messages import Message, Outcome
from streamproc.edges.simulation.pairing import Change, pair
from streamproc.edges.simulation.report import compare
from streamproc.edges.simulation.table import money, span
from tests.property.budget import budget
from tests.support.commands import run
from tests.support.talking import talking_rules

BOTH = frozenset({"low", "weekly"})
HOUR_MS = DAY_MS // 24
RULES = """\
version: 1
currency: EUR
default_locale: en
plans: [{id: basic, allowances: [{id: data, granted_bytes: 1_000_000_000}]}]
rules:
  - {id: low, kind: usage_percent, thresholds: [50, 80], category: usage,
     texts: {en: "{percent}% used"}}
"""


def message(
    told_ms: int,
    rule: str = "low",
    threshold: int | None = 50,
    who: str = "861380000001",
    id: str = "",
    **fields: object,
) -> Message:
    known = {
        "kind": "usage_percent",
        "bucket": "data",
        "cycle_ms": 0,
        "segments": 1,
        "text_hash": 0,
    } | fields
    name = id or f"{who}/{rule}/{threshold}/{told_ms}"
    return Message(
        id=name, subscriber=who, rule=rule, threshold=threshold, told_ms=told_ms,
        **known,  # type: ignore[arg-type]
    )  # fmt: skip


def effects(changes: list[Change]) -> list[tuple[str, int]]:
    return [(one.effect, one.shift_ms) for one in changes]


def test_the_same_threshold_reached_at_another_time_is_the_same_message() -> None:
    changes = pair([message(100), message(200, threshold=80)], [message(60)], BOTH)
    assert effects(changes) == [("earlier", -40), ("dropped", 0)]


def test_a_moved_threshold_is_told_later_or_not_at_all() -> None:
    present = [message(100), message(100, who="861380000002")]
    changes = pair(present, [message(160, threshold=60)], BOTH)
    assert effects(changes) == [("dropped", 0), ("later", 60)]


def test_other_cycles_rules_and_subscribers_are_others() -> None:
    present = message(100)
    for other in (
        message(100, cycle_ms=DAY_MS),
        message(100, rule="weekly"),
        message(100, who="861380000002"),
    ):
        assert {one.effect for one in pair([present], [other], BOTH)} == {"dropped", "added"}


def test_a_renamed_rule_is_the_same_and_another_kind_is_not() -> None:
    renamed = message(100, rule="nearly-empty")
    assert effects(pair([message(100)], [renamed], frozenset())) == [("same", 0)]
    other = message(100, rule="nearly-empty", kind="remaining_bytes")
    assert len(pair([message(100)], [other], frozenset())) == 2


def test_summaries_are_paired_by_time() -> None:
    weekly = [message(day * DAY_MS, "weekly", None) for day in (4, 11, 18, 25)]
    monthly = [message(12 * DAY_MS, "weekly", None)]
    changes = pair(weekly, monthly, BOTH)
    assert effects(changes) == [("dropped", 0), ("later", DAY_MS), ("dropped", 0), ("dropped", 0)]


TIMES = st.lists(st.integers(0, 50), max_size=6)


@budget(200)
@given(TIMES, TIMES)
def test_every_message_is_in_one_change_and_times_are_as_near_as_can_be(
    present: list[int], changed: list[int]
) -> None:
    mine = [message(at, "weekly", None, id=f"a{n}") for n, at in enumerate(present)]
    theirs = [message(at, "weekly", None, id=f"b{n}") for n, at in enumerate(changed)]
    changes = pair(mine, theirs, BOTH)
    assert sorted(one.present.id for one in changes if one.present) == sorted(m.id for m in mine)
    assert sorted(one.changed.id for one in changes if one.changed) == sorted(m.id for m in theirs)
    both = [one for one in changes if one.present and one.changed]
    assert len(both) == min(len(mine), len(theirs))
    assert sum(abs(one.shift_ms) for one in both) == nearest(sorted(present), sorted(changed))


def nearest(few: list[int], many: list[int]) -> int:
    """The smallest sum of differences, by trying every choice in order."""
    if len(few) > len(many):
        few, many = many, few
    if not few:
        return 0
    with_first = abs(few[0] - many[0]) + nearest(few[1:], many[1:])
    if len(many) == len(few):
        return with_first
    return min(with_first, nearest(few, many[1:]))


def test_the_report_counts_days_loads_and_cost() -> None:
    present = Outcome([message(0), message(HOUR_MS, threshold=80), message(2 * DAY_MS, "weekly")])
    changed = Outcome([message(0, text_hash=1), message(2 * DAY_MS, "weekly", segments=3)])
    report = compare(present, changed, BOTH, 10, 45_000, "EUR")
    assert report.by_day == {"1970-01-01": (2, 1), "1970-01-02": (0, 0), "1970-01-03": (1, 1)}
    assert report.loads == ({2: 1, 1: 1}, {1: 2})
    assert report.max_a_day == (2, 1)
    assert report.segments == (3, 4)
    assert report.cost_micros == (135_000, 180_000)
    assert (report.affected, report.reworded) == (1, 1)
    assert report.by_rule["low"].effects == {"same": 1, "dropped": 1}


def test_money_and_spans_in_words() -> None:
    assert money(1_234_495_000, "CNY") == "1,234.50 CNY"
    assert money(-45_000, "") == "-0.05"
    assert span(-90 * 60_000) == "-1.5 h"
    assert span(4 * DAY_MS) == "+4.0 d"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two hand-made subscribers: one ends at 60 %, the other goes through at 100 %."""
    found = {name: tmp_path / name for name in ("present.yaml", "new.yaml", "month.ndjson")}
    found["present.yaml"].write_text(RULES)
    found["new.yaml"].write_text(RULES.replace("[50, 80]", "[70]"))
    lines = []
    for name, total in (("861380000001", 6), ("861380000002", 10)):
        lines.append(event(name, 0, type="account.activated", plan="basic", time_zone="UTC",
                           billing_anchor_day=1))  # fmt: skip
        lines += [
            event(name, hour, type="usage.recorded", total_bytes=100_000_000)
            for hour in range(1, total + 1)
        ]
    lines.sort(key=lambda line: json.loads(line)["timestamp_ms"])
    found["month.ndjson"].write_text("".join(lines))
    return found


def event(name: str, hour: int, **fields: object) -> str:
    at = f"2026-01-05T{hour:02}:00:00Z"
    value = {"id": f"{name}-{hour}", "source": "t", "subscriber": name, "time": at, **fields}
    stamp_ms = 1_767_571_200_000 + hour * HOUR_MS
    line = {"key": name, "value": json.dumps(value), "timestamp_ms": stamp_ms}
    return json.dumps(line) + "\n"


def test_the_command_tells_who_is_told_otherwise(files: dict[str, Path]) -> None:
    arguments = (
        "simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
        "--from", files["month.ndjson"], "--price", "0.045",
    )  # fmt: skip
    document = json.loads(run(*arguments, "--json"))
    assert document["subscribers"] == 2
    assert document["messages"] == {"present": 3, "changed": 1}
    assert document["cost_micros"] == {"present": 135_000, "changed": 45_000, "currency": "EUR"}
    assert [
        (one["effect"], one["subscriber"], one["present_threshold"], one["changed_threshold"])
        for one in document["changes"]
    ] == [
        ("dropped", "861*******01", 50, None),
        ("dropped", "861*******02", 50, None),
        ("earlier", "861*******02", 80, 70),
    ]
    assert document["changes"][2]["shift_ms"] == -HOUR_MS
    said = run(*arguments)
    assert "861*******02  low 80 -> 70: earlier (-1.0 h)" in said
    assert "2 of 2 subscribers are told otherwise" in said
    assert "861380000002" not in said
    assert "861380000002" in run(*arguments, "--show-numbers")


@pytest.mark.parametrize("native", ["on", "off"])
def test_the_same_rules_make_no_difference(
    files: dict[str, Path], native: str, tmp_path: Path
) -> None:
    if native == "on":
        pytest.importorskip("streamproc_native")
    month = tmp_path / "m.ndjson"
    run("workload", "--events", 3000, "--subscribers", 50, "--out", month)  # type: ignore[arg-type]
    default = Path(sys.modules["streamproc.contracts"].__path__[0]) / "rules" / "default.yaml"
    document = json.loads(
        run("simulate", "--rules", default, "--from", month, "--json", "--native", native)
    )
    assert document["messages"]["present"] == document["messages"]["changed"] > 100
    assert document["effects"]["same"] == document["messages"]["present"]
    assert document["changes"] == []
    assert any("activation is not among them" in note for note in document["notes"])


def test_what_falls_due_after_the_last_record_is_counted_on_demand(files: dict[str, Path]) -> None:
    files["new.yaml"].write_text(
        RULES + '  - {id: end, kind: before_cycle_end, days_before: 3, at: "10:00", '
        'category: s, texts: {en: "x"}}\n'
    )
    arguments = ("simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
                 "--from", files["month.ndjson"], "--json")  # fmt: skip
    assert json.loads(run(*arguments))["effects"]["added"] == 0
    assert json.loads(run(*arguments, "--advance-clock", "30d"))["effects"]["added"] == 2


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_picture_is_drawn(files: dict[str, Path], tmp_path: Path, form: str) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / f"difference.{form}"
    run("simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
        "--from", files["month.ndjson"], "--picture", picture)  # fmt: skip
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG" if form == "png" else b"<?xml")
    assert len(content) > 5_000


def test_without_matplotlib_it_says_so_before_the_work(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = run("simulate", "--rules", files["new.yaml"], "--from", files["month.ndjson"],
               "--picture", tmp_path / "p.png", code=1)  # fmt: skip
    assert "pip install 'streamproc[pictures]'" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "topic:x"), "give --broker"),
        (("--from", "nothing.ndjson"), "there is no such file"),
        (("--from", "x", "--price", "0.0000001"), "is no price"),
        (("--from", "x", "--price", "free"), "is no price"),
    ],
)
def test_what_cannot_be_run_is_refused(
    files: dict[str, Path], arguments: tuple[str, ...], words: str
) -> None:
    assert words in run("simulate", "--rules", files["new.yaml"], *arguments, code=2)


def test_rules_of_every_kind_are_known_by_their_ids() -> None:
    """What both files have is never taken for another rule of its kind."""
    book = talking_rules()
    ids = _rule_ids(book)
    assert ids >= {"low", "weekly", "welcome", "advice"}
    assert ids >= {reply.id for reply in book.commands.replies.values()}  # type: ignore[union-attr]
    showcase = packaged_rulebook("showcase.yaml")
    assert _rule_ids(showcase) == {
        "percent-used", "percent-left", "bytes-left", "bytes-used", "spent", "spend-cap", "beyond",
        "each-step", "fast", "unusual", "empty", "restored", "soon-out", "idle", "weekly-summary",
        "cycle-end", "pack-expiry", "new-year",
    }  # fmt: skip


def test_messages_of_two_rules_of_a_kind_are_not_taken_for_each_other(
    files: dict[str, Path],
) -> None:
    spend = """\
  - {id: one, kind: spend_amount, thresholds: [%s], category: money, texts: {en: "x"}}
  - {id: other, kind: spend_amount, thresholds: [%s], category: money, texts: {en: "x"}}
"""
    priced = RULES.replace("allowances:", "overage_price_minor: 1, allowances:")
    priced = priced.replace("1_000_000_000", "500_000_000")
    files["present.yaml"].write_text(priced + spend % (300, 90_000))
    files["new.yaml"].write_text(priced + spend % (90_000, 300))
    document = json.loads(
        run("simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
            "--from", files["month.ndjson"], "--json")
    )  # fmt: skip
    assert sorted((one["effect"], one["rule"]) for one in document["changes"]) == [
        ("added", "other"),
        ("dropped", "one"),
    ]
