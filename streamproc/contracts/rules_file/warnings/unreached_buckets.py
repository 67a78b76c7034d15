"""Rules about single buckets that no bucket of the file can reach."""

from __future__ import annotations

from streamproc.contracts.rules_file.warnings.subject import Size, Subject, Warned, tag_of
from streamproc.core.rules.kinds import BUCKET_KINDS, TIMED_KINDS
from streamproc.core.rules.kinds.bucket import BucketRuleKind
from streamproc.core.rules.kinds.entry import BucketEntry
from streamproc.core.rules.kinds.timed import Shape
from streamproc.core.state.account import TOPUP, UNLIMITED
from streamproc.core.texts.quantities import readable_bytes
from streamproc.core.usage.pools import MEMBER

OPEN_KINDS = frozenset((TOPUP, MEMBER))
"""Kinds of buckets whose sizes come with events, so the file does not say how large they are."""


def about_no_bucket(subject: Subject) -> Warned:
    """A rule whose ``buckets`` and ``bucket_kinds`` match no bucket that the file grants."""
    yield from _about_no_end(subject)
    for path, rule in subject.rules(BucketEntry):
        if _covered(subject, rule) or _is_open_alone(rule):
            continue
        kinds = " or ".join(sorted(rule.bucket_kinds))
        if rule.buckets is not None:
            names = ", ".join(sorted(rule.buckets))
            yield (*path, "buckets"), f"never speaks: {names} is no bucket of the kind {kinds}"
        elif not any(size.kind == UNLIMITED for size in subject.sizes):
            left = " but free top-ups" if TOPUP in rule.bucket_kinds else ""
            yield path, f"the file grants nothing of the kind {kinds}{left}"


def _about_no_end(subject: Subject) -> Warned:
    """The same for rules about ends."""
    losses = [
        (path, rule)
        for path, _, rule in subject.timed_rules(Shape.IN_CYCLE)
        if TIMED_KINDS[rule.kind].is_about_losses
    ]
    ends = [(path, rule) for path, _, rule in subject.timed_rules(Shape.AT_ENDS)]
    for path, rule in (*losses, *ends):
        kinds = rule.bucket_kinds
        if (path, rule) in losses and rule.plans is not None:
            plans = [one for one in subject.file.plans if one.id in rule.plans]
            if not any(one.allowances for one in plans):
                names = ", ".join(sorted(rule.plans))
                yield (*path, "plans"), f"never speaks: {names} grants nothing that ends"
                continue
        if kinds is None or (TOPUP in kinds and rule.buckets is None):
            continue
        sizes = [one for one in subject.sizes if one.kind in kinds]
        if not any(rule.buckets is None or one.source in rule.buckets for one in sizes):
            words = " or ".join(sorted(kinds))
            names = "" if rule.buckets is None else f" named {', '.join(sorted(rule.buckets))}"
            yield path, f"the file grants nothing of the kind {words}{names}"


def only_unlimited(subject: Subject) -> Warned:
    """A rule about percentages, or bytes left, that can only be about unlimited buckets."""
    for path, rule in subject.rules(BucketEntry):
        if _kind(rule).is_of_unlimited or _is_open_alone(rule):
            continue
        covered = _covered(subject, rule)
        unlimited = [size for size in subject.sizes if size.kind == UNLIMITED]
        if unlimited and rule.buckets is None and all(size.kind == UNLIMITED for size in covered):
            yield path, "never speaks of a plan: its data are unlimited, so nothing is ever left"
        elif covered and all(size.kind == UNLIMITED for size in covered):
            yield path, "never speaks: what is unlimited has no share, and nothing is ever left"


def threshold_never_reached(subject: Subject) -> Warned:
    """A threshold of bytes left, or bytes used, that is larger than any bucket."""
    for path, rule in subject.rules(BucketEntry):
        kind, covered = _kind(rule), _covered(subject, rule)
        if not kind.unit.startswith("bytes"):
            continue
        if kind.is_of_unlimited and any(size.kind == UNLIMITED for size in covered):
            continue
        largest = max((size.granted_bytes for size in covered), default=0)
        if not largest:
            continue
        for index, value in enumerate(getattr(rule, "thresholds", ())):
            if value > largest or (kind.counts_down and value == largest):
                what = "left" if kind.counts_down else "used"
                yield (
                    (*path, "thresholds", index),
                    f"{readable_bytes(value)} {what} is never reached: the largest bucket that it "
                    f"is about has {readable_bytes(largest)}",
                )


def _kind(rule: BucketEntry) -> BucketRuleKind:
    return BUCKET_KINDS[tag_of(rule)]


def _covered(subject: Subject, rule: BucketEntry) -> list[Size]:
    """The buckets of the file that a rule is about."""
    return [
        size
        for size in subject.sizes
        if size.kind in rule.bucket_kinds and (rule.buckets is None or size.source in rule.buckets)
    ]


def _is_open_alone(rule: BucketEntry) -> bool:
    return rule.buckets is None and rule.bucket_kinds <= OPEN_KINDS
