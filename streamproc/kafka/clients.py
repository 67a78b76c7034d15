"""The only module that creates kafka-python's clients.

``aio_clients.py`` is the same for aiokafka. tests/unit/test_door.py forbids clients created
elsewhere. All functions raise what the library's constructor raises.
"""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from streamproc.kafka.any_headers import read_any_headers
from streamproc.kafka.settings import Broker, settings_of


def kafka_producer(broker: Broker, **options: Any) -> Any:
    """A ``KafkaProducer``. ``options`` are kafka-python's own; they replace ours."""
    return KafkaProducer(**{**_reaching(broker), **options})


def kafka_consumer(broker: Broker, *topics: str, **options: Any) -> Any:
    """A ``KafkaConsumer`` that can read any header."""
    read_any_headers()
    return KafkaConsumer(*topics, **{**_reaching(broker), **options})


def kafka_admin(broker: Broker, **options: Any) -> Any:
    """A ``KafkaAdminClient``."""
    return KafkaAdminClient(**{**_reaching(broker), **options})


def _reaching(broker: Broker) -> dict[str, Any]:
    return {"bootstrap_servers": list(settings_of(broker).addresses)}
