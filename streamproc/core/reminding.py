"""The reminder itself: id, figures and text, as of an instant."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from streamproc.core.alerts.figures import spend_minor
from streamproc.core.alerts.rules import WatchRule
from streamproc.core.calendar import local_minute
from streamproc.core.effects import BucketFigures, Cause, Effect, Reminder, Threshold
from streamproc.core.effects import audited as audited
from streamproc.core.instants import NEVER_MS, coarse_from_ms, from_ms
from streamproc.core.model import UNLIMITED, Account, Bucket
from streamproc.core.quota.audience import recipients
from streamproc.core.rulebook import AnyRule, Rulebook, TimedRule, UsageRule
from streamproc.core.text import segments
from streamproc.core.texts.catalogue import text_of
from streamproc.core.texts.formats import iso_minute
from streamproc.core.texts.vocabulary import ENDLESS, REMINDER


def remind(  # every argument is a different fact of the message
    account: Account,
    subscriber: str,
    rule: AnyRule,
    buckets: list[Bucket],
    subject: Bucket | None,
    threshold: Threshold | None,
    arming: str,
    cycle_start_ms: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
    member: str = "",
    runs_out_ms: int | None = None,
) -> list[Effect]:
    """The message of a rule about buckets, with figures as of an instant, to all whom it tells.

    ``subject`` is the bucket that the text speaks of; ``arming`` and ``cycle_start_ms`` (of the
    reason, which may be earlier than the message) make its id. ``member`` is who of a pool it is
    about, if anybody in particular.
    """
    all_bytes = granted_bytes, used_bytes, remaining_bytes = totals(buckets)
    # A usage reminder tells of its leading bucket, others of all of them.
    of_one = subject is not None and len(buckets) > 1 and isinstance(rule, UsageRule)
    shown_bytes = totals([subject]) if of_one and subject else all_bytes
    if not rules.has_plain_usage and any(
        one.kind == UNLIMITED for one in ([subject] if of_one and subject else buckets)
    ):
        shown_bytes = ENDLESS, shown_bytes[1], ENDLESS
    figures = _Figures(
        rule, account, buckets, subject, threshold, as_of_ms, shown_bytes, rules, runs_out_ms
    )
    template = text_of(rule.id, rule.texts, REMINDER, account.locale, rules)
    text = template.render(figures)
    encoding, parts = segments(text)
    as_of = from_ms(as_of_ms)
    # By position, which is much faster; in the order of the type's fields.
    reminder = Reminder(
        reminder_id(subscriber, rule.id, cycle_start_ms, arming),
        rule.kind,
        rule.id,
        subscriber,
        [bucket_figures(bucket) for bucket in buckets],
        threshold,
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
        as_of + _lifetime(rule.ttl_ms),
        cause,
        channel_texts=template.render_channels(figures) if template.channels else UNSET,
        severity=rule.policy.severity,
        runs_out_time=UNSET if runs_out_ms is None else from_ms(runs_out_ms),
    )
    if account.extra is None:
        return [reminder]
    return [
        replace(
            reminder,
            id=reminder_id(subscriber, rule.id, cycle_start_ms, f"{arming}>{to}"),
            recipient=to,
        )
        if to
        else reminder
        for to in recipients(account, rule.policy.audience, member)
    ]


@lru_cache(maxsize=1024)
def _lifetime(ttl_ms: int) -> timedelta:
    """Adding it is much faster than making an instant."""
    return timedelta(milliseconds=ttl_ms)


_UNITS: Final = {
    "usage_percent": "percent",
    "remaining_percent": "percent_remaining",
    "remaining_bytes": "bytes",
    "used_bytes": "bytes_used",
    "every_bytes": "bytes_used",
    "spend_amount": "minor_units",
    "spend_percent": "percent_of_cap",
    "velocity": "bytes_in_window",
    "anomaly": "percent_of_usual",
}


def threshold_of(rule: UsageRule | WatchRule, value: int) -> Threshold | None:
    """A rule's threshold with its unit; None if the rule has none."""
    unit = _UNITS.get(rule.kind)
    return Threshold(unit, value) if unit else None


def reminder_id(subscriber: str, rule: str, cycle_start_ms: int, arming: str) -> str:
    """The same reminder has the same id in every run, replay and cluster (law 5)."""
    identity = "\0".join((subscriber, rule, str(cycle_start_ms), arming))
    return blake2b(identity.encode(), digest_size=16).hexdigest()


def bucket_figures(bucket: Bucket) -> BucketFigures:
    """A bucket as the reminder's reader sees it."""
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
    """What the texts of rules speak of (``texts.vocabulary.REMINDER``), worked out when asked."""

    __slots__ = (
        *("_account", "_as_of_ms", "_rule", "_rules", "_runs_out_ms", "_subject"),
        *("buckets", "granted", "overage", "remaining", "threshold", "used"),
    )

    def __init__(
        self,
        rule: AnyRule,
        account: Account,
        buckets: list[Bucket],
        subject: Bucket | None,
        threshold: Threshold | None,
        as_of_ms: int,
        shown_bytes: tuple[int, int, int],
        rules: Rulebook,
        runs_out_ms: int | None,
    ) -> None:
        self._rule = rule
        self._rules = rules
        self._runs_out_ms = runs_out_ms
        self._account = account
        self._subject = subject
        self._as_of_ms = as_of_ms
        self.buckets = buckets
        self.granted, self.used, self.remaining = shown_bytes
        self.overage = account.overage_bytes
        self.threshold = threshold

    @property
    def bucket(self) -> list[str]:
        return [bucket.source or bucket.kind for bucket in self.buckets]

    @property
    def percent(self) -> int:
        granted = self.granted
        return self.used * 100 // granted if granted else 100

    @property
    def as_of(self) -> int:
        return local_minute(self._as_of_ms, self._account.time_zone)

    @property
    def cycle_end(self) -> int | None:
        return self._end(self._account.cycle_end_ms)

    @property
    def expires(self) -> int | None:
        subject = self._subject
        return self._end(subject.expires_ms if subject else self._account.cycle_end_ms)

    @property
    def days(self) -> int | None:
        rule = self._rule
        return rule.days_before if isinstance(rule, TimedRule) else None

    @property
    def spend(self) -> int:
        return spend_minor(self._account, None, self._rules)

    @property
    def price(self) -> int:
        plan = self._rules.plans.get(self._account.plan)
        return plan.overage_price_minor if plan else 0

    @property
    def price_unit(self) -> int:
        plan = self._rules.plans.get(self._account.plan)
        return plan.overage_unit_bytes if plan else 1

    @property
    def runs_out(self) -> int | None:
        end_ms = self._runs_out_ms
        return None if end_ms is None else self._end(end_ms)

    def _end(self, end_ms: int) -> int | None:
        return None if end_ms >= NEVER_MS else local_minute(end_ms, self._account.time_zone)


def totals(buckets: list[Bucket]) -> tuple[int, int, int]:
    """Granted, used and remaining bytes over buckets."""
    if len(buckets) == 1:
        one = buckets[0]
        return one.granted_bytes, one.used_bytes, one.remaining_bytes
    granted = used = remaining = 0
    for bucket in buckets:
        granted += bucket.granted_bytes
        used += bucket.used_bytes
        remaining += bucket.remaining_bytes
    return granted, used, remaining


def local_text(instant_ms: int, time_zone: str) -> str:
    """Local date and time to the minute: ``2026-01-20 14:05``."""
    return iso_minute(local_minute(instant_ms, time_zone))
