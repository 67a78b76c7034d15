"""How a metric is declared: once, with its name, unit, help and labels."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

PREFIX = "streamproc_"
UNITS = (
    "seconds", "bytes", "ratio", "records", "messages", "rows", "ids", "files", "partitions",
    "subscribers", "workers", "info", "state",
)  # fmt: skip
"""How a name ends, before ``_total``: with a base unit, or with the things that are counted."""
PERSONAL = ("subscriber", "msisdn", "number", "member", "recipient", "id", "key", "event")
"""A label must not have such a name: its values would be people, and their number has no limit."""

_NAME = re.compile(rf"{PREFIX}[a-z]+(_[a-z]+)+\Z")


@dataclass(frozen=True)
class Declaration:
    """The declaration of one metric. ``labels`` maps names to a description of their values."""

    name: str
    kind: str
    """``counter``, ``gauge``, ``histogram`` or ``info``."""
    says: str
    labels: Mapping[str, str]
    line: str
    """Its name in the figure line of the log; empty if it is not in the line."""
    by: str = ""
    """A label whose values have figures of their own in the line, beside the sum."""


class Distribution:
    """A histogram that takes many equal values at once.

    The library's own takes one after the other, in a microsecond each: too long for reminders.
    """

    def __init__(
        self, name: str, says: str, bounds: tuple[float, ...], registry: CollectorRegistry
    ) -> None:
        """``bounds``: upper bounds of the buckets, ascending."""
        self._name = name
        self._says = says
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def add(self, value: float, count: int = 1) -> None:
        """Add a value so many times."""
        self._counts[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The samples, as the library asks for them."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._says, buckets, self._sum)


class Metrics:
    """The metrics of one kind of process. A subclass declares each in its ``__init__``.

    Names follow Prometheus: the prefix, the subsystem, the thing, then its base unit
    (``_seconds``, ``_bytes``) or the things that are counted. A counter ends in ``_total``. A
    label has few values, which are known in advance or are names in the operator's files; never
    subscribers or ids.
    """

    subsystem: str
    """It follows the prefix in each name."""
    counted_in: str
    """The module of the package that counts them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.declared: list[Declaration] = []

    def counter(
        self,
        name: str,
        says: str,
        labels: Mapping[str, str] | None = None,
        line: str = "",
        by: str = "",
        zero: Iterable[tuple[str, ...]] = (),
    ) -> Counter:
        """Declare a figure that only grows. ``by``: see :class:`Declaration`.

        ``zero``: values of the labels that are shown from the start, as 0. Prometheus does not see
        the increase of a series that begins above 0, so alerts need it.
        """
        self._declare(name, "counter", says, labels, line, by)
        if not name.endswith("_total"):
            raise ValueError(f"{name}: the name of a counter ends in _total")
        counter = Counter(name, says, tuple(labels or ()), registry=self.registry)
        for values in zero:
            counter.labels(*values)
        return counter

    def gauge(
        self, name: str, says: str, labels: Mapping[str, str] | None = None, line: str = ""
    ) -> Gauge:
        """Declare a figure that can grow and shrink."""
        self._declare(name, "gauge", says, labels, line)
        return Gauge(name, says, tuple(labels or ()), registry=self.registry)

    def histogram(
        self,
        name: str,
        says: str,
        buckets: tuple[float, ...],
        labels: Mapping[str, str] | None = None,
        line: str = "",
    ) -> Histogram:
        """Declare a distribution; ``buckets`` are upper bounds, ascending, in the name's unit."""
        self._declare(name, "histogram", says, labels, line)
        return Histogram(name, says, tuple(labels or ()), registry=self.registry, buckets=buckets)

    def distribution(
        self, name: str, says: str, buckets: tuple[float, ...], line: str = ""
    ) -> Distribution:
        """Declare a histogram without labels that takes many equal values at once."""
        self._declare(name, "histogram", says, None, line)
        return Distribution(name, says, buckets, self.registry)

    def info(self, name: str, says: str, labels: Mapping[str, str]) -> Info:
        """Declare facts about the process, as labels of a sample that is always 1."""
        self._declare(name, "info", says, labels, "")
        # The library adds the suffix itself, as it does with _total.
        return Info(name.removesuffix("_info"), says, registry=self.registry)

    def _declare(
        self,
        name: str,
        kind: str,
        says: str,
        labels: Mapping[str, str] | None,
        line: str,
        by: str = "",
    ) -> None:
        """Raises ``ValueError`` if the name or a label is not as the class demands."""
        if not _NAME.match(name) or not name.startswith(f"{PREFIX}{self.subsystem}_"):
            raise ValueError(f"{name}: must be {PREFIX}{self.subsystem}_, then small letters")
        if kind != "counter" and name.rpartition("_")[2] not in UNITS:
            raise ValueError(f"{name}: must end in one of {', '.join(UNITS)}")
        personal = [label for label in labels or () if label in PERSONAL]
        if personal:
            raise ValueError(f"{name}: the values of {', '.join(personal)} have no bound")
        self.declared.append(Declaration(name, kind, says, dict(labels or {}), line, by))
