"""What each figure of a message must be, by the account of the oracle.

Every placeholder of every vocabulary has a line here; a new one without a line is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Reminder
from streamproc.core.texts.packaged_words import BUCKET_KINDS, ROLLED_OVER, SHARE_OF_OTHER
from streamproc.lab.oracle.buckets import Bucket, end_of, in_charge_order, remaining
from streamproc.lab.oracle.checks import lasts_until
from tests.support.truth.account import UNLIMITED, Snapshot
from tests.support.truth.shown import ENDLESS, local_clock, locale_of

OF_BUCKET = ("usage_percent", "remaining_percent", "remaining_bytes", "used_bytes")
OF_END = ("before_expiry", "expiry")
DAY = timedelta(days=1)


class NoSuchFigure(KeyError):
    """A placeholder whose true value is not known here."""


@dataclass
class Sums:
    """Sums over some buckets."""

    granted: float
    used: float
    remaining: float

    @classmethod
    def of(cls, buckets: list[Bucket]) -> Sums:
        endless = any(one["kind"] == UNLIMITED for one in buckets)
        return cls(
            ENDLESS if endless else sum(one["granted"] for one in buckets),
            sum(one["used"] for one in buckets),
            ENDLESS if endless else sum(map(remaining, buckets)),
        )

    @property
    def percent(self) -> int | None:
        """Percentage used; None if there is no percentage."""
        if self.granted == ENDLESS or not self.granted:
            return None
        return int(self.used * 100 // self.granted)


@dataclass
class Facts:
    """A message, its subject, and the account at its instant."""

    message: Reminder
    rule: Any
    state: Snapshot
    locales: tuple[str, ...]
    """Locales of the subscriber and of the text; names can be in either."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Values that an event gave."""
    is_of_account: bool = False
    """Whether to read a resolved message as one about the account: its rule follows rules about
    buckets and about accounts."""

    @property
    def rules(self) -> Rulebook:
        return self.state.rules

    @property
    def as_of_ms(self) -> int:
        return to_ms(self.message.as_of)

    @property
    def subject(self) -> Bucket | None:
        """The one bucket that it is about, if there is exactly one."""
        rule, found = self.rule, self.message.buckets
        is_one = rule.kind in (*OF_BUCKET, *OF_END) or (
            rule.kind == "resolved" and self.resolves_bucket
        )
        return self.state.bucket(found[0].id) if is_one and found else None

    @property
    def resolves_bucket(self) -> bool:
        """Whether a resolved message is about a bucket: the rule that it ends decides."""
        usage = {one.id for one in self.rules.usage_rules}
        is_possible = bool(self.rule.of & usage) and len(self.message.buckets) == 1
        return is_possible and not self.is_of_account

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets of the text's figures."""
        subject = self.subject
        if subject is not None:
            return [subject]
        home = self.state.home
        if self.rule.kind == "before_cycle_end":
            lost = self.lost
            home = [one for one in lost if self.state.is_home_data(one)]
            return home or [one for one in lost if self._is_like(one, lost[0])]
        if self.rule.kind == "forecast":
            own = [one for one in self.state.live if one["kind"] in ("allowance", "unlimited")]
            if any(self.state.is_home_data(one) for one in own):
                return home
            return [one for one in self.state.live if self._is_like(one, own[0])]
        if self.rule.kind == "cycle_end":
            return [{"source": "", "kind": "closed_cycle"}]
        return home

    def _is_like(self, one: Bucket, other: Bucket) -> bool:
        """Whether two buckets cover the same usage."""
        return self.state.scope(one) == self.state.scope(other)

    @property
    def lost(self) -> list[Bucket]:
        """What the cycle's end removes from the rule's buckets, without the bytes that roll
        over."""
        plan = self.rules.plans.get(self.state.plan)
        rolling = {
            one.id: one.rollover.max_bytes
            for one in (plan.allowances if plan else ())
            if one.rollover is not None
        }
        found = []
        for one in self.state.live:
            if not self.state.ends_with_cycle(one):
                continue
            if self.rule.bucket_kinds and one["kind"] not in self.rule.bucket_kinds:
                continue
            if self.rule.buckets and one["source"] not in self.rule.buckets:
                continue
            most = rolling.get(one["source"], 0) if one["kind"] == "allowance" else 0
            found.append({**one, "rolled": one["rolled"] + min(most, remaining(one))})
        return found

    def bucket(self, name: str) -> Bucket | None:
        """A bucket by id, as the message shows it."""
        if self.rule.kind == "before_cycle_end":
            return next((one for one in self.lost if one["id"] == name), None)
        return self.state.bucket(name)

    @property
    def names(self) -> list[list[str]]:
        """The possible names of each bucket. In a text about the whole account a name occurs
        once."""
        found = [self.names_of(one) for one in self.buckets]
        if self.subject is not None:
            return found
        return list({tuple(one): one for one in found}.values())

    @property
    def of_last_cycle(self) -> list[Bucket]:
        """The allowances of the last cycle before their rest expired. Those that the plan had lost
        come last: no bytes were left in them then."""
        kept: Any = self.over["own"]
        end = {"expired": 0, "rolled": 0, "ends_ms": self.state.end_ms}
        gone = [one for one in kept if end_of(one) < self.over["end"]]
        had = in_charge_order([one for one in kept if one not in gone])
        return [{**one, **end} for one in had] + [
            {**one, "kind": "allowance", "granted": one["used"], "expired": 0, "rolled": 0}
            for one in in_charge_order(gone)
        ]

    @property
    def listed(self) -> list[Bucket]:
        """The buckets that ``{buckets}`` lists, each by itself."""
        if self.rule.kind == "cycle_end":
            return [one for one in self.of_last_cycle if end_of(one) == self.state.end_ms]
        found = [self.bucket(one.id) for one in self.message.buckets]
        return [one for one in found if one is not None]

    @property
    def over(self) -> dict[str, int]:
        """The cycle that is over."""
        return self.state.history[-1]

    @property
    def sums(self) -> Sums:
        return Sums.of(self.summed)

    @property
    def summed(self) -> list[Bucket]:
        """The buckets whose sums the figures are."""
        if self.rule.kind != "cycle_end":
            return self.buckets
        own = self.of_last_cycle
        home = [one for one in own if self.state.is_home_data(one)]
        return home or [one for one in own if self._is_like(one, own[0])]

    @property
    def ends_ms(self) -> float:
        """The end that ``{expires}`` shows."""
        subject = self.subject
        if subject is not None:
            return end_of(subject)
        return self.cycle_end_ms

    @property
    def cycle_end_ms(self) -> int:
        return self.over["end"] if self.rule.kind == "cycle_end" else self.state.end_ms

    def names_of(self, bucket: Bucket) -> list[str]:
        """The possible names of a bucket."""
        if bucket["kind"] == "member":
            member = bucket["id"].removeprefix("member:")
            if member != (self.message.recipient or self.message.subscriber):
                words = named(SHARE_OF_OTHER, self.locales, self.rules)
                return [word.replace("{member}", member) for word in words]
        return names_of(bucket, self.rules, self.locales)


def _runs_out(facts: Facts) -> Any:
    """When all buckets for home data run out, each until its own end, at the rate of the cycle."""
    state = facts.state
    if not facts.message.runs_out_time:
        return local_clock(None, state.zone)
    live = facts.buckets
    is_home = state.is_home_data(live[0])
    over = [
        one
        for one in state.over
        if one["stays"]
        and (state.is_home_data(one) if is_home else state.scope(one) == state.scope(live[0]))
    ]
    used = sum(one["used_in_cycle"] for one in (*live, *over))
    began_ms = max(state.start_ms, state.since_ms)
    out_ms = lasts_until(live, used, began_ms, facts.as_of_ms, state.end_ms)
    return local_clock(None if out_ms is None else int(out_ms), state.zone)


def names_of(bucket: Bucket, rules: Rulebook, locales: tuple[str, ...]) -> list[str]:
    """The possible names of a bucket: its names in these locales, else its id or kind."""
    source, kind = bucket["source"], bucket["kind"]
    if kind in BUCKET_KINDS:
        given = {**BUCKET_KINDS[kind], **(rules.wording.topup_names if kind == "topup" else {})}
    else:
        given = getattr(item_called(source, rules), "names", None) or {}
    if kind == "rollover":
        words = named({**ROLLED_OVER, **rules.wording.rollover_names}, locales, rules)
        names = named(given, locales, rules) or [source] * len(words)
        return [word.replace("{name}", name) for word, name in zip(words, names, strict=True)]
    return named(given, locales, rules) or [source or kind]


def item_called(source: str, rules: Rulebook) -> Any:
    """An allowance or pack of the catalogue."""
    for pack in rules.packs.values():
        if pack.id == source:
            return pack
    for plan in rules.plans.values():
        for allowance in plan.allowances:
            if allowance.id == source:
                return allowance
    return None


def named(given: Mapping[str, str], locales: tuple[str, ...], rules: Rulebook) -> list[str]:
    """Names that fit one of the locales best; empty if there are none.

    The last locale is the text's: names in characters that it does not use do not fit.
    """
    fitting = [one for one in locales if not are_mixed(one, locales[-1])]
    return [given[_nearest(given, locale, rules.default_locale)] for locale in fitting if given]


def are_mixed(one: str, other: str) -> bool:
    """Whether one is in simplified characters and the other in traditional ones."""
    return {locale_of(one).script, locale_of(other).script} == {"Hans", "Hant"}


def _nearest(given: Mapping[str, str], locale: str, default: str) -> str:
    """The same locale, else the same language, script before country; else one that can be read."""
    script = locale_of(locale).script

    def distance(one: str) -> tuple[int, ...]:
        other = locale_of(one)
        is_readable = (other.script or SCRIPTS.get(other.language)) == (
            script or SCRIPTS.get(locale_of(locale).language)
        )
        return (
            one != locale,
            one.partition("-")[0] != locale.partition("-")[0],
            not is_readable,
            one != default,
            not one.startswith("en"),
        )

    english = [one for one in given if one.startswith("en")]
    fitting = [one for one in given if not (english and are_mixed(one, locale))]
    readable = [one for one in fitting if not distance(one)[2] or not distance(one)[1]]
    return min(readable, key=distance) if readable else (english or [default, *given])[0]


SCRIPTS = {
    **dict.fromkeys(("en", "pl", "de", "fr", "es", "it", "nl", "pt"), "Latn"),
    "ru": "Cyrl",
    "ar": "Arab",
    "hi": "Deva",
    "zh": "Hans",
}
"""The script of languages whose tags omit it."""

Value = Any
"""Bytes (a number or ENDLESS), minor units, a count, a local time, a date, names or a word."""


def _local(facts: Facts, instant_ms: float | None) -> Value:
    return local_clock(instant_ms, facts.state.zone)


def last_day(facts: Facts, end_ms: float) -> date | None:
    """The last complete day before an end."""
    clock = local_clock(end_ms, facts.state.zone)
    if clock is None:
        return None
    # A day that ends a minute before the end is complete; the day that contains the end is not.
    return clock.date() - DAY


def _days(facts: Facts) -> int | None:
    """Days until the end that is shown, by the calendar."""
    if facts.rule.kind not in ("before_cycle_end", "before_expiry"):
        return None
    end, now = _local(facts, facts.ends_ms), _local(facts, facts.as_of_ms)
    return None if end is None else (end.date() - now.date()).days


def _spend(facts: Facts) -> int:
    if facts.rule.kind == "cycle_end":
        return facts.over["spent"]
    tariff = getattr(facts.rule, "tariff", None)
    spent = facts.state.spent_minor
    return sum(spent.values()) if tariff is None else spent.get(tariff, 0)


def _cap(facts: Facts) -> int | None:
    rule = facts.rule
    if not hasattr(rule, "cap_minor"):
        return None
    if rule.cap_minor is not None:
        own: int = rule.cap_minor
        return own
    return facts.state.cap_minor.get(rule.tariff or "")


def _tier(facts: Facts) -> tuple[int, int]:
    rule, subject = facts.rule, facts.subject
    tariff = getattr(rule, "tariff", None)
    if rule.kind == "overage_started":
        tariff = tariff or ""
    elif (
        rule.kind == "before_cycle_end"
        and facts.lost
        and not any(map(facts.state.is_home_data, facts.lost))
    ):
        subject = facts.lost[0]
    if subject is not None:
        tariff = facts.state.tariff_beyond(subject["source"])
    elif tariff is None:
        tariff = facts.state.home_tariff()
    return facts.state.next_price(tariff) or (0, 1)


def _pack_price(facts: Facts) -> int | None:
    subject = facts.subject
    pack = facts.rules.packs.get(subject["source"]) if subject else None
    return pack.price_minor if pack else None


def _level(facts: Facts) -> Any:
    return facts.message.threshold


EVERYWHERE: dict[str, Callable[[Facts], Value]] = {
    "brand": lambda facts: named(facts.rules.wording.brand, facts.locales, facts.rules),
    "care": lambda facts: named(facts.rules.wording.care, facts.locales, facts.rules),
}
"""Placeholders of every text."""

REMINDER: dict[str, Callable[[Facts], Value]] = {
    **EVERYWHERE,
    "bucket": lambda facts: facts.names,
    "buckets": lambda facts: [one["id"] for one in facts.listed],
    "used": lambda facts: facts.sums.used,
    "granted": lambda facts: facts.sums.granted,
    "remaining": lambda facts: facts.sums.remaining,
    "percent": lambda facts: facts.sums.percent,
    "overage": lambda facts: (
        facts.over["overage"] if facts.rule.kind == "cycle_end" else facts.state.overage_bytes
    ),
    "threshold": _level,
    "as_of": lambda facts: _local(facts, facts.as_of_ms),
    "cycle_end": lambda facts: _local(facts, facts.cycle_end_ms),
    "expires": lambda facts: _local(facts, facts.ends_ms),
    "last_day": lambda facts: last_day(facts, facts.ends_ms),
    "days": _days,
    "spend": _spend,
    "cap": _cap,
    "price": lambda facts: _tier(facts)[0],
    "price_unit": lambda facts: _tier(facts)[1],
    "pack_price": _pack_price,
    "period_used": lambda facts: facts.state.contract.outcome.period_used.get(
        (
            facts.message.subscriber,
            facts.rule.id,
            facts.as_of_ms,
            facts.message.recipient or "",
        ),
        0,
    ),
    "runs_out": _runs_out,
}
"""Placeholders of the texts of rules."""
