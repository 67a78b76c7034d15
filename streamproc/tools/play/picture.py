"""A play as a picture: remaining bytes of each bucket, and below it messages and rejects.

Needs matplotlib (``streamproc[pictures]``).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args
from zoneinfo import ZoneInfo

from streamproc.core.instants import from_ms
from streamproc.core.state.effects import Order, PolicyChanged, Rejected, Reminder
from streamproc.core.texts.quantities import readable_bytes
from streamproc.tools.pictures import save
from streamproc.tools.play.happening_words import DROPPED, HELD, TOLD_BY_ANOTHER
from streamproc.tools.play.playing import Played, PlayedInstant, decisions, spoken_ms

MOST_SUBSCRIBERS = 12
COLOURS = ("#1769aa", "#3fa34d", "#e8a33d", "#7b4fa3", "#c8443f", "#2a9d9d", "#8c6d46")
CYCLE_COLOUR = "#c9ced6"
_TICKS = ["%Y", "%b %Y", "%-d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
_FIRST_TICKS = ["%Y", "%Y", "%b %Y", "%-d %b", "%H:%M", "%H:%M"]
"""Formats for years, months, days, hours, minutes, seconds; the first of each shows the next larger
unit."""


@dataclass(frozen=True)
class Sign:
    """How one kind of occurrence is drawn."""

    words: str
    shape: str
    colour: str
    is_filled: bool = True
    raised: float = 0.0
    """Height above its row, so that signs of one instant do not cover each other."""


SMS: Final = Sign("SMS", "o", "#1769aa")
HELD_BACK: Final = Sign("held back", "o", "#e8a33d", is_filled=False, raised=0.24)
UNSAID: Final = Sign("dropped, or covered by another", "x", "#8c96a3", raised=-0.24)
REJECTED: Final = Sign("rejected", "X", "#c8443f")
OUTSIDE: Final = Sign("order or policy", "D", "#7b4fa3")
SIGNS = (SMS, HELD_BACK, UNSAID, REJECTED, OUTSIDE)


@dataclass
class Life:
    """One subscriber, ready to be drawn."""

    subscriber: str
    zone: str
    left: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)
    """Bytes left by bucket, at each instant at which they changed."""
    signs: list[tuple[datetime, str, Sign]] = field(default_factory=list)
    """Instant, row and sign."""
    cycle_ends: list[datetime] = field(default_factory=list)

    @property
    def rows(self) -> list[str]:
        """The rows in the order of their first use."""
        return list(dict.fromkeys(row for _, row, _ in self.signs))


def lives(played: Played, subscribers: Sequence[str]) -> list[Life]:
    """What is drawn of each subscriber. Times are local times of the subscriber's zone."""
    moments = played.by_subscriber()
    return [_life(one, moments[one]) for one in subscribers]


def draw(played: Played, subscribers: Sequence[str], path: Path) -> None:
    """Write the picture. The end of the file name decides the format (.png, .svg, .pdf).

    Raises ValueError for a format that matplotlib does not write, OSError.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = lives(played, subscribers[:MOST_SUBSCRIBERS])
    heights = [part for one in drawn for part in (2.2, 0.5 + 0.28 * max(len(one.rows), 1))]
    figure = Figure(figsize=(10, 1.2 + sum(heights) + 0.5 * len(drawn)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    end = played.until_ms
    for number, one in enumerate(drawn):
        upper, lower = axes[2 * number], axes[2 * number + 1]
        last = _local(end, one.zone)
        _buckets(upper, one, last)
        _rows(lower, one)
        first = min((points[0][0] for points in one.left.values()), default=None)
        first = min([first or last, *(at for at, _, _ in one.signs)])
        margin = (last - first) / 50
        for each in (upper, lower):
            each.set_xlim(first - margin, last + margin)
            each.spines[["top", "right"]].set_visible(False)
            for at in one.cycle_ends:
                each.axvline(at, color=CYCLE_COLOUR, linestyle=":", zorder=0)
    _legend(figure)
    if len(subscribers) > MOST_SUBSCRIBERS:
        more = len(subscribers) - MOST_SUBSCRIBERS
        figure.suptitle(f"and {more:,} more subscribers; --subscriber chooses", fontsize=9)
    with warnings.catch_warnings():
        # If the font lacks the script of an id, the id is drawn as boxes; the rest of the
        # picture is right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        save(figure, path)


def _life(subscriber: str, moments: list[PlayedInstant]) -> Life:
    zone = moments[0].time_zone
    life = Life(subscriber, zone)
    for moment in moments:
        at = _local(moment.time_ms, zone)
        _note_buckets(life, moment, at)
        for sms in moment.of(Reminder):
            life.signs.append((_local(spoken_ms(sms), zone), sms.rule, SMS))
        for audit in decisions(moment):
            row = audit.rule or audit.category or audit.decision
            if audit.decision in HELD:
                life.signs.append((at, row, HELD_BACK))
            elif audit.decision in DROPPED | TOLD_BY_ANOTHER:
                life.signs.append((at, row, UNSAID))
            elif audit.decision == "cycle_closed":
                life.cycle_ends.append(at)
        for policy in moment.of(PolicyChanged):
            life.signs.append((at, f"policy {policy.counter}", OUTSIDE))
        for kind in get_args(Order):
            life.signs += [(at, "orders", OUTSIDE) for _ in moment.of(kind)]
        life.signs += [(at, "rejected", REJECTED) for _ in moment.of(Rejected)]
    return life


def _note_buckets(life: Life, moment: PlayedInstant, at: datetime) -> None:
    after = moment.after
    if after is None:
        return
    present = {one.id: one.remaining_bytes for one in after.buckets if not one.is_unlimited}
    for name in present.keys() | life.left.keys():
        points = life.left.setdefault(name, [])
        left = float(present[name]) if name in present else float("nan")
        if not points or points[-1][1] != left:
            if points and name not in present:
                points.append((at, points[-1][1]))
            points.append((at, left))


def _buckets(axes: Any, life: Life, last: datetime) -> None:
    names = sorted(life.left, key=lambda name: (life.left[name][0][0], name))
    for number, name in enumerate(names):
        points = life.left[name]
        times = [at for at, _ in points]
        left = [one for _, one in points]
        if left[-1] == left[-1]:  # it still exists (NaN is not equal to itself)
            times, left = [*times, last], [*left, left[-1]]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(times, left, drawstyle="steps-post", color=colour, label=name, linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: readable_bytes(max(int(value), 0)))
    axes.tick_params(labelsize=8, labelbottom=False)
    title = f"{life.subscriber}, times in {life.zone}: what is left"
    axes.set_title(title, loc="left", fontsize=10)
    if not names:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no data with a limit", transform=axes.transAxes, ha="center")
    else:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


def _rows(axes: Any, life: Life) -> None:
    from matplotlib import dates

    made: Any = dates  # matplotlib has no types for it
    rows = life.rows[::-1]
    places = {row: number for number, row in enumerate(rows)}
    for at, row, sign in life.signs:
        face = sign.colour if sign.is_filled else "none"
        look: dict[str, Any] = {"marker": sign.shape, "s": 34, "zorder": 3}
        look |= {"color": sign.colour} if sign.shape == "x" else {
            "facecolors": face, "edgecolors": sign.colour
        }  # fmt: skip
        axes.scatter([at], [places[row] + sign.raised], **look)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_ylim(-0.7, max(len(rows), 1) - 0.3)
    axes.grid(axis="y", color="#eef0f3", zorder=0)
    locator = made.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        made.ConciseDateFormatter(
            locator, formats=_TICKS, zero_formats=_FIRST_TICKS, show_offset=False
        )
    )
    axes.xaxis_date()
    axes.tick_params(axis="x", labelsize=8)


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [], [], linestyle="none", marker=sign.shape, label=sign.words, color=sign.colour,
            markerfacecolor=sign.colour if sign.is_filled else "none",
        )
        for sign in SIGNS
    ]  # fmt: skip
    handles.append(Line2D([], [], linestyle=":", color=CYCLE_COLOUR, label="billing cycle ends"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8
    )


def _local(instant_ms: int, zone: str) -> datetime:
    """Local time without its zone: each subscriber has an axis of their own."""
    return from_ms(instant_ms).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
