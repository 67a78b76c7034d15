"""The reminder itself: id, figures and text, as of an instant."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from streamproc.core.calendar import known_zone, local_time
from streamproc.core.effects import BucketFigures, Cause, Effect, Reminder, Threshold
from streamproc.core.effects import audited as audited
from streamproc.core.instants import NEVER_MS, coarse_from_ms, from_ms
from streamproc.core.model import Account, Bucket
from streamproc.core.rulebook import Rulebook, TimedRule, UsageRule
from streamproc.core.text import PLACEHOLDERS, choose_locale, readable_bytes, segments

_MINUTES_LENGTH = len("2026-01-01 09:00")


def remind(  # every argument is a different fact of the message
    account: Account,
    subscriber: str,
    rule: UsageRule | TimedRule,
    buckets: list[Bucket],
    subject: Bucket | None,
    threshold: Threshold | None,
    arming: str,
    cycle_start_ms: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    """The message of a rule about buckets, with figures as of an instant.

    ``subject`` is the bucket that the text speaks of; ``arming`` and ``cycle_start_ms`` (of the
    reason, which may be earlier than the message) make its id.
    """
    locale = choose_locale(rule.texts, account.locale, rules.default_locale)
    figures = _Figures(rule, account, buckets, subject, threshold, as_of_ms)
    text = rule.texts[locale].format_map(figures)
    encoding, parts = segments(text)
    as_of = from_ms(as_of_ms)
    granted_bytes, used_bytes, remaining_bytes = totals(buckets)
    return [
        Reminder(
            id=reminder_id(subscriber, rule.id, cycle_start_ms, arming),
            kind=rule.kind,
            rule=rule.id,
            subscriber=subscriber,
            buckets=[bucket_figures(bucket) for bucket in buckets],
            threshold=threshold,
            cycle_start=coarse_from_ms(account.cycle_start_ms),
            cycle_end=coarse_from_ms(account.cycle_end_ms),
            used_bytes=used_bytes,
            granted_bytes=granted_bytes,
            remaining_bytes=remaining_bytes,
            overage_bytes=account.overage_bytes,
            as_of=as_of,
            locale=locale,
            text=text,
            encoding=encoding,
            segments=parts,
            category=rule.category,
            priority=rule.priority,
            mandatory=rule.mandatory,
            not_before=as_of,
            expires_time=from_ms(as_of_ms + rule.ttl_ms),
            cause=cause,
        )
    ]


def reminder_id(subscriber: str, rule: str, cycle_start_ms: int, arming: str) -> str:
    """The same reminder has the same id in every run, replay and cluster (law 5)."""
    identity = "\0".join((subscriber, rule, str(cycle_start_ms), arming))
    return blake2b(identity.encode(), digest_size=16).hexdigest()


def bucket_figures(bucket: Bucket) -> BucketFigures:
    """A bucket as the reminder's reader sees it."""
    return BucketFigures(
        bucket.id,
        bucket.kind,
        bucket.granted_bytes,
        bucket.used_bytes,
        bucket.remaining_bytes,
        None if bucket.expires_ms >= NEVER_MS else coarse_from_ms(bucket.expires_ms),
    )


class _Figures:
    """The values of a text's placeholders, worked out only where the text has them."""

    def __init__(
        self,
        rule: UsageRule | TimedRule,
        account: Account,
        buckets: list[Bucket],
        subject: Bucket | None,
        threshold: Threshold | None,
        as_of_ms: int,
    ) -> None:
        self.rule = rule
        self.account = account
        self.buckets = buckets
        self.subject = subject
        self.level = threshold
        self.as_of_ms = as_of_ms
        # A usage reminder tells of its leading bucket, a timed one of all of them.
        shown = buckets if isinstance(rule, TimedRule) else [subject] if subject else []
        self.granted_bytes, self.used_bytes, self.remaining_bytes = totals(shown)

    def __getitem__(self, name: str) -> str:
        return _PLACEHOLDERS[name](self)

    def percent(self) -> str:
        granted = self.granted_bytes
        return str(self.used_bytes * 100 // granted if granted else 100)

    def threshold(self) -> str:
        level = self.level
        if level is None:
            return ""
        return f"{level.value}%" if level.unit == "percent" else readable_bytes(level.value)

    def expires(self) -> str:
        end_ms = self.subject.expires_ms if self.subject else self.account.cycle_end_ms
        return "-" if end_ms >= NEVER_MS else self.local_end(end_ms)

    def as_of(self) -> str:
        return local_text(self.as_of_ms, self.account.time_zone)

    def local_end(self, end_ms: int) -> str:
        return _local_of_many(end_ms, self.account.time_zone)


def totals(buckets: list[Bucket]) -> tuple[int, int, int]:
    """Granted, used and remaining bytes over buckets."""
    granted = used = remaining = 0
    for bucket in buckets:
        granted += bucket.granted_bytes
        used += bucket.used_bytes
        remaining += bucket.remaining_bytes
    return granted, used, remaining


def local_text(instant_ms: int, time_zone: str) -> str:
    """Local date and time to the minute: ``2026-01-20 14:05``."""
    shown = local_time(instant_ms, known_zone(time_zone))
    return shown.isoformat(" ", "minutes")[:_MINUTES_LENGTH]


_local_of_many = lru_cache(maxsize=65_536)(local_text)
"""For ends of cycles and packs, which many reminders share."""


_PLACEHOLDERS: dict[str, Callable[[_Figures], str]] = {
    "bucket": lambda f: ", ".join(bucket.source or bucket.kind for bucket in f.buckets),
    "used": lambda f: readable_bytes(f.used_bytes),
    "granted": lambda f: readable_bytes(f.granted_bytes),
    "remaining": lambda f: readable_bytes(f.remaining_bytes),
    "overage": lambda f: readable_bytes(f.account.overage_bytes),
    "percent": _Figures.percent,
    "threshold": _Figures.threshold,
    "as_of": _Figures.as_of,
    "cycle_end": lambda f: f.local_end(f.account.cycle_end_ms),
    "expires": _Figures.expires,
    "days": lambda f: str(f.rule.days_before) if isinstance(f.rule, TimedRule) else "",
}
assert _PLACEHOLDERS.keys() == PLACEHOLDERS
