"""Values that nobody may see: passwords, keys, tokens."""

from __future__ import annotations

import re
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from streamproc.input_files import read_at_most, refuse_of_kernel
from streamproc.kafka.errors import KafkaSettingsError

log = structlog.get_logger(__name__)

MASK = "***"
_MOST_BYTES = 1 << 20
"""A file with a secret, or with several keys, is smaller."""
_IN_URL = re.compile(r"(?<=//)[^\s/?#]*(?=@)")


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


class Password(str):
    """A password for Kafka's libraries. They want a text, which is that of the start.

    :meth:`present` reads the file again. While it cannot be used, what was read before counts, and
    the log says so.
    """

    _secret: Secret
    _lock: threading.Lock
    _last: str
    _told: str

    def __new__(cls, secret: Secret) -> Self:
        """Read the secret. Raises :class:`KafkaSettingsError`."""
        first = _without_zeros(secret)
        self = super().__new__(cls, first)
        self._secret, self._lock = secret, threading.Lock()
        self._last, self._told = first, ""
        return self

    def __repr__(self) -> str:
        return MASK

    def present(self) -> str:
        """The password for a login that begins now."""
        with self._lock:
            try:
                found = _without_zeros(self._secret)
            except KafkaSettingsError as error:
                if str(error) != self._told:
                    log.warning("the former password stays in use", error=str(error))
                self._told = str(error)
            else:
                if found != self._last:
                    log.info("Kafka's clients use the changed password for new connections")
                self._last, self._told = found, ""
            return self._last


def _without_zeros(secret: Secret) -> str:
    """The secret; in SASL PLAIN a zero would end the field."""
    found = secret.reveal()
    if "\0" in found:
        place = secret.path or "the password"
        raise KafkaSettingsError(f"{place} has a zero character, which no login takes")
    return found


def masked_urls(text: str) -> str:
    """A text without the user and password of the URLs in it."""
    return _IN_URL.sub(MASK, text)


def read_private(path: Path) -> str:
    """The text of a file that others must not read.

    Raises :class:`KafkaSettingsError` if everybody on this machine may read it, or if it cannot be
    read.
    """
    refuse_if_public(path)
    try:
        content = read_at_most(path, _MOST_BYTES)
        return content.decode("utf-8-sig")  # editors of Windows write a mark before it
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
    if stat.S_ISDIR(mode):
        raise KafkaSettingsError(f"{path} is a directory")
    if mode & stat.S_IROTH:
        raise KafkaSettingsError(
            f"everybody on this machine may read {path}, and it holds a secret; chmod o-r {path} "
            f"(in Kubernetes: defaultMode 0440 with an fsGroup)"
        )


def refuse_special(path: Path) -> None:
    """Raise :class:`KafkaSettingsError` for a pipe or a device.

    Such a file can be read once, or never ends; settings are read more than once.
    """
    try:
        held = path.stat()
        refuse_of_kernel(held)
    except OSError as error:
        raise unreadable(path, error) from error
    if not (stat.S_ISREG(held.st_mode) or stat.S_ISDIR(held.st_mode)):
        raise KafkaSettingsError(f"{path} is not a regular file")


def unreadable(path: Path, error: OSError) -> KafkaSettingsError:
    """The error of a file that cannot be read."""
    return KafkaSettingsError(f"cannot read {path}: {error.strerror or error}")
