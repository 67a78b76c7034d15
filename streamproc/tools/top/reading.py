"""Reads pages of metrics, and compares two readings. Nothing else is asked of the processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from streamproc.supervision import each_in_a_thread

TIMEOUT_SECONDS: Final = 2.0
LARGEST_BYTES: Final = 8 << 20
"""A page of thousands of partitions is smaller."""
INFINITE: Final = "+Inf"

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
    """The text of a page. Raises ``OSError`` and ``ValueError``."""
    with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
        return str(answer.read(LARGEST_BYTES).decode())


def read_page(place: str, ask: Get = get) -> Page:
    """The page of a process at HOST:PORT."""
    try:
        text = ask(f"http://{place}/metrics")
        samples = {
            Key(sample.name, frozenset(sample.labels.items())): float(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    except (OSError, URLError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Page(place, {}, str(getattr(reason, "strerror", None) or reason))
    return Page(place, samples)


def read_pages(places: Iterable[str], ask: Get = get) -> list[Page]:
    """All pages at once, in order."""
    return each_in_a_thread(lambda place: read_page(place, ask), list(places))


@dataclass(frozen=True)
class Change:
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
                bound = float("inf") if known["le"] == INFINITE else float(known["le"])
                found[bound] = found.get(bound, 0.0) + value
        return found
