"""Which subscribers are compared: all, some by name, or a share of them."""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

_ALL = 1 << 64


@dataclass(frozen=True)
class SubscriberSample:
    """Subscribers to compare."""

    subscribers: frozenset[bytes] = frozenset()
    """These alone; empty: as the share says."""
    share: float = 1.0
    """Above 0, at most 1. The same subscribers are taken each time."""

    @property
    def is_all(self) -> bool:
        """Whether nobody is left out."""
        return not self.subscribers and self.share >= 1

    def takes(self, key: bytes | None) -> bool:
        """Whether the subscriber of a record is compared."""
        if key is None:
            return False
        if self.subscribers:
            return key in self.subscribers
        return self.share >= 1 or xxhash.xxh3_64_intdigest(key) < self.share * _ALL
