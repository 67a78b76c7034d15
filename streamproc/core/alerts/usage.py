"""What usage rules say: thresholds of buckets that usage has reached."""

from __future__ import annotations

from streamproc.core.alerts.gate import Message, Speaker
from streamproc.core.alerts.policy import Spoken
from streamproc.core.alerts.state import Mark
from streamproc.core.charging import Crossed
from streamproc.core.effects import Cause, Effect, Threshold, audited
from streamproc.core.model import Account, Bucket
from streamproc.core.quota.pools import cap_bucket_of
from streamproc.core.reminding import remind
from streamproc.core.rulebook import Crossing, Rulebook, UsageRule, used_level


def _find(rules: Rulebook, rule_id: str) -> Spoken | None:
    rule = rules.rules_by_id.get(rule_id)
    return rule if isinstance(rule, UsageRule) else None


def _bucket(account: Account, mark: Mark) -> Bucket | None:
    """The bucket of a mark, unless another one has its name by now (the next cycle's)."""
    of_cap = cap_bucket_of(account, mark.bucket)
    for bucket in account.buckets if of_cap is None else (of_cap,):
        if bucket.id == mark.bucket and bucket.granted_ms <= mark.at_ms:
            return bucket
    return None


def _is_true(account: Account, rule: Spoken, mark: Mark, at_ms: int, rules: Rulebook) -> bool:
    """Still used up to the threshold: a top-up may have lifted it, the bucket may have ended."""
    assert isinstance(rule, UsageRule)
    bucket = _bucket(account, mark)
    if bucket is None or mark.threshold not in rule.thresholds:
        return False
    level = used_level(rule.kind, mark.threshold, bucket.granted_bytes)
    return 0 < level <= bucket.used_bytes


def _say(
    account: Account,
    subscriber: str,
    rule: Spoken,
    marks: list[Mark],
    cycle_start_ms: int,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
) -> list[Effect]:
    """Several buckets at once: one reminder that names them, led by the emptiest."""
    assert isinstance(rule, UsageRule)
    found = [(bucket, mark) for mark in marks if (bucket := _bucket(account, mark)) is not None]
    bucket, leading = min(found, key=lambda one: one[0].remaining_bytes)
    unit = "percent" if rule.kind == "usage_percent" else "bytes"
    return remind(
        account,
        subscriber,
        rule,
        [one for one, _ in found],
        bucket,
        Threshold(unit, leading.threshold),
        ",".join(f"{one.bucket}/{one.threshold}/{one.arming}" for one in marks),
        cycle_start_ms,
        as_of_ms,
        cause,
        rules,
        leading.detail,
    )


USAGE = Speaker("usage", _find, _is_true, _say)


def messages_of_crossed(
    subscriber: str, crossed: list[Crossed], as_of_ms: int, cause: Cause, member: str = ""
) -> tuple[list[Effect], list[Message]]:
    """One message per rule, of the highest threshold of each bucket; the others are superseded.

    ``member`` is who of a pool crossed them, if anybody in particular.
    """
    out: list[Effect] = []
    marks: dict[str, tuple[UsageRule, list[Mark]]] = {}
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
        bucket = one.bucket
        for rule_id, crossing in tops.items():
            mark = Mark(as_of_ms, bucket.id, crossing.value, bucket.arming, member)
            marks.setdefault(rule_id, (crossing.rule, []))[1].append(mark)
    return out, [Message(USAGE, rule, found, cause) for rule, found in marks.values()]
