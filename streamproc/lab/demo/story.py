"""The texts for the viewer, and one moment of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamproc.core.instants import DAY_MS
from streamproc.lab.demo.phone import ShownSms
from streamproc.lab.demo.progress import Totals
from streamproc.lab.workload import MONTH_DAYS

TITLE = "streamproc demo: a month of mobile data usage"
EXPLANATION = (
    " Made-up usage goes into Kafka; a worker keeps every subscriber's quota and",
    " sends a reminder when it runs low or its time comes. The phone shows the SMS.",
)
LEGEND = {
    "applied": "charged or rejected",
    "lag": "sent, and not yet applied",
    "rejected": "malformed, unknown, too late",
    "share": "50, 80 ... % of it is used",
    "last": "few megabytes are left",
    "summary": "regularly, at local time",
    "cycle": "days before the bill",
    "pack": "before an add-on ends",
    "segment": "part of an SMS, as billed",
}
SHORT_LEGEND = "lag: sent by billing, not yet applied · segment: part of an SMS, as billed"
SHOWN_DAYS = 31


@dataclass(frozen=True)
class ViewFrame:
    """Everything that a view shows at one moment."""

    place: str
    """Seed and broker."""
    phase: str
    hint: str
    share: float
    """Share of the month, 0 to 1."""
    simulated_ms: int
    applied: int
    events_per_second: int
    lag: int
    charged_bytes: int
    rejected: int
    reminders: Mapping[str, int]
    """Reminders by kind."""
    by_day: Sequence[int]
    """Reminders of the latest simulated days, oldest first."""
    messages: Sequence[ShownSms]
    """SMS in both languages, newest last; the next two fields too."""
    chinese: Sequence[ShownSms]
    english: Sequence[ShownSms]


def frame_of(
    figures: Totals, *, place: str, phase: str, hint: str, endless: bool, events_per_second: int
) -> ViewFrame:
    """The present moment. ``endless`` means that months follow one another."""
    passed_ms = max(figures.simulated_ms - figures.start_ms, 0)
    by_day = dict(figures.by_day)
    today = max([passed_ms // DAY_MS, *by_day])
    first = max(today - SHOWN_DAYS + 1, 0)
    month_ms = MONTH_DAYS * DAY_MS
    share = (passed_ms % month_ms if endless else min(passed_ms, month_ms)) / month_ms
    return ViewFrame(
        place=place,
        phase=phase,
        hint=hint,
        share=share,
        simulated_ms=max(figures.simulated_ms, figures.start_ms),
        applied=figures.applied,
        events_per_second=events_per_second,
        lag=figures.lag,
        charged_bytes=figures.charged_bytes,
        rejected=sum(dict(figures.rejects).values()),
        reminders=dict(figures.reminders),
        by_day=[by_day.get(day, 0) for day in range(first, today + 1)],
        messages=list(figures.phone.shown),
        chinese=figures.phone.of_language(True),
        english=figures.phone.of_language(False),
    )
