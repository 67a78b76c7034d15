"""The reader of law 28 finds what is false: each message here was changed by hand."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from streamproc.contracts.rulesfile import default_rulebook
from tests.support.truth.account import Snapshot
from tests.support.truth.checks import Reader
from tests.support.truth.play import Player, Scene
from tests.unit.test_truth_cases import Life, instant, rules_of, spoken

MB = 1_000_000


def scene_of_usage(rules: Any, used: int, **fields: Any) -> tuple[Life, Scene]:
    """What usage of somebody leads to that nobody has read yet."""
    life = Life(rules)
    life.begin(next(iter(rules.plans)), **fields)
    event = {
        "id": "u",
        "source": "test",
        "subscriber": life.player.name,
        "time": instant("01-02 10:00"),
        "type": "usage.recorded",
        "total_bytes": used,
    }
    return life, life.player.feed(event, instant("01-02 10:00"))


def found(life: Life, scene: Scene) -> set[str]:
    reader = Reader(life.player.rules, life.player, has_words=True)
    reader.read(scene)
    return {one.kind for one in reader.findings}


RULES = rules_of(
    plans=[
        {
            "id": "plan",
            "allowances": [{"id": "data", "granted_bytes": 1000 * MB}],
            "overage_price_minor": 5,
        }
    ],
    rules=[
        spoken(
            "low",
            "usage_percent",
            "{percent}% of {bucket}, {remaining} left until {expires}; then {price}"
            "{remaining, plural, =0 {!} other {.}}",
            thresholds=[80, 100],
            mandatory=True,
        )
    ],
)


def test_a_true_message_is_found_true() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    assert [one.text for one in scene.messages] == [
        "85% of data, 150 MB left until 2026-02-01 00:00; then €0.05."
    ]
    assert found(life, scene) == set()


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("85%", "84%", "percent"),
        ("data", "films", "bucket"),
        ("150 MB", "151 MB", "remaining"),
        ("150 MB", "149.99 MB", "remaining"),
        ("150 MB", "unlimited", "remaining"),
        ("2026-02-01", "2026-02-02", "expires"),
        ("€0.05", "€0.50", "price"),
        ("€0.05.", "€0.05!", "remaining as plural"),
        ("left", "gone", "text"),
    ],
)
def test_another_figure_name_end_price_or_branch_is_found(old: str, new: str, kind: str) -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    (message,) = scene.messages
    assert old in message.text
    scene.messages = [replace(message, text=message.text.replace(old, new, 1))]
    assert found(life, scene) == {kind}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"recipient": "861380000099"}, "recipient"),
        ({"used_bytes": 1}, "used_bytes"),
        ({"overage_bytes": 1}, "overage_bytes"),
        ({"threshold": None}, "threshold"),
    ],
)
def test_another_field_of_the_record_is_found(fields: dict[str, Any], kind: str) -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    (message,) = scene.messages
    scene.messages = [replace(message, **fields)]
    assert kind in found(life, scene)


def test_a_threshold_that_is_not_reached_is_found() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    (message,) = scene.messages
    assert message.threshold is not None
    scene.messages = [replace(message, threshold=replace(message.threshold, value=100))]
    assert "threshold" in found(life, scene)


def test_a_message_that_is_not_sent_is_found() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    scene.messages = []
    assert found(life, scene) == {"lost"}


def test_a_message_that_is_sent_twice_is_found() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    scene.messages *= 2
    assert found(life, scene) == {"id"}


def test_packaged_words_that_are_not_so_are_found() -> None:
    life, scene = scene_of_usage(default_rulebook(), 450 * MB, locale="en")
    assert scene.messages
    assert found(life, scene) == set()
    scene.messages[0] = replace(
        scene.messages[0], text="Data alert: all of your data is used up (Jan 2, 10:00)."
    )
    assert any(kind.startswith("words") or kind == "text" for kind in found(life, scene))


def test_a_snapshot_stays_as_it_was() -> None:
    life, scene = scene_of_usage(RULES, 850 * MB)
    state: Snapshot = scene.states[-1]
    life.use("01-02 11:00", 100 * MB)
    assert [one["used"] for one in state.live] == [850 * MB]
    assert isinstance(life.player, Player)
