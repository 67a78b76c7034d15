"""Counts and times of receipts, for a log line and for ``streamproc receipts``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from streamproc.contracts.records.receipts import Receipt
from streamproc.core.subscribers import is_canary

_STEPS = 16
"""Steps per doubling: a quantile is at most 1/16 above the true value."""


class Times:
    """A histogram of milliseconds in bounded memory."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.count = 0

    def add(self, time_ms: int) -> None:
        self._counts[_bucket(time_ms)] += 1
        self.count += 1

    def quantile_ms(self, share: float) -> int:
        """The time within which a ``share`` of all messages is; 0 if there are none."""
        wanted = share * self.count
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return _upper_ms(bucket)
        return 0


class ReceiptTally:
    """Sums over receipts of customers."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.by_gateway: Counter[tuple[str, str]] = Counter()
        self.from_event: dict[str, Times] = {}
        self.from_reminder: dict[str, Times] = {}

    def add(self, receipts: Iterable[Receipt]) -> None:
        for one in receipts:
            if is_canary(one.subscriber):
                continue
            self.statuses[one.status] += 1
            self.by_gateway[str(one.gateway or "-"), one.status] += 1
            self.from_event.setdefault(one.status, Times()).add(one.event_to_status_ms)
            self.from_reminder.setdefault(one.status, Times()).add(one.reminder_to_status_ms)

    def line(self) -> dict[str, int]:
        """Flat figures for a log line."""
        found = dict(self.statuses)
        for name, times in (("event", self.from_event), ("reminder", self.from_reminder)):
            for status in ("accepted", "delivered"):
                if status in times:
                    found[f"{name}_to_{status}_p50_ms"] = times[status].quantile_ms(0.5)
                    found[f"{name}_to_{status}_p99_ms"] = times[status].quantile_ms(0.99)
        return found

    def table(self) -> list[tuple[str, ...]]:
        """Header and rows: status, count, then times in ms, from event and from reminder."""
        shares = (0.5, 0.95, 0.99, 1.0)
        names = ("p50", "p95", "p99", "max")
        rows: list[tuple[str, ...]] = [
            (
                "status",
                "count",
                *(f"event {name}" for name in names),
                *(f"reminder {name}" for name in names),
            )
        ]
        for status in sorted(self.statuses):
            times = (self.from_event[status], self.from_reminder[status])
            rows.append(
                (
                    status,
                    str(self.statuses[status]),
                    *(str(one.quantile_ms(share)) for one in times for share in shares),
                )
            )
        return rows


def _bucket(time_ms: int) -> int:
    if time_ms < _STEPS:
        return time_ms
    power = time_ms.bit_length() - _STEPS.bit_length()
    return _STEPS * (power + 1) + (time_ms >> power) - _STEPS


def _upper_ms(bucket: int) -> int:
    if bucket < _STEPS:
        return bucket
    power, step = divmod(bucket, _STEPS)
    return ((_STEPS + step + 1) << (power - 1)) - 1
