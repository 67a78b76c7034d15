"""Reads pages of metrics, and compares two readings. Nothing else is asked of the processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from streamproc.http_limits import TimeLimit
from streamproc.supervision import each_in_a_thread

TIMEOUT_SECONDS: Final = 2.0
LARGEST_BYTES: Final = 8 << 20
"""A page of thousands of partitions is smaller."""
MOST_SAMPLES: Final = 100_000
LARGEST_FIGURE: Final = 1e18
"""No figure of ours is larger, or not a number."""
INFINITE: Final = "+Inf"
OURS: Final = ("streamproc_", "process_")
"""The beginnings of names that are shown."""

Labels = frozenset[tuple[str, str]]
Get = Callable[[str], str]


class Key(NamedTuple):
    """A sample's name and labels."""

    name: str
    labels: Labels


@dataclass(frozen=True)
class Page:
    """The samples of one process; ``error`` says why there are none."""

    place: str
    samples: Mapping[Key, float]
    error: str = ""

    @property
    def role(self) -> str:
        """``worker``, ``dispatch``, ``canary`` or ``tool``; empty if it is none of them."""
        for name, _ in self.samples:
            if name.startswith("streamproc_"):
                return name.split("_")[1]
        return ""

    def values(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and value of each sample of a name."""
        for key, value in self.samples.items():
            if key.name == name:
                yield dict(key.labels), value

    def sum(self, name: str, **labels: str) -> float:
        """All samples of a name that have these labels, added up."""
        wanted = labels.items()
        return sum(value for found, value in self.values(name) if wanted <= found.items())

    def largest(self, name: str) -> float:
        """The largest of all samples of a name; 0 if there are none."""
        return max((value for _, value in self.values(name)), default=0.0)


def get(url: str) -> str:
    """The text of a page. Raises ``OSError``, ``ValueError`` and ``HTTPException``."""
    limit = TimeLimit(TIMEOUT_SECONDS)
    late = TimeoutError(f"no whole page within {TIMEOUT_SECONDS:g} s")
    try:
        with limit, limit.opener_of_http().open(url, timeout=TIMEOUT_SECONDS) as answer:
            text = str(answer.read(LARGEST_BYTES).decode())
    except (OSError, ValueError, HTTPException):
        if limit.is_over:
            raise late from None
        raise
    if limit.is_over:  # what had come until then looks like a page
        raise late
    return text


def read_page(place: str, ask: Get = get) -> Page:
    """The page of a process at HOST:PORT."""
    samples: dict[Key, float] = {}
    try:
        text = ask(f"http://{place}/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                value = float(sample.value)
                if sample.name.startswith(OURS) and abs(value) < LARGEST_FIGURE:
                    samples[Key(sample.name, frozenset(sample.labels.items()))] = value
            if len(samples) > MOST_SAMPLES:
                return Page(place, {}, f"its page has more than {MOST_SAMPLES:,} figures")
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Page(place, {}, str(getattr(reason, "strerror", None) or reason))
    except Exception as error:  # the library has many for a page of another form
        return Page(place, {}, f"its page is none of metrics ({type(error).__name__})")
    return Page(place, samples)


def read_pages(places: Iterable[str], ask: Get = get) -> list[Page]:
    """All pages at once, in order."""
    return each_in_a_thread(lambda place: read_page(place, ask), list(places))


@dataclass(frozen=True)
class PageChange:
    """A page, and the one before it."""

    page: Page
    before: Page
    seconds: float
    """The time between both."""

    def rate(self, name: str, **labels: str) -> float:
        """How much a counter grew in a second; 0 after a restart."""
        grown = self.page.sum(name, **labels) - self.before.sum(name, **labels)
        return max(grown, 0.0) / self.seconds if self.seconds else 0.0

    def quantile(self, name: str, share: float, **labels: str) -> float | None:
        """The upper bound of the bucket of a histogram within which a share of the values lies.

        The values since the reading before count, or all if there were none. None without values.
        """
        now, then = self._buckets(self.page, name, labels), self._buckets(self.before, name, labels)
        grown = {bound: count - then.get(bound, 0.0) for bound, count in now.items()}
        counts = grown if max(grown.values(), default=0.0) > 0 else now
        total = max(counts.values(), default=0.0)
        if total <= 0:
            return None
        return min(bound for bound, count in counts.items() if count >= share * total)

    @staticmethod
    def _buckets(page: Page, name: str, labels: Mapping[str, str]) -> dict[float, float]:
        found: dict[float, float] = {}
        for known, value in page.values(f"{name}_bucket"):
            if labels.items() <= known.items():
                bound = _bound(known.get("le", ""))
                found[bound] = found.get(bound, 0.0) + value
        return found


def _bound(text: str) -> float:
    try:
        found = float("inf") if text == INFINITE else float(text)
    except ValueError:
        return float("inf")
    return float("inf") if math.isnan(found) else found
