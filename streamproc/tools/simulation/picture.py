"""The difference between two runs as a picture. Needs matplotlib (``streamproc[pictures]``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamproc.tools.pictures import save
from streamproc.tools.simulation.as_text import WORDS
from streamproc.tools.simulation.pairing import EFFECTS
from streamproc.tools.simulation.report import SimulationReport

PRESENT, CHANGED = "#8c96a3", "#1769aa"
COLOURS = {
    "same": "#c9ced6",
    "earlier": "#3fa34d",
    "later": "#e8a33d",
    "dropped": "#c8443f",
    "added": "#1769aa",
}


def draw(report: SimulationReport, path: Path) -> None:
    """Write the picture. The end of the file name decides the format (.png, .svg, .pdf).

    Raises ValueError for a format that matplotlib does not write, OSError.
    """
    # matplotlib needs long for its import, and is installed only with an extra.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(len(report.by_rule), 1)
    figure = Figure(figsize=(9, 6.5 + 0.35 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    heights = [3.0, 0.9 + 0.35 * rows, 2.4]
    axes = figure.subplots(3, 1, height_ratios=heights)
    _days(axes[0], report)
    _rules(axes[1], report)
    _loads(axes[2], report)
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
    before, after = report.messages
    figure.suptitle(
        f"{before:,} messages by the present rules, {after:,} by the changed ones; "
        f"{report.affected:,} of {report.subscribers:,} subscribers are told otherwise",
        fontsize=11,
    )
    save(figure, path)


def _days(axes: Any, report: SimulationReport) -> None:
    days = list(report.by_day)
    places = range(len(days))
    for number, (name, colour) in enumerate((("present", PRESENT), ("changed", CHANGED))):
        heights = [counts[number] for counts in report.by_day.values()]
        axes.bar(
            [place + 0.4 * number - 0.2 for place in places], heights, 0.4, label=name, color=colour
        )
    step = max(len(days) // 8, 1)
    axes.set_xticks(list(places)[::step], [day[5:] for day in days[::step]])
    axes.set_title("Messages by day (UTC)", loc="left", fontsize=10)
    axes.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, 1.2))


def _rules(axes: Any, report: SimulationReport) -> None:
    names = list(report.by_rule)[::-1]
    left = [0] * len(names)
    for effect in EFFECTS:
        widths = [report.by_rule[name].effects[effect] for name in names]
        axes.barh(names, widths, 0.6, left=left, label=WORDS[effect], color=COLOURS[effect])
        left = [one + width for one, width in zip(left, widths, strict=True)]
    axes.set_title("What becomes of each rule's messages", loc="left", fontsize=10)
    axes.legend(
        frameon=False, ncols=len(EFFECTS), fontsize=8, loc="upper right", bbox_to_anchor=(1, -0.08)
    )


def _loads(axes: Any, report: SimulationReport) -> None:
    counts = sorted(report.loads[0].keys() | report.loads[1].keys())
    places = range(len(counts))
    for number, colour in enumerate((PRESENT, CHANGED)):
        heights = [report.loads[number][count] for count in counts]
        bars = axes.bar(
            [place + 0.4 * number - 0.2 for place in places], heights, 0.4, color=colour
        )
        axes.bar_label(bars, fontsize=8)
    axes.set_xticks(list(places), [str(count) for count in counts])
    axes.set_xlabel("messages to one subscriber on one day (UTC)", fontsize=9)
    axes.set_title("How often a subscriber got so many on a day", loc="left", fontsize=10)
