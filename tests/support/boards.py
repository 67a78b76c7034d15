"""Draws the dashboards of ops/ with the data of a real Prometheus.

Grafana itself is not to be had from the registries that this project uses. So the panels, their
places, queries, legends and thresholds are read from the JSON that Grafana gets, and drawn here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import ops
from tests.support.prometheus import Prometheus

GRID = 24
UNIT_INCHES = 0.27
"""The height of a row of the grid."""
WIDTH_INCHES = 15.0
DPI = 80
MOST_LINES = 8
POINTS = 400
COLOURS = {"green": "#2e7d32", "orange": "#ef6c00", "red": "#c62828"}
FIRING = 'ALERTS{alertstate="firing"}'


@dataclass(frozen=True)
class Span:
    """A time in which something was so, and its name."""

    name: str
    began: float
    ended: float
    fired: float | None = None
    """When its alert fired."""


def panel_of(dashboard: str, title: str) -> dict[str, Any]:
    """A panel by its title."""
    (found,) = (one for one in _panels(dashboard) if one["title"] == title)
    return found


def values_of(
    prometheus: Prometheus, panel: Mapping[str, Any], began: float, ended: float
) -> list[float]:
    """All values that a panel shows in a time."""
    return [
        float(value)
        for target in panel["targets"]
        for one in prometheus.ask_range(target["expr"], began, ended, 1.0)
        for _, value in one["values"]
    ]


def draw_board(
    dashboard: str,
    prometheus: Prometheus,
    began: float,
    ended: float,
    spans: Sequence[Span],
    file: Path,
) -> None:
    """A whole dashboard as Grafana would show this time; ``spans`` are shaded."""
    panels = _panels(dashboard)
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in panels)
    figure = _figure(WIDTH_INCHES, height * UNIT_INCHES)
    for panel in panels:
        grid = panel["gridPos"]
        left, top = grid["x"] / GRID, 1 - grid["y"] / height
        wide, high = grid["w"] / GRID, grid["h"] / height
        if panel["type"] == "row":
            figure.text(left + 0.004, top - high * 0.7, panel["title"], weight="bold", size=11)
            continue
        across, down = 1 / WIDTH_INCHES, 1 / (height * UNIT_INCHES)
        bottom = top - high + 0.25 * down
        place = (left + 0.5 * across, bottom, wide - 0.7 * across, high - 0.55 * down)
        axes = figure.add_axes(place)
        _draw(axes, panel, prometheus, began, ended, spans)
    figure.savefig(file, dpi=DPI)


def draw_faults(
    shown: Iterable[tuple[Span, Mapping[str, Any]]], prometheus: Prometheus, file: Path
) -> None:
    """The panel that shows each fault, around its time."""
    found = list(shown)
    rows = (len(found) + 1) // 2
    figure = _figure(WIDTH_INCHES, rows * 2.9)
    for number, (span, panel) in enumerate(found):
        axes = figure.add_subplot(rows, 2, number + 1)
        until = min(span.ended + 60, time.time())
        _lines(axes, panel, prometheus, span.began - 60, until, [span])
        late = "" if span.fired is None else f", alert after {span.fired - span.began:.0f} s"
        axes.set_title(f"{span.name}: panel “{panel['title']}”{late}", size=10, loc="left")
        if span.fired is not None:
            axes.axvline(span.fired - span.began + 60, color=COLOURS["red"], linewidth=1.5)
    figure.tight_layout()
    figure.savefig(file, dpi=DPI)


def _panels(dashboard: str) -> list[dict[str, Any]]:
    (file,) = (one for one in ops.DASHBOARDS if one.stem == dashboard)
    panels: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["panels"]
    return panels


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # it takes a second to import

    return Figure(figsize=(width, height), facecolor="white")


def _draw(
    axes: Any,
    panel: Mapping[str, Any],
    prometheus: Prometheus,
    began: float,
    ended: float,
    spans: Sequence[Span],
) -> None:
    axes.set_title(panel["title"], size=8.5, loc="left")
    if panel["type"] == "stat":
        _stat(axes, panel, prometheus, ended)
    elif panel["type"] == "table":
        _table(axes, prometheus, began, ended)
    else:
        _lines(axes, panel, prometheus, began, ended, spans)


def _stat(axes: Any, panel: Mapping[str, Any], prometheus: Prometheus, ended: float) -> None:
    axes.axis("off")
    found = prometheus.ask_range(panel["targets"][0]["expr"], ended, ended, 1.0)
    value = float(found[0]["values"][-1][1]) if found else None
    colour = COLOURS["green"]
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []):
        if value is not None and step["value"] is not None and value >= step["value"]:
            colour = COLOURS.get(step["color"], step["color"])
    words = "no data" if value is None else _readable(value, _unit(panel))
    axes.text(0.5, 0.45, words, size=20, ha="center", va="center", color=colour)


def _table(axes: Any, prometheus: Prometheus, began: float, ended: float) -> None:
    """Alerts over time: Grafana's table has those of now alone."""
    fired: dict[str, dict[str, list[float]]] = {}
    for one in prometheus.ask_range(FIRING, began, ended, (ended - began) / POINTS):
        tiers = fired.setdefault(one["metric"]["alertname"], {})
        times = tiers.setdefault(one["metric"]["tier"], [])
        times.extend(at - began for at, _ in one["values"])
    for number, name in enumerate(sorted(fired, reverse=True)):
        axes.text(-0.29 * (ended - began), number, name, size=6, va="center")
        for tier in sorted(fired[name]):  # red lies above orange
            times = fired[name][tier]
            axes.scatter(times, [number] * len(times), s=5, marker="s", color=COLOURS[tier])
    axes.set_yticks([])
    axes.set_xlim(-0.3 * (ended - began), ended - began)
    _seconds(axes)


def _lines(
    axes: Any,
    panel: Mapping[str, Any],
    prometheus: Prometheus,
    began: float,
    ended: float,
    spans: Sequence[Span],
) -> None:
    lines = []
    for target in panel["targets"]:
        step = max((ended - began) / POINTS, 1.0)
        for one in prometheus.ask_range(target["expr"], began, ended, step):
            points = [(at - began, float(value)) for at, value in one["values"]]
            lines.append((_legend(target, one["metric"]), points))
    lines.sort(key=lambda one: -max(value for _, value in one[1]))
    for name, points in lines[:MOST_LINES]:
        axes.plot(*zip(*points, strict=True), label=name or panel["title"], linewidth=1.2)
    for span in spans:
        axes.axvspan(span.began - began, span.ended - began, color="#90a4ae", alpha=0.3, lw=0)
    if lines:
        axes.legend(fontsize=6, loc="upper left", frameon=False, ncols=2)
    axes.set_xlim(0, ended - began)
    if min((value for _, points in lines for _, value in points), default=0) >= 0:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: _readable(value, _unit(panel)))
    axes.grid(visible=True, linewidth=0.3)
    _seconds(axes)


def _seconds(axes: Any) -> None:
    from matplotlib.ticker import MultipleLocator

    seconds = axes.get_xlim()[1]
    axes.tick_params(labelsize=6)
    axes.xaxis.set_major_locator(MultipleLocator(60 if seconds < 600 else 300))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 60:.0f} min" if value >= 0 else "")


def _legend(target: Mapping[str, Any], metric: Mapping[str, str]) -> str:
    template = target.get("legendFormat", "")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: metric.get(found[1], ""), template)


def _unit(panel: Mapping[str, Any]) -> str:
    unit: str = panel["fieldConfig"]["defaults"].get("unit", "short")
    return unit


def _readable(value: float, unit: str) -> str:
    """A number as a person reads it."""
    if unit == "percentunit":
        return f"{value:.2%}"
    if unit == "bytes":
        return f"{value / 2**20:,.0f} MiB"
    words = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{words} s" if unit == "s" else words
