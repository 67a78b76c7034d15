"""The key of the ids of records: with it nobody can test a number against an id."""

from __future__ import annotations

from typing import Final

from streamproc.errors import StreamprocError
from streamproc.kafka.secret import Secret

MIN_KEY_LENGTH: Final = 16


class IdKeyError(StreamprocError):
    """The key cannot be used. The message says what to do, and never shows the key."""


def id_key_of(secret: Secret | None) -> str:
    """The key; empty if there is none. Raises :class:`IdKeyError`, ``KafkaSettingsError``."""
    if secret is None:
        return ""
    key = secret.reveal().strip()
    if len(key) < MIN_KEY_LENGTH or not key.isprintable():
        raise IdKeyError(
            f"the key of ids must be one line of at least {MIN_KEY_LENGTH} characters; make one "
            f"with: (umask 077; head -c 32 /dev/urandom | base64 > FILE)"
        )
    return key
