"""How the clients of a process reach Kafka: one object for all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KafkaSettings:
    """What every client must be told, whichever library it comes from."""

    bootstrap: str
    """HOST:PORT of a broker, or of several (HOST:PORT,HOST:PORT): one that answers is enough."""

    def __str__(self) -> str:
        """The addresses, as messages name the cluster."""
        return self.bootstrap

    @property
    def addresses(self) -> tuple[str, ...]:
        """Each HOST:PORT."""
        return tuple(one.strip() for one in self.bootstrap.split(",") if one.strip())


Broker = KafkaSettings | str
"""Settings, or the HOST:PORT alone of a Kafka that asks for nothing more."""


def settings_of(broker: Broker) -> KafkaSettings:
    """The settings that a plain address stands for; settings as they are."""
    return KafkaSettings(broker) if isinstance(broker, str) else broker
