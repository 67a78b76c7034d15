"""Plan changes: who inherits what, thresholds un-crossed and crossed, ids never twice."""

from __future__ import annotations

from streamproc.core.rules.rulebook import Allowance, Plan, Scope
from tests.support.line import GB, Line, decisions, reminders, rulebook, thresholds

VIDEO = Scope(rating_groups=frozenset({20}))
PLANS = (
    Plan("family", (Allowance("data-family", 20 * GB, 50), Allowance("video", 10 * GB, 40, VIDEO))),
    Plan("basic", (Allowance("data-basic", 5 * GB, 50),)),
    Plan("swapped", (Allowance("more", 30 * GB, 50), Allowance("data-basic", 6 * GB, 50))),
    Plan("films", (Allowance("films", 12 * GB, 60, VIDEO), Allowance("data-films", 8 * GB, 70))),
)


def line_of(plan: str) -> Line:
    line = Line(rulebook(plans=PLANS))
    line.activate(plan=plan)
    return line


def used(line: Line) -> dict[str, tuple[int, int]]:
    return {one.id: (one.used_bytes, one.granted_bytes) for one in line.account.buckets}


def test_an_allowance_is_inherited_by_the_one_that_covers_the_same() -> None:
    line = line_of("family")
    line.use(3 * GB, at=1)
    line.use(2 * GB, at=1, rating_group=20)
    line.change_plan("films", at=2)
    assert used(line) == {"films": (2 * GB, 12 * GB), "data-films": (3 * GB, 8 * GB)}


def test_an_allowance_without_heir_expires() -> None:
    line = line_of("family")
    line.use(3 * GB, at=1)
    assert decisions(line.change_plan("basic", at=2)) == ["plan_changed", "bucket_expired"]
    assert used(line) == {"data-basic": (3 * GB, 5 * GB)}


def test_the_same_allowance_is_its_own_heir_wherever_it_stands() -> None:
    line = line_of("basic")
    line.use(3 * GB, at=1)
    line.change_plan("swapped", at=2)
    assert used(line) == {"data-basic": (3 * GB, 6 * GB), "more": (0, 30 * GB)}


def test_a_smaller_plan_reminds_of_the_highest_threshold_that_it_reaches() -> None:
    line = line_of("family")
    line.use(int(4.5 * GB), at=1)
    # 90 % are used: 50 and 80 were crossed by the change, 100 is still to come.
    effects = line.change_plan("basic", at=2)
    assert thresholds(effects) == [("low", 80)]
    assert decisions(effects) == ["plan_changed", "bucket_expired", "superseded"]
    assert thresholds(line.use(GB // 2, at=3)) == [("low", 100)]


def test_a_plan_smaller_than_what_is_used_keeps_used_and_counts_overage_from_then() -> None:
    line = line_of("family")
    line.use(6 * GB, at=1)
    line.change_plan("basic", at=2)
    assert used(line) == {"data-basic": (6 * GB, 6 * GB)}
    assert thresholds(line.use(GB, at=3)) == []
    assert line.account.overage_bytes == GB


def test_reminders_of_an_allowance_that_came_back_have_ids_of_their_own() -> None:
    line = line_of("family")
    line.use(6 * GB, at=1, rating_group=20)
    line.change_plan("basic", at=2)
    line.change_plan("family", at=3)
    line.use(6 * GB, at=4, rating_group=20)
    sent = reminders(line.effects)
    assert [[one.id for one in each.buckets] for each in sent] == [["video"], ["video"]]
    assert sent[0].id != sent[1].id


def test_reminders_after_coming_back_within_a_cycle_have_ids_of_their_own() -> None:
    line = line_of("basic")
    line.use(3 * GB, at=1)
    line.close(at=2)
    line.activate(at=3, plan="basic")
    line.use(3 * GB, at=4)
    sent = reminders(line.effects)
    assert [one.threshold.value for one in sent if one.threshold] == [50, 50]
    assert sent[0].id != sent[1].id
