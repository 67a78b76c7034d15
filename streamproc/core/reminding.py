"""Turning a reason to remind into a reminder, or into the audit record that says why not."""

from __future__ import annotations

from hashlib import blake2b

from streamproc.core.calendar import known_zone
from streamproc.core.charging import Crossed
from streamproc.core.effects import (
    Audited,
    BucketFigures,
    Cause,
    Effect,
    Reminder,
    Threshold,
)
from streamproc.core.instants import NEVER_MS, from_ms
from streamproc.core.model import Account, Bucket
from streamproc.core.rulebook import Crossing, Rulebook, TimedRule, UsageRule
from streamproc.core.text import choose_locale, readable_bytes, segments
from streamproc.core.timed import Due

_MINUTE_FORMAT = "%Y-%m-%d %H:%M"


def remind_crossed(
    account: Account,
    subscriber: str,
    crossed: list[Crossed],
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    """One reminder per rule, for the highest threshold of each bucket (laws 12 and 14)."""
    out: list[Effect] = []
    highest: dict[str, list[tuple[Bucket, Crossing]]] = {}
    for one in crossed:
        tops: dict[str, Crossing] = {}
        for crossing in one.crossings:  # ascending: the last of a rule is its highest
            lower = tops.get(crossing.rule.id)
            if lower is not None:
                out.append(
                    audited(
                        "superseded",
                        subscriber,
                        as_of_ms,
                        cause,
                        rule=lower.rule.id,
                        bucket=one.bucket.id,
                        threshold=lower.value,
                        used_bytes=one.bucket.used_bytes,
                    )
                )
            tops[crossing.rule.id] = crossing
        for rule_id, crossing in tops.items():
            highest.setdefault(rule_id, []).append((one.bucket, crossing))
    for tops_of_rule in highest.values():
        # Several buckets at once: one reminder that names them, led by the emptiest.
        bucket, crossing = min(tops_of_rule, key=lambda top: top[0].remaining_bytes)
        unit = "percent" if crossing.rule.kind == "usage_percent" else "bytes"
        arming = ",".join(f"{b.id}/{c.value}/{b.arming}" for b, c in tops_of_rule)
        out.append(
            _reminder(
                account,
                subscriber,
                crossing.rule,
                [b for b, _ in tops_of_rule],
                bucket,
                Threshold(unit, crossing.value),
                arming,
                as_of_ms,
                as_of_ms,
                cause,
                rules,
            )
        )
    return out


def remind_due(
    account: Account, subscriber: str, due: Due, lateness_ms: int, rules: Rulebook
) -> Effect:
    """The reminder of a due instant, or ``missed`` if it is too late to be useful (law 18)."""
    cause = Cause(due_time=from_ms(due.at_ms))
    bucket_id = due.bucket.id if due.bucket else ""
    if lateness_ms > due.rule.misfire_grace_ms:
        return audited(
            "missed",
            subscriber,
            due.at_ms,
            cause,
            rule=due.rule.id,
            bucket=bucket_id,
            lateness_ms=lateness_ms,
        )
    buckets = [due.bucket] if due.bucket else list(account.buckets)
    subject = buckets[0] if buckets else None
    arming = f"{bucket_id}@{due.at_ms}"
    return _reminder(
        account,
        subscriber,
        due.rule,
        buckets,
        subject,
        None,
        arming,
        due.at_ms,
        due.at_ms,
        cause,
        rules,
    )


def audited(
    decision: str,
    subscriber: str,
    time_ms: int,
    cause: Cause,
    rule: str = "",
    bucket: str = "",
    threshold: int = 0,
    **figures: int,
) -> Audited:
    """An audit record; ``figures`` carry their unit in their name."""
    return Audited(decision, subscriber, from_ms(time_ms), rule, bucket, threshold, figures, cause)


def _reminder(  # every argument is a different fact of the message
    account: Account,
    subscriber: str,
    rule: UsageRule | TimedRule,
    buckets: list[Bucket],
    subject: Bucket | None,
    threshold: Threshold | None,
    arming: str,
    as_of_ms: int,
    not_before_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> Effect:
    if rule.category in account.opted_out and not rule.mandatory:
        return audited(
            "opted_out",
            subscriber,
            as_of_ms,
            cause,
            rule=rule.id,
            bucket=subject.id if subject else "",
            threshold=threshold.value if threshold else 0,
        )
    locale = choose_locale(rule.texts, account.locale, rules.default_locale)
    text = _render(rule, account, buckets, subject, threshold, as_of_ms, locale)
    encoding, parts = segments(text)
    return Reminder(
        id=_reminder_id(subscriber, rule.id, account.cycle_start_ms, arming),
        kind=rule.kind,
        rule=rule.id,
        subscriber=subscriber,
        buckets=[_figures(bucket) for bucket in buckets],
        threshold=threshold,
        cycle_start=from_ms(account.cycle_start_ms),
        cycle_end=from_ms(account.cycle_end_ms),
        used_bytes=sum(bucket.used_bytes for bucket in buckets),
        granted_bytes=sum(bucket.granted_bytes for bucket in buckets),
        remaining_bytes=sum(bucket.remaining_bytes for bucket in buckets),
        overage_bytes=account.overage_bytes,
        as_of=from_ms(as_of_ms),
        locale=locale,
        text=text,
        encoding=encoding,
        segments=parts,
        category=rule.category,
        priority=rule.priority,
        mandatory=rule.mandatory,
        not_before=from_ms(not_before_ms),
        expires_time=from_ms(not_before_ms + rule.ttl_ms),
        cause=cause,
    )


def _reminder_id(subscriber: str, rule: str, cycle_start_ms: int, arming: str) -> str:
    """The same reminder has the same id in every run, replay and cluster (law 5)."""
    identity = "\0".join((subscriber, rule, str(cycle_start_ms), arming))
    return blake2b(identity.encode(), digest_size=16).hexdigest()


def _figures(bucket: Bucket) -> BucketFigures:
    return BucketFigures(
        bucket.id,
        bucket.kind,
        bucket.granted_bytes,
        bucket.used_bytes,
        bucket.remaining_bytes,
        None if bucket.expires_ms >= NEVER_MS else from_ms(bucket.expires_ms),
    )


def _render(
    rule: UsageRule | TimedRule,
    account: Account,
    buckets: list[Bucket],
    subject: Bucket | None,
    threshold: Threshold | None,
    as_of_ms: int,
    locale: str,
) -> str:
    tz = known_zone(account.time_zone)

    def local(instant_ms: int) -> str:
        return from_ms(instant_ms).astimezone(tz).strftime(_MINUTE_FORMAT)

    shown = buckets if isinstance(rule, TimedRule) else [subject] if subject else []
    granted = sum(bucket.granted_bytes for bucket in shown)
    used = sum(bucket.used_bytes for bucket in shown)
    level = ""
    if threshold is not None:
        level = (
            f"{threshold.value}%"
            if threshold.unit == "percent"
            else readable_bytes(threshold.value)
        )
    expires_ms = subject.expires_ms if subject else account.cycle_end_ms
    return rule.texts[locale].format(
        bucket=", ".join(bucket.source or bucket.kind for bucket in buckets),
        used=readable_bytes(used),
        granted=readable_bytes(granted),
        remaining=readable_bytes(sum(bucket.remaining_bytes for bucket in shown)),
        overage=readable_bytes(account.overage_bytes),
        percent=used * 100 // granted if granted else 100,
        threshold=level,
        as_of=local(as_of_ms),
        cycle_end=local(account.cycle_end_ms),
        expires="-" if expires_ms >= NEVER_MS else local(expires_ms),
        days=rule.days_before if isinstance(rule, TimedRule) else "",
    )
