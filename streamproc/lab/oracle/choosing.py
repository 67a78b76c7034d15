"""What subscribers choose by SMS, and the categories that they opt out of and in to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time
from typing import TYPE_CHECKING, Any, NamedTuple

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.speaking import all_rules

if TYPE_CHECKING:
    from streamproc.lab.oracle.talk import Talk


def choose(
    talk: Talk, action: str, word: str, numbers: tuple[int, ...], at_ms: int, rules: Rulebook
) -> str:
    """Store a choice, if a rule would use it."""
    chosen = CHOICES[action]
    lasting = [one for one in all_rules(rules) if at_ms < one.policy.valid_until_ms]
    served = [one for one in lasting if chosen.serves(one, talk)]
    if not served:
        return "not_offered"
    if word or numbers:
        chosen.keep(talk, word, numbers)
    if word in ("default", "off"):
        return f"{action}_{'reset' if word == 'default' else 'off'}"
    is_heard = any(one.mandatory or one.category not in talk.opted_out for one in served)
    if chosen.is_heard and not is_heard:
        return "still_stopped"
    return f"{action}_set" if word or numbers else action


def _is_by_choice(rule: Any, talk: Talk) -> bool:
    if rule.kind != "usage_summary" or rule.mandatory:
        return False
    is_of_plan = rule.plans is None or talk.plan in rule.plans
    return is_of_plan and (rule.segments is None or bool(rule.segments & talk.segments))


def _thresholds(talk: Talk, word: str, numbers: tuple[int, ...]) -> None:
    talk.own_percents = list(numbers)


def _quiet_hours(talk: Talk, word: str, numbers: tuple[int, ...]) -> None:
    minutes = (0, 0) if word == "off" else numbers
    times = [time(*divmod(one, 60)) for one in minutes]
    talk.own_hours = (times[0], times[1]) if times else None


def _schedule(talk: Talk, word: str, numbers: tuple[int, ...]) -> None:
    """How often, and at which minute of the day, summaries are sent from now on."""
    talk.chosen.clear()
    if word != "default":
        talk.chosen["every"] = word
    if numbers:
        talk.chosen["at"] = f"{numbers[0] // 60:02}:{numbers[0] % 60:02}"


class Chosen(NamedTuple):
    """One thing that subscribers choose."""

    serves: Callable[[Any, Talk], bool]
    """Whether a rule would use it."""
    keep: Callable[[Talk, str, tuple[int, ...]], None]
    is_heard: bool = True
    """Whether it has no effect for subscribers who opted out of all messages that it is about."""


CHOICES = {
    "thresholds": Chosen(lambda rule, _: rule.kind == "usage_percent", _thresholds),
    "quiet_hours": Chosen(
        lambda rule, _: rule.policy.in_quiet_hours == "hold", _quiet_hours, is_heard=False
    ),
    "schedule": Chosen(_is_by_choice, _schedule),
}
"""Choices by command."""


def set_by_event(talk: Talk, event: Mapping[str, Any]) -> None:
    """Store what an app chose for the subscriber, whether a rule uses it or not."""
    for field, name in (("summary_every", "every"), ("summary_at", "at")):
        if event.get(field) == "default":
            talk.chosen.pop(name, None)
        elif field in event:
            talk.chosen[name] = event[field]
    if "own_percents" in event:
        talk.own_percents = event["own_percents"]


def leave(talk: Talk, category: str) -> None:
    """Opt out of a category by its name: only its name opts in again."""
    talk.opted_out.add(category)
    talk.by_name.add(category)


def join(talk: Talk, category: str) -> None:
    talk.opted_out.discard(category)
    talk.by_name.discard(category)


def stop(talk: Talk, word: str, rules: Rulebook) -> str:
    wanted = {word} if word else set(rules.categories)
    talk.outcome.audit["left_category"] += len(wanted - talk.opted_out)
    talk.opted_out |= wanted
    if not word:
        return "stopped_all"
    leave(talk, word)
    stays = [one for one in all_rules(rules) if one.mandatory and one.category == word]
    return "stopped_except" if stays else "stopped"


def start(talk: Talk, word: str, rules: Rulebook) -> str:
    wanted = {word} if word else talk.opted_out - talk.by_name
    joined = wanted & talk.opted_out
    talk.outcome.audit["joined_category"] += len(joined)
    talk.opted_out -= joined
    if word:
        join(talk, word)
        return "started"
    if talk.opted_out.isdisjoint(rules.categories):
        return "started_all"
    return "started_except" if joined else "still_stopped"
