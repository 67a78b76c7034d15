"""What subscribers choose by SMS, and the categories that they opt out of and in to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time
from typing import TYPE_CHECKING, Any, NamedTuple

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle.speaking import all_rules

if TYPE_CHECKING:
    from streamproc.lab.oracle.conversation import Conversation


def choose(
    conversation: Conversation,
    action: str,
    word: str,
    numbers: tuple[int, ...],
    at_ms: int,
    rules: Rulebook,
) -> str:
    """Store a choice, if a rule would use it."""
    chosen = CHOICES[action]
    lasting = [one for one in all_rules(rules) if at_ms < one.policy.valid_until_ms]
    served = [one for one in lasting if chosen.serves(one, conversation)]
    if not served:
        return "not_offered"
    if word or numbers:
        chosen.keep(conversation, word, numbers)
    if word in ("default", "off"):
        return f"{action}_{'reset' if word == 'default' else 'off'}"
    is_heard = any(one.mandatory or one.category not in conversation.opted_out for one in served)
    if chosen.is_heard and not is_heard:
        return "still_stopped"
    return f"{action}_set" if word or numbers else action


def _is_by_choice(rule: Any, conversation: Conversation) -> bool:
    if rule.kind != "usage_summary" or rule.mandatory:
        return False
    is_of_plan = rule.plans is None or conversation.plan in rule.plans
    return is_of_plan and (rule.segments is None or bool(rule.segments & conversation.segments))


def _thresholds(conversation: Conversation, word: str, numbers: tuple[int, ...]) -> None:
    conversation.own_percents = list(numbers)


def _quiet_hours(conversation: Conversation, word: str, numbers: tuple[int, ...]) -> None:
    minutes = (0, 0) if word == "off" else numbers
    times = [time(*divmod(one, 60)) for one in minutes]
    conversation.own_hours = (times[0], times[1]) if times else None


def _schedule(conversation: Conversation, word: str, numbers: tuple[int, ...]) -> None:
    """How often, and at which minute of the day, summaries are sent from now on."""
    conversation.chosen.clear()
    if word != "default":
        conversation.chosen["every"] = word
    if numbers:
        conversation.chosen["at"] = f"{numbers[0] // 60:02}:{numbers[0] % 60:02}"


class Choice(NamedTuple):
    """One thing that subscribers choose."""

    serves: Callable[[Any, Conversation], bool]
    """Whether a rule would use it."""
    keep: Callable[[Conversation, str, tuple[int, ...]], None]
    is_heard: bool = True
    """Whether it has no effect for subscribers who opted out of all messages that it is about."""


CHOICES = {
    "thresholds": Choice(lambda rule, _: rule.kind == "usage_percent", _thresholds),
    "quiet_hours": Choice(
        lambda rule, _: rule.policy.in_quiet_hours == "hold", _quiet_hours, is_heard=False
    ),
    "schedule": Choice(_is_by_choice, _schedule),
}
"""Choices by command."""


def set_by_event(conversation: Conversation, event: Mapping[str, Any]) -> None:
    """Store what an app chose for the subscriber, whether a rule uses it or not."""
    for field, name in (("summary_every", "every"), ("summary_at", "at")):
        if event.get(field) == "default":
            conversation.chosen.pop(name, None)
        elif field in event:
            conversation.chosen[name] = event[field]
    if "own_percents" in event:
        conversation.own_percents = event["own_percents"]


def leave(conversation: Conversation, category: str) -> None:
    """Opt out of a category by its name: only its name opts in again."""
    conversation.opted_out.add(category)
    conversation.by_name.add(category)


def join(conversation: Conversation, category: str) -> None:
    conversation.opted_out.discard(category)
    conversation.by_name.discard(category)


def stop(conversation: Conversation, word: str, rules: Rulebook) -> str:
    wanted = {word} if word else set(rules.categories)
    conversation.outcome.audit["left_category"] += len(wanted - conversation.opted_out)
    conversation.opted_out |= wanted
    if not word:
        return "stopped_all"
    leave(conversation, word)
    stays = [one for one in all_rules(rules) if one.mandatory and one.category == word]
    return "stopped_except" if stays else "stopped"


def start(conversation: Conversation, word: str, rules: Rulebook) -> str:
    wanted = {word} if word else conversation.opted_out - conversation.by_name
    joined = wanted & conversation.opted_out
    conversation.outcome.audit["joined_category"] += len(joined)
    conversation.opted_out -= joined
    if word:
        join(conversation, word)
        return "started"
    if conversation.opted_out.isdisjoint(rules.categories):
        return "started_all"
    return "started_except" if joined else "still_stopped"
