"""``streamproc simulate``: pairing messages, counting differences, the command on a recording."""

from __future__ import annotations

from streamproc.cli.simulate import _rule_ids
from streamproc.contracts.rules_file.load import packaged_rulebook
from streamproc.core.instants import DAY_MS
from streamproc.tools.simulation.as_text import money, span
from streamproc.tools.simulation.pairing import MessageChange, pair
from streamproc.tools.simulation.report import compare
from streamproc.tools.simulation.run_messages import RunOutcome, Sent
from tests.support.talking import talking_rules

BOTH = frozenset({"low", "weekly"})
HOUR_MS = DAY_MS // 24


def message(
    told_ms: int,
    rule: str = "low",
    threshold: int | None = 50,
    who: str = "861380000001",
    id: str = "",
    **fields: object,
) -> Sent:
    known = {
        "kind": "usage_percent",
        "bucket": "data",
        "cycle_ms": 0,
        "segments": 1,
        "text_hash": 0,
    } | fields
    name = id or f"{who}/{rule}/{threshold}/{told_ms}"
    return Sent(
        id=name, subscriber=who, rule=rule, threshold=threshold, told_ms=told_ms,
        **known,  # type: ignore[arg-type]
    )  # fmt: skip


def effects(changes: list[MessageChange]) -> list[tuple[str, int]]:
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


def test_the_report_counts_days_loads_and_cost() -> None:
    present = RunOutcome(
        [message(0), message(HOUR_MS, threshold=80), message(2 * DAY_MS, "weekly")]
    )
    changed = RunOutcome([message(0, text_hash=1), message(2 * DAY_MS, "weekly", segments=3)])
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
        "cycle-end", "pack-expiry", "day-pack-end", "new-year",
    }  # fmt: skip
