"""Where the demo's topics are: in the embedded broker, or on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from kafka.errors import KafkaError

from streamproc.kafka import TopicError
from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.rights import said
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import ANY_TIME, open_admin
from streamproc.lab.demo.settings import Names
from streamproc.lab.embedded_broker import EmbeddedBroker, NoEmbeddedBrokerError

PARTITIONS = 4
"""The embedded broker always creates this number."""

REPLICATION = 1

# Usage of another year must be neither refused nor deleted while the demo runs.
_EVENTS_CONFIGS = {**ANY_TIME, "retention.ms": "-1"}


@dataclass(frozen=True)
class Site:
    """A broker and the settings of its clients."""

    bootstrap: Broker
    is_embedded: bool
    client: dict[str, Any] = field(default_factory=dict)
    """Settings of every kafka-python client."""
    consumer: dict[str, Any] = field(default_factory=dict)
    """Settings of every kafka-python consumer, those above included."""

    @property
    def title(self) -> str:
        return "embedded broker" if self.is_embedded else f"broker {self.bootstrap}"


@contextmanager
def open_site(broker: Broker | None, names: Names) -> Iterator[Site]:
    """The broker with all topics created. Raises ``TopicError`` if that is not possible."""
    if broker is None:
        with ExitStack() as stack:
            try:
                embedded = stack.enter_context(EmbeddedBroker())
            except NoEmbeddedBrokerError as error:
                raise TopicError(str(error)) from error
            client = EmbeddedBroker.kafka_python_settings
            consumer = EmbeddedBroker.kafka_python_consumer_settings
            # A fetch that finds nothing waits its whole time there, even if records
            # arrive meanwhile.
            consumer = {**consumer, "fetch_max_wait_ms": 50}
            site = Site(embedded.bootstrap, True, dict(client), consumer)
            _touch_topics(site, names)
            yield site
    else:
        _create_topics(broker, names)
        yield Site(broker, False, consumer={"isolation_level": "read_committed"})


def remove_topics(site: Site, names: Names) -> None:
    """Delete the topics, so that a real broker is as before."""
    if site.is_embedded:
        return
    with suppress(KafkaError, TopicError):
        admin = open_admin(site.bootstrap)
        try:
            admin.delete_topics(list(names.topics))
            admin.delete_groups([names.app_id])
        finally:
            admin.close()


def _touch_topics(site: Site, names: Names) -> None:
    """The embedded broker creates a topic when a client asks for it."""
    producer = kafka_producer(site.bootstrap, **site.client)
    try:
        for topic in names.topics:
            producer.partitions_for(topic)
    finally:
        producer.close()


def _create_topics(broker: Broker, names: Names) -> None:
    configs: dict[str, dict[str, str]] = {topic: {} for topic in names.topics}
    configs[names.events] = _EVENTS_CONFIGS
    configs[names.changelog] = {"cleanup.policy": "compact"}
    admin = open_admin(broker)
    try:
        admin.create_topics(
            {
                topic: {
                    "num_partitions": PARTITIONS,
                    "replication_factor": REPLICATION,
                    "configs": config,
                }
                for topic, config in configs.items()
            },
            wait_for_metadata=True,
        )
    except KafkaError as error:
        raise TopicError(f"cannot create the demo's topics at {broker}: {said(error)}") from error
    finally:
        admin.close()
