"""The only module that creates aiokafka's clients.

``clients.py`` is the same for kafka-python. Faust creates its own clients; it gets the same
settings from ``engine/faust/``. No client is connected before its ``start()``.
"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streamproc.kafka.settings import Broker, settings_of


def aio_producer(broker: Broker, **options: Any) -> Any:
    """An ``AIOKafkaProducer``. ``options`` are aiokafka's own; they replace ours."""
    return AIOKafkaProducer(**{**_reaching(broker), **options})


def aio_consumer(broker: Broker, *topics: str, **options: Any) -> Any:
    """An ``AIOKafkaConsumer``."""
    return AIOKafkaConsumer(*topics, **{**_reaching(broker), **options})


def aio_admin(broker: Broker, **options: Any) -> Any:
    """An ``AIOKafkaAdminClient``."""
    return AIOKafkaAdminClient(**{**_reaching(broker), **options})


def _reaching(broker: Broker) -> dict[str, Any]:
    return {"bootstrap_servers": list(settings_of(broker).addresses)}
