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
    """What every client needs, whichever library it is from.

    ``repr`` and ``str`` show no secret. ``fields.py`` makes them of what users set.
    """

    bootstrap: str
    """HOST:PORT of a broker, or of several (HOST:PORT,HOST:PORT): one of them must answer."""
    client_id: str | None = None
    """None leaves each library its own."""
    tls: TlsSettings | None = None
    login: Login | None = None
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the user set, by the names of ``fields.py``; for processes that we start."""

    def __str__(self) -> str:
        """The addresses, as messages show the cluster."""
        return self.bootstrap

    @property
    def addresses(self) -> tuple[str, ...]:
        """Each HOST:PORT."""
        return tuple(one.strip() for one in self.bootstrap.split(",") if one.strip())

    @property
    def security_protocol(self) -> str:
        """Kafka's name of what the settings say."""
        encryption = "PLAINTEXT" if self.tls is None else "SSL"
        return encryption if self.login is None else f"SASL_{encryption}"

    @cached_property
    def ssl_context(self) -> RotatingContext | None:
        """One for all clients, so that a changed file is read once."""
        return None if self.tls is None else RotatingContext(self.tls)

    def client_options(self) -> dict[str, Any]:
        """What kafka-python and aiokafka take alike, beside the addresses.

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
