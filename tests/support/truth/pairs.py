"""Two messages of one event that a customer would prefer as one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

from streamproc.core.instants import to_ms
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.rulebook import Rulebook, UsageRule
from streamproc.core.state.effects import Reminder
from streamproc.lab.oracle.buckets import remaining
from tests.support.truth.account import UNLIMITED
from tests.support.truth.play import Scene

GRAVITY = ("info", "warning", "critical")


def needless(scene: Scene, rules: Rulebook) -> Iterator[tuple[Reminder, Reminder]]:
    """Pairs of a message that all home data is used up and what more costs, and another one that
    only says that some of it is used up. Both are of one group, and the first is more urgent."""
    for dear, other in permutations(scene.messages, 2):
        rule, part = rules.rules_by_id.get(dear.rule), rules.rules_by_id.get(other.rule)
        if not isinstance(rule, WatchRule) or not isinstance(part, UsageRule):
            continue
        if rule.kind != "overage_started" or rule.tariff:
            continue
        is_one_group = bool(rule.policy.group) and rule.policy.group == part.policy.group
        is_one_moment = _moment(dear) == _moment(other)
        if not is_one_group or not is_one_moment or _urgency(rule) <= _urgency(part):
            continue
        if _is_of_home_data_used_up(other, scene):
            yield dear, other


def _has_more(bucket: Any) -> bool:
    return bucket["kind"] == UNLIMITED or remaining(bucket) > 0


def _moment(message: Reminder) -> tuple[object, ...]:
    return message.recipient, message.as_of, message.cause.event_id


def _urgency(rule: Any) -> tuple[bool, int, int]:
    return rule.mandatory, GRAVITY.index(rule.policy.severity), -rule.priority


def _is_of_home_data_used_up(message: Reminder, scene: Scene) -> bool:
    (about,) = message.buckets
    states = scene.states_at(to_ms(message.as_of))
    found = [(state, state.bucket(about.id)) for state in states]
    is_home = any(
        one is not None and state.is_home_data(one) and not any(map(_has_more, state.home))
        for state, one in found
    )
    return is_home and not about.remaining_bytes and not about.id.startswith("member:")
