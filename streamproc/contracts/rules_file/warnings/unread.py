"""Limits that nothing reads any more."""

from __future__ import annotations

from streamproc.contracts.rules_file.warnings.subject import Subject, Warned


def without_effect(subject: Subject) -> Warned:
    """Fields of earlier releases that nothing reads any more."""
    for name in ("dedupe_horizon_days", "dedupe_max_ids"):
        if getattr(subject.file.limits, name) is not None:
            yield (
                ("limits", name),
                "has no effect: ids of events are remembered as long as max_age_days needs it",
            )
