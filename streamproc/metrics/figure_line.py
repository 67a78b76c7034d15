"""The figure line: a summary of the last minute in the log, from the metrics of a process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import Metric

from streamproc.metrics.declaring import Declaration, Metrics

LINE_SECONDS = 60.0
"""How often a process writes its figures to the log."""


class FigureLine:
    """Counters: the increase since the last line. Gauges: the value. Histograms: the mean in ms.

    Figures with different labels are added up; some have their parts beside the sum. A figure of 0
    is left out, except gauges.
    """

    def __init__(self, metrics: Metrics, refresh: Callable[[], None] = lambda: None) -> None:
        self._metrics = metrics
        self._refresh = refresh
        self._last: dict[tuple[str, str], float] = {}

    def take(self) -> dict[str, float]:
        """The figures, by the names that their declarations give them."""
        self._refresh()
        found = {metric.name: metric for metric in self._metrics.registry.collect()}
        line: dict[str, float] = {}
        for one in self._metrics.declared:
            if one.line:
                # The library gives the family of a counter its name without the suffix.
                self._add(line, one, found[one.name.removesuffix("_total")])
        return line

    def _add(self, line: dict[str, float], one: Declaration, metric: Metric) -> None:
        if one.kind == "gauge":
            line[one.line] = _rounded(_sum(metric, one.name))
        elif one.kind == "counter":
            increase = self._increase(metric, one.name)
            if increase:  # a line of zeros would hide the few figures that changed
                line[one.line] = _rounded(increase)
            for value in _values(metric, one):
                part = self._increase(metric, one.name, one.by, value)
                if part:
                    line[f"{one.line}_{value}"] = _rounded(part)
        elif one.kind == "histogram":
            count = self._increase(metric, f"{one.name}_count")
            seconds = self._increase(metric, f"{one.name}_sum")
            if count:
                line[f"{one.line}_mean_ms"] = round(seconds / count * 1000, 1)

    def _increase(self, metric: Metric, sample: str, label: str = "", value: str = "") -> float:
        # Counters are never set back: /metrics reads the same ones.
        now = _sum(metric, sample, label, value)
        known = (sample, value)
        before, self._last[known] = self._last.get(known, 0.0), now
        return now - before


def _values(metric: Metric, one: Declaration) -> list[str]:
    """The values of the label that has figures of its own."""
    if not one.by:
        return []
    return sorted({sample.labels[one.by] for sample in metric.samples if one.by in sample.labels})


def _sum(metric: Metric, sample: str, label: str = "", value: str = "") -> float:
    """The sum of a figure; with ``label``, only where it has this value."""
    return sum(
        one.value
        for one in metric.samples
        if one.name == sample and (not label or one.labels.get(label) == value)
    )


def _rounded(value: float) -> float:
    """A whole number without a fraction."""
    return int(value) if value == int(value) else round(value, 3)
