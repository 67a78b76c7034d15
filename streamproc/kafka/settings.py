"""How the clients of a process connect to Kafka: one object for all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KafkaSettings:
    """What every client needs, whichever library it is from."""

    bootstrap: str
    """HOST:PORT of a broker, or of several (HOST:PORT,HOST:PORT); one of them must answer."""

    def __str__(self) -> str:
        """The addresses, as messages show the cluster."""
        return self.bootstrap

    @property
    def addresses(self) -> tuple[str, ...]:
        """Each HOST:PORT."""
        return tuple(one.strip() for one in self.bootstrap.split(",") if one.strip())


Broker = KafkaSettings | str
"""Settings, or only HOST:PORT for a Kafka without security."""


def settings_of(broker: Broker) -> KafkaSettings:
    """The settings for a plain address; settings are returned unchanged."""
    return KafkaSettings(broker) if isinstance(broker, str) else broker
