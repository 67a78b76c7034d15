"""How the clients of a process connect to Kafka: one object for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from streamproc.kafka.logins import Login
from streamproc.kafka.tls import RotatingContext, TlsSettings


@dataclass(frozen=True)
class KafkaSettings:
    """The settings that every client needs, of both libraries.

    ``repr`` and ``str`` show no secret. ``fields.py`` makes the settings from the user's values.
    """

    bootstrap: str
    """HOST:PORT of a broker, or of several (HOST:PORT,HOST:PORT). One of them must answer."""
    client_id: str | None = None
    """With None, each library uses its own default."""
    tls: TlsSettings | None = None
    login: Login | None = None
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The user's values, by the names of ``fields.py``, for processes that this process starts."""
    role: str = field(default="", compare=False)
    """The role whose rights the user needs (``streamproc acls``), for messages."""

    def __str__(self) -> str:
        """The addresses, as messages show the cluster."""
        return self.bootstrap

    @property
    def addresses(self) -> tuple[str, ...]:
        """Each HOST:PORT of ``bootstrap``."""
        return tuple(one.strip() for one in self.bootstrap.split(",") if one.strip())

    @property
    def user(self) -> str:
        """Whom the broker takes this client for, as far as is known here."""
        if self.login is not None:
            who = self.login.who()
            return who if who.startswith("user ") else f"the user of {who}"
        if self.tls is not None and self.tls.cert is not None:
            return f"the user of the certificate {self.tls.cert.name}"
        return "the user ANONYMOUS"

    @property
    def security_protocol(self) -> str:
        """Kafka's name of the security protocol of these settings."""
        encryption = "PLAINTEXT" if self.tls is None else "SSL"
        return encryption if self.login is None else f"SASL_{encryption}"

    @cached_property
    def ssl_context(self) -> RotatingContext | None:
        """One context for all clients, so that a changed file is read only once."""
        return None if self.tls is None else RotatingContext(self.tls)

    def client_options(self) -> dict[str, Any]:
        """The options that kafka-python and aiokafka share, without the addresses.

        Raises :class:`KafkaSettingsError` for files that cannot be read.
        """
        options: dict[str, Any] = {}
        if self.client_id is not None:
            options["client_id"] = self.client_id
        if self.tls is not None or self.login is not None:
            options["security_protocol"] = self.security_protocol
        if self.tls is not None:
            options["ssl_context"] = self.ssl_context
        if self.login is not None:
            options |= {"sasl_mechanism": self.login.mechanism, **self.login.options()}
        return options


Broker = KafkaSettings | str
"""Settings, or only HOST:PORT for a Kafka without security."""


def settings_of(broker: Broker) -> KafkaSettings:
    """The settings for a plain address; settings are returned unchanged."""
    return KafkaSettings(broker) if isinstance(broker, str) else broker
