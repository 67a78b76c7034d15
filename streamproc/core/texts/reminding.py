"""The reminder record: id, figures and text at an instant."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from streamproc.core.instants import DAY_MINUTES, NEVER_MS, coarse_from_ms, from_ms
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import KINDS, TIMED_KINDS, WATCH_KINDS
from streamproc.core.rules.kinds.timed import Shape
from streamproc.core.rules.notices import Notice
from streamproc.core.rules.placeholders import REMINDER
from streamproc.core.rules.plan_terms import Tier
from streamproc.core.rules.rulebook import AnyRule, Rulebook, TimedRule, UsageRule
from streamproc.core.rules.scope import HOME_ZONE, ORDINARY_RATING_GROUP
from streamproc.core.schedule.calendar import local_minute
from streamproc.core.state.account import Account, Bucket, totals
from streamproc.core.state.effects import (
    BucketFigures,
    Effect,
    Reminder,
    Threshold,
    record_id,
)
from streamproc.core.state.moment import Moment
from streamproc.core.texts.catalogue import formats_under, text_of
from streamproc.core.texts.formats import NEVER, Formats
from streamproc.core.texts.locales import name_locale
from streamproc.core.texts.naming import name_for_reader
from streamproc.core.texts.segments import segments
from streamproc.core.texts.template import Text
from streamproc.core.usage.figures import cap_minor, spend_minor
from streamproc.core.usage.home_data import (
    Shown,
    alike,
    home_data_of,
    is_endless,
    percent_used,
    shown,
)
from streamproc.core.usage.periods import has_period, used_in_period
from streamproc.core.usage.pools import MEMBER
from streamproc.core.usage.tariffs import next_tier, tariff_beyond, tariff_of


class About(NamedTuple):
    """What one message is about, besides its moment."""

    rule: AnyRule | Notice
    buckets: list[Bucket]
    """The buckets that the record lists, and from which its figures are calculated."""
    occasion: str
    """Together with ``cycle_start_ms`` (of the reason, which may be earlier than the message) it
    makes the id. So each reason has one message."""
    cycle_start_ms: int
    subject: Bucket | None = None
    """The bucket that the text is about. The text sums up those of ``buckets`` that cover the same
    usage. None: it sums up the home data among them."""
    threshold: Threshold | None = None
    runs_out_ms: int | None = None
    """For a forecast: when home data runs out."""
    of_cycle: list[Bucket] | None = None
    """For an account at the end of a cycle: the allowances of that cycle. The figures are about
    these."""
    present: Account | None = None
    """Set if the moment has an earlier account: the account as it is now."""
    until_ms: int = NEVER_MS
    """After this instant the text is wrong: its event has happened, or its question cannot be
    answered any more. A message at exactly this instant is still sent."""


def remind(moment: Moment, about: About, to: list[str]) -> list[Effect]:
    """The message of a rule about buckets, with figures of the moment, to each recipient.

    In ``to`` an empty text stands for the account's own number. The usage of a period is that of
    the first recipient.
    """
    # Others than the member read another name of a share.
    if len(to) > 1 and about.subject is not None and about.subject.kind == MEMBER:
        return [effect for one in to for effect in _remind_alike(moment, about, [one])]
    return _remind_alike(moment, about, to)


def _remind_alike(moment: Moment, about: About, to: list[str]) -> list[Effect]:
    """The same text to each recipient."""
    account, rules, rule = moment.account, moment.rules, about.rule
    assert not isinstance(rule, Notice)
    buckets, of_cycle = about.buckets, about.of_cycle
    listed = buckets
    summed = home_data_of(buckets if of_cycle is None else of_cycle, rules)
    if of_cycle is not None:
        # A bucket that a plan change ended counts as used, but is not listed any more.
        listed = [one for one in of_cycle if one.expires_ms >= account.cycle_end_ms]
        if of_cycle and not summed:
            summed = alike(of_cycle, (listed or of_cycle)[0], rules)
    elif about.subject is not None:
        summed = alike(listed, about.subject, rules)
    text = text_of(rule.id, rule.texts, REMINDER, account.locale, rules)
    named = summed if of_cycle is None else buckets
    figures = _Figures(moment, about, listed, named, text, shown(summed), to[0])
    reminder = worded(moment, about, text, figures, summed)
    return [
        replace(
            reminder,
            id=reminder_id(
                *(rules.id_key, moment.subscriber, rule.id, about.cycle_start_ms),
                f"{about.occasion}>{one}",
            ),
            recipient=one,
        )
        if one
        else reminder
        for one in to
    ]


def worded(
    moment: Moment, about: About, template: Text, figures: Any, summed: list[Bucket]
) -> Reminder:
    """A message from a template that is filled with ``figures``.

    The record has the sums over the buckets ``summed``.
    """
    account, rule, now_ms = moment.account, about.rule, moment.now_ms
    text = template.render(figures)
    encoding, parts = segments(text)
    as_of = from_ms(now_ms)
    expires = as_of + _lifetime(rule.ttl_ms)
    # The text is wrong after this instant, so the message must not be delivered later.
    if now_ms < about.until_ms < NEVER_MS:
        expires = min(expires, from_ms(about.until_ms))
    granted_bytes, used_bytes, remaining_bytes = totals(summed)
    # Positional arguments are much faster. They are in the order of the type's fields.
    return Reminder(
        reminder_id(
            *(moment.rules.id_key, moment.subscriber, rule.id, about.cycle_start_ms),
            about.occasion,
        ),
        rule.kind,
        rule.id,
        moment.subscriber,
        [bucket_figures(bucket) for bucket in about.buckets],
        about.threshold,
        coarse_from_ms(account.cycle_start_ms),
        coarse_from_ms(account.cycle_end_ms),
        used_bytes,
        granted_bytes,
        remaining_bytes,
        account.overage_bytes,
        as_of,
        template.locale,
        text,
        encoding,
        parts,
        rule.category,
        rule.priority,
        rule.mandatory,
        as_of,
        expires,
        moment.cause,
        channel_texts=template.render_channels(figures),
        severity=rule.policy.severity,
        runs_out_time=UNSET if about.runs_out_ms is None else from_ms(about.runs_out_ms),
        unlimited=is_endless(summed) or UNSET,
    )


@lru_cache(maxsize=1024)
def _lifetime(ttl_ms: int) -> timedelta:
    """To add a timedelta is much faster than to make another instant."""
    return timedelta(milliseconds=ttl_ms)


def threshold_of(rule: UsageRule | WatchRule, value: int) -> Threshold | None:
    """A rule's threshold with its unit; None if the rule has none."""
    unit = KINDS[rule.kind].unit
    return Threshold(unit, value) if unit else None


def is_after_cycle(rule: AnyRule | Notice) -> bool:
    """Whether a rule is about the cycle that is over."""
    return isinstance(rule, TimedRule) and TIMED_KINDS[rule.kind].shape is Shape.AFTER_CYCLE


def reminder_id(id_key: str, subscriber: str, rule: str, cycle_start_ms: int, occasion: str) -> str:
    """The id of a reminder, or of any other record that is sent once per reason."""
    return record_id(id_key, subscriber, rule, str(cycle_start_ms), occasion)


def bucket_figures(bucket: Bucket) -> BucketFigures:
    """A bucket as the reader of the reminder sees it."""
    granted_bytes, used_bytes = bucket.granted_bytes, bucket.used_bytes
    return BucketFigures(
        bucket.id,
        bucket.kind,
        granted_bytes,
        used_bytes,
        granted_bytes - used_bytes - bucket.expired_bytes - bucket.rolled_over_bytes,
        None if bucket.expires_ms >= NEVER_MS else coarse_from_ms(bucket.expires_ms),
    )


class _Figures:
    """The values of the placeholders of rules (``placeholders.REMINDER``), calculated at
    first use."""

    __slots__ = (
        *(
            "_account",
            "_clock",
            "_listed",
            "_locale",
            "_named",
            "_now_ms",
            "_present",
            "_rule",
            "_rules",
        ),
        *("_reader", "_runs_out_ms", "_subject", "_to"),
        *("granted", "overage", "remaining", "threshold", "used"),
    )

    def __init__(
        self,
        moment: Moment,
        about: About,
        listed: list[Bucket],
        named: list[Bucket],
        text: Text,
        shown_bytes: Shown,
        to: str,
    ) -> None:
        self._account, subscriber, self._rules, self._now_ms, _ = moment
        self._reader = to or subscriber
        self._rule = about.rule
        self._present = about.present or self._account
        self._subject = about.subject
        self._runs_out_ms = about.runs_out_ms
        self._to = to
        self._listed = listed
        self._named = named
        self._clock, self._locale = text.clock, text.locale
        self.granted, self.used, self.remaining = shown_bytes
        self.overage = self._account.overage_bytes
        self.threshold = about.threshold

    @property
    def bucket(self) -> list[str]:
        rules = self._rules
        locale = name_locale(self._account.locale, self._locale)
        reader = self._reader
        names = [name_for_reader(bucket, locale, rules, reader) for bucket in self._named]
        # In a text about a whole account, two packs of one kind have one name.
        return list(dict.fromkeys(names)) if self._subject is None else names

    @property
    def buckets(self) -> str:
        rules = self._rules
        written = formats_under(self._locale, rules)
        listed = each_bucket(
            *(self._listed, self._account, self._now_ms, written, rules, self._reader),
            clock=self._clock,
        )
        # An empty list would leave a gap in the sentence.
        return written.clauses(listed) or NEVER

    @property
    def percent(self) -> int | None:
        return percent_used(self.granted, self.used)

    @property
    def as_of(self) -> int:
        return local_minute(self._now_ms, self._account.time_zone)

    @property
    def cycle_end(self) -> int | None:
        return local_end(self._account.cycle_end_ms, self._account)

    @property
    def expires(self) -> int | None:
        subject, account = self._subject, self._account
        return local_end(subject.expires_ms if subject else account.cycle_end_ms, account)

    @property
    def last_day(self) -> int | None:
        return last_day_before(self.expires)

    @property
    def days(self) -> int | None:
        """Days until the end in the text; a message that waited shows fewer days."""
        rule, end = self._rule, self.expires
        if end is None or not isinstance(rule, TimedRule):
            return None
        return end // DAY_MINUTES - self.as_of // DAY_MINUTES

    @property
    def spend(self) -> int:
        rule = self._rule
        # The price was fixed when the cycle closed, by the plan of that time.
        if is_after_cycle(rule):
            return self._account.history[-1].spend_minor
        tariff = rule.tariff if isinstance(rule, WatchRule) else None
        return spend_minor(self._account, tariff, self._rules)

    @property
    def cap(self) -> int | None:
        rule = self._rule
        return cap_minor(self._account, rule, self._rules) if isinstance(rule, WatchRule) else None

    @property
    def price(self) -> int:
        tier = self._tier
        return tier.price_minor if tier else 0

    @property
    def price_unit(self) -> int:
        tier = self._tier
        return tier.unit_bytes if tier else 1

    @property
    def pack_price(self) -> int | None:
        pack = self._rules.packs.get(self._subject.source) if self._subject else None
        return pack.price_minor if pack else None

    @property
    def _tier(self) -> Tier | None:
        """The price of the next overage: under the rule's tariff; else under the tariff for the
        usage that the bucket covers; else under the tariff for ordinary usage at home."""
        rule, subject, account, rules = self._rule, self._subject, self._present, self._rules
        if isinstance(rule, WatchRule) and (
            rule.tariff is not None or WATCH_KINDS[rule.kind].tells_price
        ):
            tariff = rule.tariff or ""
        elif subject is not None:
            tariff = tariff_beyond(account, subject.source, rules)
        else:
            tariff = tariff_of(account, ORDINARY_RATING_GROUP, HOME_ZONE, rules)
        return next_tier(account, tariff, rules)

    @property
    def period_used(self) -> int:
        rule = self._rule
        if not isinstance(rule, TimedRule) or not has_period(rule):
            return 0
        return used_in_period(self._account, rule, self._to)

    @property
    def runs_out(self) -> int | None:
        end_ms = self._runs_out_ms
        return None if end_ms is None else local_end(end_ms, self._account)


def each_bucket(
    buckets: list[Bucket],
    account: Account,
    as_of_ms: int,
    written: Formats,
    rules: Rulebook,
    reader: str = "",
    clock: str = "",
) -> list[str]:
    """Each bucket with the bytes left in it, and its end if that is not the end of the cycle.

    ``clock`` is how the text around the list shows times.
    """
    found = []
    locale = name_locale(account.locale, written.tag)
    for bucket in buckets:
        _, _, remaining = shown([bucket])
        name = written.name(name_for_reader(bucket, locale, rules, reader))
        left = f"{name} {written.bytes(remaining)}"
        end = local_end(bucket.expires_ms, account)
        if end is not None and bucket.expires_ms != account.cycle_end_ms:
            now = local_minute(as_of_ms, account.time_zone)
            left += written.bracketed(written.end(end, now, clock))
        found.append(left)
    return found


def local_end(instant_ms: int, account: Account) -> int | None:
    """Local minute of an end; None if it never comes."""
    return None if instant_ms >= NEVER_MS else local_minute(instant_ms, account.time_zone)


def last_day_before(local_end_minute: int | None) -> int | None:
    """The last complete local day before an end: for the 1st at 00:00 or at 08:00, the day before.

    None for an end that never comes.
    """
    return None if local_end_minute is None else local_end_minute // DAY_MINUTES - 1
