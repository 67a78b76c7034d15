"""Pictures of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

OURS_COLOUR, OTHERS_COLOUR, SECOND_COLOUR = "#0b6e4f", "#8d99ae", "#d1495b"


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, columns, figsize=(width, height), layout="constrained")
    return pyplot, figure, axes


def _save(pyplot: Any, figure: Any, path: Path, machine: str) -> None:
    below = 0.14 / figure.get_figheight()  # inches for the line of the machine
    figure.get_layout_engine().set(rect=(0, below, 1, 1 - below))
    figure.text(0.005, 0.002, machine, fontsize=6, color="#555555", va="bottom")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def draw_comparison(
    path: Path, machine: str, rates: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> None:
    """Bars of events per second of wall and of CPU time, with least and greatest as whiskers."""
    pyplot, figure, axes = _figure(10, 0.8 + 0.5 * len(rates), 2)
    names = list(rates)
    colours = [OURS_COLOUR if name.startswith("streamproc") else OTHERS_COLOUR for name in names]
    titles = ("events per second", "events per CPU-second (process tree)")
    for which, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        values = [rates[name][which] for name in names]
        middles = [median(one) for one in values]
        whiskers = [
            [middle - min(one) for middle, one in zip(middles, values, strict=True)],
            [max(one) - middle for middle, one in zip(middles, values, strict=True)],
        ]
        axis.barh(names, middles, xerr=whiskers, color=colours, ecolor="#333333", capsize=2)
        for row, middle in enumerate(middles):
            axis.annotate(
                f"{middle:,.0f}",
                (middle, row),
                xytext=(4, 6),
                textcoords="offset points",
                fontsize=7,
            )
        axis.set_title(title, fontsize=9)
        axis.invert_yaxis()
        axis.margins(x=0.15)
        axis.tick_params(labelsize=8)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f}k")
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].set_yticklabels([])
    _save(pyplot, figure, path, machine)


def draw_latency(
    path: Path,
    machine: str,
    samples_ms: Sequence[float],
    curve: Sequence[tuple[float, float, float]],
) -> None:
    """The distribution of one run, and p50 and p99 against the commit interval.

    ``curve`` has (commit interval in ms, p50, p99).
    """
    pyplot, figure, axes = _figure(10, 3.8, 2)
    ordered = sorted(samples_ms)
    count = len(ordered)
    first, second = axes
    first.plot(
        ordered, [(index + 1) / count * 100 for index in range(count)], color=OURS_COLOUR, lw=1.5
    )
    told = []
    for share, limit in ((50, 120), (99, 400), (99.9, 1000)):
        value = ordered[min(int(count * share / 100), count - 1)]
        first.plot([value], [share], "o", color=OURS_COLOUR, ms=4)
        told.append(f"p{share:g}: {value:,.0f} ms (target {limit:,})")
    first.text(0.03, 0.95, "\n".join(told), transform=first.transAxes, va="top", fontsize=8)
    first.set_xscale("log")
    shown = _log_ticks(ordered[0], ordered[-1])
    first.set_xticks(shown, [f"{one:,}" for one in shown])
    first.set_xticks([], minor=True)
    first.set_xlabel("ms from the event's append to the committed reminder", fontsize=8)
    first.set_ylabel("% of reminders", fontsize=8)
    first.set_title(f"{count:,} reminders", fontsize=9)
    if curve:
        intervals = [one[0] for one in curve]
        second.plot(intervals, [one[1] for one in curve], "o-", color=OURS_COLOUR, label="p50")
        second.plot(intervals, [one[2] for one in curve], "o-", color=SECOND_COLOUR, label="p99")
        second.set_xlabel("commit interval, ms", fontsize=8)
        second.set_ylabel("ms", fontsize=8)
        second.set_yscale("log")
        shown = _log_ticks(min(one[1] for one in curve), max(one[2] for one in curve))
        second.set_yticks(shown, [f"{one:,}" for one in shown])
        second.set_yticks([], minor=True)
        second.set_title("what the commit interval costs", fontsize=9)
        second.legend(fontsize=8)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    _save(pyplot, figure, path, machine)


def _log_ticks(least: float, greatest: float) -> list[int]:
    """Round numbers around a range of milliseconds."""
    ticks = [number * 10**power for power in range(1, 5) for number in (1, 2, 5)]
    return [one for one in ticks if least / 2 <= one <= greatest * 2]


def draw_scale(
    path: Path,
    machine: str,
    costs_us: Sequence[tuple[int, float]],
    loads: Sequence[tuple[int, float]],
) -> None:
    """CPU time per event, and seconds to load a state, each by number of subscribers."""
    pyplot, figure, axes = _figure(10, 3.6, 2)
    for axis, points, title, unit in (
        (axes[0], costs_us, "cost of an event", "CPU µs per event"),
        (axes[1], loads, "start on an existing state", "s until input flows"),
    ):
        axis.plot([one[0] for one in points], [one[1] for one in points], "o-", color=OURS_COLOUR)
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("subscribers of the worker", fontsize=8)
        axis.set_ylabel(unit, fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    _save(pyplot, figure, path, machine)


STORM_CLASSES = {
    "low": ("low balance (not timed)", "#e09f3e"),
    "notice": ("mandatory", SECOND_COLOUR),
    "summary": ("other", OURS_COLOUR),
}


def draw_storm(
    path: Path,
    machine: str,
    found: Mapping[str, Any],
    since_midnight_ms: Mapping[str, Sequence[int]],
    beyond_slot_ms: Mapping[str, Sequence[int]],
) -> None:
    """Lateness by class: since the common instant, and beyond each reminder's own instant."""
    pyplot, figure, axes = _figure(10, 3.8, 2)
    titles = (
        "from midnight until readable",
        "from a reminder's own instant until readable",
    )
    sides = (since_midnight_ms, beyond_slot_ms)
    for axis, title, by_rule in zip(axes, titles, sides, strict=True):
        for rule, times in by_rule.items():
            label, colour = STORM_CLASSES[rule]
            shares = [(index + 1) / len(times) * 100 for index in range(len(times))]
            every = max(1, len(times) // 2000)
            axis.plot(
                [max(one, 1) / 1000 for one in times[::every]],
                shares[::every],
                color=colour,
                lw=1.5,
                label=f"{label}: {len(times):,}",
            )
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("s", fontsize=8)
        axis.set_ylabel("% of reminders", fontsize=8)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
        axis.legend(fontsize=7)
    axes[0].axvline(found["killed_after_seconds"], color="#333333", lw=0.8, ls=":")
    axes[0].annotate(
        "a worker is killed",
        (found["killed_after_seconds"], 5),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=7,
    )
    axes[1].set_xscale("log")
    _save(pyplot, figure, path, machine)
