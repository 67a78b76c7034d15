"""Compares a message with the account: every figure of its text and of its record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple
from unicodedata import bidirectional

from msgspec import UNSET

from streamproc.core.instants import to_ms
from streamproc.core.rules.commands import ACTIONS, REPLIES
from streamproc.core.rules.notices import PLACEHOLDERS
from streamproc.core.rules.placeholders import REMINDER, Kind, Vocabulary
from streamproc.core.rules.rulebook import Rulebook, TimedRule
from streamproc.core.state.effects import Reminder
from streamproc.core.texts.direction import RIGHT_TO_LEFT
from streamproc.lab.oracle.buckets import end_of, is_level_reached, remaining
from tests.support.truth import conversation, figures, reading
from tests.support.truth.account import UNLIMITED, Snapshot
from tests.support.truth.claims import claims_of
from tests.support.truth.figures import OF_BUCKET, OF_END, SCRIPTS, Facts
from tests.support.truth.limits import limits_of
from tests.support.truth.owed_messages import OwedMessages
from tests.support.truth.pairs import needless
from tests.support.truth.periods import Periods
from tests.support.truth.play import Player, Scene
from tests.support.truth.reading import Shown, Taken, Unreadable
from tests.support.truth.shown import (
    ENDLESS,
    is_bytes,
    is_clock,
    is_count,
    is_date,
    is_money,
    is_names,
    locale_of,
    plain,
    plural_key,
)


class Finding(NamedTuple):
    """A statement that is not true."""

    kind: str
    """The part of the message: a placeholder, ``recipient``, ``threshold`` ..."""
    rule: str
    """Kind of the rule that made it."""
    said: str
    told: str
    """What is true."""
    text: str = ""
    where: str = ""

    def __str__(self) -> str:
        return (
            f"{self.where} {self.rule} {self.kind}: {self.said!r}, but {self.told}\n    {self.text}"
        )


@dataclass
class Reader:
    """Reads all messages to one subscriber, or to its members."""

    rules: Rulebook
    player: Player
    where: str = ""
    """How to get the case again."""
    has_words: bool = False
    """The texts are the packaged ones, so their words are checked too."""
    messages: int = 0
    checks: int = 0
    findings: list[Finding] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    said: set[tuple[object, ...]] = field(default_factory=set)
    """Notices that are allowed once each: two charges can have the same text, two welcomes
    cannot."""
    periods: Periods = field(default_factory=Periods)
    owed: OwedMessages = field(init=False)

    def __post_init__(self) -> None:
        self.owed = OwedMessages(self.rules)

    def read(self, scene: Scene) -> None:
        """All messages of a scene."""
        if scene.event is not None:
            self.events.append(scene.event)
        ahead = list(scene.states)
        event_ms = scene.event["time"] if scene.event is not None else None
        self.findings += [
            Finding("lost", owed.rule.kind, str(owed), why, where=self.where)
            for owed, why in self.owed.read(scene)
        ]
        if is_misunderstood(scene, self.rules):
            said = str((scene.event or {}).get("text"))
            found = Finding("keyword", "command_reply", said, "it is one", where=self.where)
            self.findings.append(found)
        for one, other in needless(scene, self.rules):
            self.findings.append(
                Finding("twice", other.kind, other.text, one.text, where=self.where)
            )
        for message in scene.messages:
            self.messages += 1
            self.periods.reach(ahead, to_ms(message.as_of), event_ms)
            self.findings += [
                one._replace(text=message.text, where=self.where)
                for one in self.of_message(message, scene)
            ]
            rule = rule_of(message, self.rules)
            audience = rule.policy.audience if isinstance(rule, TimedRule) else "device_user"
            self.periods.told(message, scene, audience)
        self.periods.reach(ahead, float("inf"), event_ms)

    def of_message(self, message: Reminder, scene: Scene) -> list[Finding]:
        """False statements of a message, compared with every state of the account at its
        instant."""
        rule = rule_of(message, self.rules)
        if message.id in self.ids:
            return [Finding("id", message.kind, message.id, "was used before")]
        self.ids.add(message.id)
        if message.kind in PLACEHOLDERS and message.kind not in conversation.EVENTS:
            said = message.rule, message.as_of, message.text
            if said in self.said:
                return [Finding("twice", message.kind, message.text, "it was said already")]
            self.said.add(said)
        best: list[Finding] | None = None
        states = scene.states_at(to_ms(message.as_of))
        for state in reversed(states):
            read = dict.fromkeys(filter(None, (self.player.locale, self.player.locale_before)))
            read.pop(message.locale, None)
            locales = (*read, message.locale)
            facts = Facts(message, rule, state, locales)
            found = list(self._of_state(facts, scene))
            if found and message.kind == "resolved":
                facts.is_of_account = True
                found = min(found, list(self._of_state(facts, scene)), key=len)
            if not found:
                return []
            if best is None or len(found) < len(best):
                best = found
        return best or []

    def _of_state(self, facts: Facts, scene: Scene) -> Iterator[Finding]:
        yield from self.of_record(facts)
        yield from self.of_text(facts, scene)
        if self.has_words:
            yield from self.of_words(facts)

    def of_words(self, facts: Facts) -> Iterator[Finding]:
        """The claims of the packaged words."""
        message = facts.message
        for claim in claims_of(message.text, message.locale, message.kind):
            self.checks += 1
            if not claim.is_so(facts):
                yield Finding(f"words: {claim.name}", message.kind, claim.name, "it is not so")

    # The record

    def of_record(self, facts: Facts) -> Iterator[Finding]:
        message, kind = facts.message, facts.message.kind

        def wrong(what: str, said: object, told: object) -> Finding:
            return Finding(what, kind, str(said), str(told))

        self.checks += 3
        if kind in (*OF_BUCKET, *OF_END) and len(message.buckets) != 1:
            names = [one.id for one in message.buckets]
            yield wrong("one thing", names, "a message is about one bucket")
        for one in message.buckets:
            self.checks += 4
            if one.id == "closed_cycle":
                over = facts.over
                if (one.granted_bytes, one.used_bytes) != (over["granted"], over["used"]):
                    yield wrong("closed cycle", (one.granted_bytes, one.used_bytes), over)
                continue
            bucket = facts.bucket(one.id)
            if bucket is None:
                yield wrong("bucket", one.id, "there is no such bucket")
                continue
            said = (one.granted_bytes, one.used_bytes, one.remaining_bytes)
            true = (bucket["granted"], bucket["used"], remaining(bucket))
            if said != true:
                yield wrong("record", (one.id, *said), true)
            end = None if one.expires_time is None else to_ms(one.expires_time)
            if (float("inf") if end is None else end) != end_of(bucket):
                yield wrong("end", (one.id, end), end_of(bucket))
            if bucket["over"] and kind != "expiry":
                yield wrong("bucket", one.id, "it has ended")
        yield from self._of_sums(facts, wrong)
        yield from self._of_threshold(facts, wrong)
        yield from self._of_recipient(facts, wrong)

    def _of_sums(self, facts: Facts, wrong: Any) -> Iterator[Finding]:
        message = facts.message
        self.checks += 4
        if message.kind not in PLACEHOLDERS:
            summed = facts.summed
            totals = {
                "granted_bytes": sum(one["granted"] for one in summed),
                "used_bytes": sum(one["used"] for one in summed),
                "remaining_bytes": sum(map(remaining, summed)),
            }
            if message.kind == "command_reply" and not message.buckets:
                totals = dict.fromkeys(totals, 0)
            for name, total in totals.items():
                if getattr(message, name) != total:
                    yield wrong(name, getattr(message, name), f"what it is of has {total}")
            is_endless = any(one["kind"] == UNLIMITED for one in summed) and message.buckets
            if (message.unlimited is True) != bool(is_endless):
                yield wrong("unlimited", message.unlimited, is_endless)
        overage = figures.REMINDER["overage"](facts)
        if message.overage_bytes != overage:
            yield wrong("overage_bytes", message.overage_bytes, overage)
        start, end = to_ms(message.cycle_start), to_ms(message.cycle_end)
        state = facts.state
        true = (state.start_ms, state.end_ms)
        if message.kind == "cycle_end":
            true = (facts.over["start"], facts.over["end"])
        if message.kind != "cycle_end" and (start, end) != true:
            yield wrong("cycle", (start, end), true)
        if message.not_before < message.as_of or message.expires_time <= message.not_before:
            yield wrong("not_before", message.not_before, message.as_of)
        end_ms = _announced_ms(facts)
        # A message at exactly the instant of the event is still sent.
        if end_ms is not None and facts.as_of_ms < end_ms < to_ms(message.expires_time):
            yield wrong("expires_time", message.expires_time, f"over at {end_ms}")

    def _of_threshold(self, facts: Facts, wrong: Any) -> Iterator[Finding]:
        message, rule, state = facts.message, facts.rule, facts.state
        if message.kind == "access_limited":
            self.checks += 1
            if rule.policies.isdisjoint(limits_of(state)):
                yield wrong("limit", sorted(rule.policies), sorted(limits_of(state)))
        if message.kind not in OF_BUCKET:
            return
        self.checks += 2
        threshold, bucket = message.threshold, facts.subject
        if threshold is None:
            yield wrong("threshold", None, "there must be one")
            return
        own = state.own_percents if rule.kind == "usage_percent" else []
        if threshold.value not in (*rule.thresholds, *own):
            yield wrong("threshold", threshold.value, "no such threshold")
        if bucket is not None and not is_level_reached(
            rule.kind, threshold.value, bucket["granted"], bucket["used"]
        ):
            yield wrong("threshold", threshold.value, "it is not reached")

    def _of_recipient(self, facts: Facts, wrong: Any) -> Iterator[Finding]:
        message, rule, state = facts.message, facts.rule, facts.state
        self.checks += 1
        recipient = message.recipient or ""
        owners = [name for name, one in state.members.items() if one["owner"]] or [""]
        audience = rule.policy.audience if hasattr(rule, "policy") else "device_user"
        if message.kind == "command_reply" or message.kind in PLACEHOLDERS:
            if recipient:
                yield wrong("recipient", recipient, "it is the account's own business")
            return
        if not state.members:
            if recipient:
                yield wrong("recipient", recipient, "it is no pool")
            return
        if recipient and recipient not in state.members:
            yield wrong("recipient", recipient, f"members are {sorted(state.members)}")
            return
        if recipient not in owners and audience == "account_holder":
            yield wrong("recipient", recipient, f"owners are {owners}")
        for one in message.buckets:
            member = one.id.removeprefix("member:")
            is_of_other = one.id.startswith("member:") and member != recipient
            if is_of_other and recipient not in owners:
                yield wrong("recipient", recipient, f"it is about {member}")
            if is_of_other and audience == "device_user":
                yield wrong("recipient", recipient, f"it is for {member}")

    # The text

    def of_text(self, facts: Facts, scene: Scene) -> Iterator[Finding]:
        """The SMS, and the words for other channels."""
        message = facts.message
        readers = (self.player.locale, self.player.locale_before)
        texts = facts.rule.texts
        if any(readers) and not any(
            message.locale in meant_for(one, texts) for one in readers if one
        ):
            yield Finding("language", message.kind, message.locale, self.player.locale)
        yield from self._of_words_in(facts.rule.texts[message.locale], message.text, facts, scene)
        others = channels_of(message, self.rules)
        if message.channel_texts is not UNSET or others:
            written = {} if message.channel_texts is UNSET else dict(message.channel_texts)
            if written.keys() != others.keys():
                yield Finding("channels", message.kind, str(written), str(others))
            for channel in written.keys() & others.keys():
                yield from self._of_words_in(others[channel], written[channel], facts, scene)

    def _of_words_in(
        self, template: str, text: str, facts: Facts, scene: Scene
    ) -> Iterator[Finding]:
        message = facts.message
        self.checks += 1
        bare = text.removeprefix(RIGHT_TO_LEFT)
        if (begins_latin := _begins_latin(bare)) != (bare != text) and message.locale[:2] == "ar":
            yield Finding("direction", message.kind, text, f"begins Latin: {begins_latin}")
        try:
            said = reading.read(template, bare)
        except Unreadable:
            yield Finding("text", message.kind, text, f"the template is {template!r}")
            return
        best: list[Finding] | None = None
        for given in self._given(facts, scene):
            facts.given = given
            found = list(self._of_reading(facts, said))
            if best is None or len(found) < len(best):
                best = found
            if not found:
                break
        if best is None:
            best = [Finding("given", message.kind, message.text, "nothing gave these figures")]
        yield from best

    def _given(self, facts: Facts, scene: Scene) -> Iterator[Any]:
        if facts.message.kind == "command_reply":
            return replies_given(facts, scene)
        return conversation.given_by(facts, self.events)

    def _of_reading(self, facts: Facts, said: reading.Reading) -> Iterator[Finding]:
        known = vocabulary_of(facts.message)
        for shown in said.shown:
            self.checks += 1
            if not self._are_shown(facts, shown, known):
                told = self._told(facts, shown.name)
                yield Finding(shown.name, facts.message.kind, shown.text, str(told))
        for taken in said.taken:
            self.checks += 1
            if facts.message.kind == "command_reply" and taken.name in conversation.IS_EMPTY:
                is_empty = conversation.IS_EMPTY[taken.name](facts)
                if ("none" in taken.key.split()) is not is_empty and "none" in taken.keys:
                    yield Finding(taken.name, facts.message.kind, taken.key, str(is_empty))
                continue
            value = self._told(facts, taken.name)
            if not _is_branch(taken, value, known[taken.name], facts.message.locale):
                yield Finding(
                    f"{taken.name} as {taken.form}", facts.message.kind, taken.key, str(value)
                )

    def _told(self, facts: Facts, name: str) -> Any:
        """What a placeholder must show."""
        if name == "period_used":
            return self.periods.used(facts)
        if name in facts.given:
            return facts.given[name]
        kind = facts.message.kind
        known = (
            conversation.NOTICE
            if kind == "command_reply" or kind in PLACEHOLDERS
            else figures.REMINDER
        )
        if name not in known:
            return known.get(name)
        return known[name](facts)

    def _are_shown(self, facts: Facts, shown: Shown, known: Vocabulary) -> bool:
        """Whether a text shows one figure, or several figures without anything in between."""
        if not shown.more:
            return self._is_shown(facts, shown, known[shown.name])
        rest = shown.more[0]._replace(more=shown.more[1:])
        return any(
            self._is_shown(facts, shown._replace(text=shown.text[:at]), known[shown.name])
            and self._are_shown(facts, rest._replace(text=shown.text[at:]), known)
            for at in range(len(shown.text) + 1)
        )

    def _is_shown(self, facts: Facts, shown: Shown, kind: Kind) -> bool:
        tag, text, name = facts.message.locale, shown.text, shown.name
        if name == "buckets" or (facts.message.kind == "command_reply" and name in COMPOSED):
            return COMPOSED[name](facts, text, tag)
        value = self._told(facts, name)
        if kind is Kind.BYTES and isinstance(value, list):
            return any(is_bytes(text, one) for one in value)
        if kind in (Kind.BYTES, Kind.PRICE_UNIT):
            return is_bytes(text, value)
        if kind is Kind.MONEY:
            return is_money(text, value, facts.rules.currency)
        if kind is Kind.COUNT:
            return is_count(text, value, shown.form, tag)
        if kind is Kind.INSTANT:
            return is_clock(text, value, shown.form, shown.style, tag)
        if kind is Kind.DATE:
            return is_date(text, value, shown.style, shown.form, tag)
        if kind is Kind.NAMES:
            return _is_some_names(text, value, shown.form, tag)
        if kind is Kind.LEVEL:
            return _is_level(text, value, facts.rules.currency, tag)
        if isinstance(value, list):
            return plain(text) in map(plain, value)
        return value is not None and plain(text) == plain(str(value))


def channels_of(message: Reminder, rules: Rulebook) -> dict[str, str]:
    """The templates for other channels than SMS."""
    rule = rule_of(message, rules)
    is_notice = message.kind == "command_reply" or message.kind in PLACEHOLDERS
    owner = f"{message.kind} {rule.id}" if is_notice else rule.id
    options = rules.text_options.get((owner, message.locale))
    return dict(options.channels) if options is not None else {}


def _announced_ms(facts: Facts) -> float | None:
    """When the announced event of a message has happened, or its question cannot be answered any
    more: nobody may read the message later. The last instant, if there may be several."""
    rule, state = facts.rule, facts.state
    if rule.kind == "before_cycle_end":
        return state.end_ms
    if rule.kind == "before_expiry" or (rule.kind == "expiry" and rule.hours_before):
        return end_of(facts.subject) if facts.subject is not None else None
    if rule.kind in ("subscription_question", "charge_question"):
        about = rule.kind.removesuffix("_question")
        return max((one["deadline"] for one in state.questions if one["about"] == about), default=0)
    if rule.kind == "before_charge":
        return max((one["next"] or 0 for one in state.services.values()), default=0)
    return None


def meant_for(reader: str, texts: Iterable[str]) -> list[str]:
    """The locales of a rule's texts that fit a reader best."""
    if reader in texts:
        return [reader]
    own = locale_of(reader)
    same = [one for one in texts if locale_of(one).language == own.language]
    in_script = [one for one in same if locale_of(one).script == own.script]
    return in_script or same or [one for one in texts if can_read(reader, one)]


def can_read(reader: str, locale: str) -> bool:
    """Whether a text in a locale is in the reader's language or script, or in English."""
    language, other = reader.partition("-")[0], locale.partition("-")[0]
    known = (SCRIPTS.get(language), SCRIPTS.get(other))
    return language in ("", other) or other == "en" or None in known or known[0] == known[1]


def is_misunderstood(scene: Scene, rules: Rulebook) -> bool:
    """Whether a text that is a keyword with signs around it got the reply for unknown ones."""
    text = (scene.event or {}).get("text")
    if text is None or rules.commands is None:
        return False
    bare = re.sub(r"[\W_]", "", text).lower()
    keywords = {
        re.sub(r"[\W_]", "", word).lower()
        for action, words in rules.commands.keywords.items()
        if action not in ("help", "confirm", "refuse")
        for word in words
    }
    return bare in keywords and "unknown_text" in [one.decision for one in scene.audits]


def _is_branch(taken: Taken, value: Any, kind: Kind, tag: str) -> bool:
    if kind in (Kind.INSTANT, Kind.DATE):
        is_midnight = value is not None and f"{value:%H:%M}" == "00:00"
        key = "never" if value is None else "midnight" if is_midnight else "other"
        return (key if key in taken.keys else "other") in taken.key.split()
    if taken.form == "select":
        names = value if isinstance(value, list) else [str(value)]
        names = names or ["none"]
        return any((one if one in taken.keys else "other") in taken.key.split() for one in names)
    if kind is Kind.NAMES:
        value = len(value)
    if isinstance(value, list):
        return any(_is_branch(taken, one, kind, tag) for one in value)
    if value == ENDLESS and "unlimited" not in taken.keys:
        return True
    key = plural_key(value, taken.keys, tag, taken.form == "selectordinal")
    return key in taken.key.split()


def _begins_latin(text: str) -> bool:
    """Whether the first letter would make a phone show the text from left to right."""
    return next((one for one in map(bidirectional, text) if one in ("L", "R", "AL")), "") == "L"


def _is_some_names(text: str, value: list[Any], form: str, tag: str) -> bool:
    """Each name can be in one of two languages."""
    if not value:
        return is_names(text, [], form, tag)
    languages = max(len(one) if isinstance(one, list) else 1 for one in value)
    for number in range(languages):
        names = [one[min(number, len(one) - 1)] if isinstance(one, list) else one for one in value]
        if is_names(text, names, form, tag):
            return True
    return False


def _is_level(text: str, level: Any, currency: str, tag: str) -> bool:
    if level is None:
        return plain(text) in ("", "-")
    if level.unit.startswith("percent"):
        return is_count(text.replace("%", "").strip(), level.value, "", tag)
    if level.unit == "minor_units":
        return is_money(text, level.value, currency)
    return is_bytes(text, level.value)


_Says = Callable[[Facts, str, str], bool]
"""Whether a text in a language says what it must."""


def _says_keyword(action: str) -> _Says:
    return lambda facts, text, tag: plain(text) in conversation.commands_of(facts).keywords[action]


COMPOSED: dict[str, _Says] = {
    "buckets": conversation.says_buckets,
    "services": conversation.says_services,
    "questions": conversation.says_questions,
    "thresholds": conversation.says_thresholds,
    "quiet_hours": conversation.says_quiet_hours,
    "schedule": conversation.says_schedule,
    "category": lambda facts, text, tag: bool(text),
    "categories": conversation.says_categories,
    "start": conversation.says_start,
    "commands": conversation.says_commands,
    "help": _says_keyword("help"),
    "keyword": lambda facts, text, tag: any(
        plain(text) in some for some in conversation.commands_of(facts).keywords.values()
    ),
    **{f"{action}_keyword": _says_keyword(action) for action in ACTIONS},
}
"""Placeholders of replies whose value is a text composed by the product."""


def replies_given(facts: Facts, scene: Scene) -> Iterator[Any]:
    """Replies "confirmed" and "refused" name a question that was answered, so it is gone by now."""
    if facts.message.rule not in ("confirmed", "refused"):
        yield {}
        return
    left = [one["number"] for one in facts.state.questions]
    for state in scene.states:
        for one in state.questions:
            if one["number"] not in left:
                names = conversation.service_names(facts, one["service"])
                yield {"service": names, "price": one["amount"]}


def vocabulary_of(message: Reminder) -> Vocabulary:
    if message.kind == "command_reply":
        replies: dict[Any, Vocabulary] = dict(REPLIES)
        return replies[message.rule]
    return PLACEHOLDERS.get(message.kind, REMINDER)


def rule_of(message: Reminder, rules: Rulebook) -> Any:
    """The rule, notice or reply of a message."""
    if message.kind == "command_reply":
        assert rules.commands is not None
        return rules.commands.replies[message.rule]
    if message.kind in PLACEHOLDERS:
        return rules.notices[message.kind]
    return rules.rules_by_id[message.rule]


def days_until(now: Any, end: Any) -> int:
    return int((end - now) / timedelta(days=1))


__all__ = ["UNLIMITED", "Finding", "Reader", "Snapshot", "rule_of"]
