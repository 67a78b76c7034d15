"""The only module that creates aiokafka's clients.

``clients.py`` is the same for kafka-python. Faust creates its own clients; it gets the same
settings from ``engine/faust/``. No client is connected before its ``start()``.
"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import client as aiokafka_client
from aiokafka.protocol.metadata import MetadataRequest

from streamproc.kafka.aio_connection import connection_options
from streamproc.kafka.probe import refuse_unreachable
from streamproc.kafka.settings import Broker, settings_of


class AskOnly(MetadataRequest):  # type: ignore[misc]  # untyped library
    """aiokafka lets every question about a topic make that topic, and has no option against it."""

    def __init__(self, topics: list[str] | None = None) -> None:
        super().__init__(topics, allow_auto_topic_creation=False)


# For the whole process, Faust's clients included: none of them is to make a topic.
aiokafka_client.MetadataRequest = AskOnly


def aio_producer(broker: Broker, **options: Any) -> Any:
    """An ``AIOKafkaProducer``. ``options`` are aiokafka's own; they replace the settings of this
    module."""
    return AIOKafkaProducer(**{**aio_options(broker), **options})


def aio_consumer(broker: Broker, *topics: str, **options: Any) -> Any:
    """An ``AIOKafkaConsumer``."""
    return AIOKafkaConsumer(*topics, **{**aio_options(broker), **options})


def aio_options(broker: Broker) -> dict[str, Any]:
    """The options of every client of aiokafka.

    Raises :class:`KafkaSettingsError`, and :class:`ReachError` if the brokers refuse this client.
    """
    refuse_unreachable(broker)
    settings = settings_of(broker)
    return {"bootstrap_servers": list(settings.addresses), **connection_options(settings)}
