"""Values that nobody may see: passwords, keys, tokens."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from streamproc.kafka.errors import KafkaSettingsError

MASK = "***"


@dataclass(frozen=True, repr=False)
class Secret:
    """A secret, or the file that holds it. Neither ``repr`` nor ``str`` shows it."""

    value: str = ""
    path: Path | None = None
    """The file is read again at each :meth:`reveal`, so that a changed file has effect."""

    def __repr__(self) -> str:
        return MASK

    def reveal(self) -> str:
        """The secret itself. Raises :class:`KafkaSettingsError` as :func:`read_private` does."""
        if self.path is None:
            return self.value
        # Most editors end a file with a line break. It is not part of the password.
        found = read_private(self.path).rstrip("\r\n")
        if not found:
            raise KafkaSettingsError(f"{self.path} is empty; it must hold a secret")
        return found


def read_private(path: Path) -> str:
    """The text of a file that others must not read.

    Raises :class:`KafkaSettingsError` if everybody on this machine may read it, or if it cannot be
    read.
    """
    refuse_if_public(path)
    try:
        return path.read_text(encoding="utf-8-sig")  # editors of Windows write a mark before it
    except UnicodeDecodeError as error:
        raise KafkaSettingsError(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise unreadable(path, error) from error


def refuse_if_public(path: Path) -> None:
    """Raise :class:`KafkaSettingsError` if everybody may read a file that holds a secret."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise unreadable(path, error) from error
    if mode & stat.S_IROTH:
        raise KafkaSettingsError(
            f"everybody on this machine may read {path}, and it holds a secret; chmod o-r {path} "
            f"(in Kubernetes: defaultMode 0440 with an fsGroup)"
        )


def unreadable(path: Path, error: OSError) -> KafkaSettingsError:
    """The error of a file that cannot be read."""
    return KafkaSettingsError(f"cannot read {path}: {error.strerror or error}")
