"""What producers have in common as context managers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Flushed(ABC):
    """A producer whose ``with`` ends when its records are durable.

    After an exception nobody waits: what is not written yet is abandoned.
    """

    @abstractmethod
    def flush(self) -> None:
        """Return when every record is durable; raises an error if one is not."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()
