"""Where the demo's topics are: in the embedded broker, or on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from kafka.errors import KafkaError

from streamproc.kafka.errors import TopicError
from streamproc.kafka.settings import Broker
from streamproc.kafka.topics import open_admin
from streamproc.lab.demo.settings import Names
from streamproc.lab.embedded_broker import EmbeddedBroker, NoEmbeddedBrokerError
from streamproc.provision.planning import Making, TopicsError, make_missing, of_worker, plan_topics
from streamproc.provision.starting import admin_of

PARTITIONS = 4
"""The embedded broker always creates this number."""

REPLICATION = 1


@dataclass(frozen=True)
class DemoSite:
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
def open_site(broker: Broker | None, names: Names) -> Iterator[DemoSite]:
    """The broker with all topics created. Raises ``TopicError`` if that is not possible."""
    if broker is None:
        with ExitStack() as stack:
            try:
                embedded = stack.enter_context(EmbeddedBroker())
                embedded.make_topics(names.topics)
            except NoEmbeddedBrokerError as error:
                raise TopicError(str(error)) from error
            client = EmbeddedBroker.kafka_python_settings
            consumer = EmbeddedBroker.kafka_python_consumer_settings
            # A fetch that finds nothing waits its whole time there, even if records
            # arrive meanwhile.
            consumer = {**consumer, "fetch_max_wait_ms": 50}
            site = DemoSite(embedded.bootstrap, True, dict(client), consumer)
            yield site
    else:
        _create_topics(broker, names)
        yield DemoSite(broker, False, consumer={"isolation_level": "read_committed"})


def remove_topics(site: DemoSite, names: Names) -> None:
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


def _create_topics(broker: Broker, names: Names) -> None:
    """The topics of this run alone: names that nobody types, and that nobody can mistype."""
    making = Making(PARTITIONS, REPLICATION, clock="event")
    try:
        with admin_of(broker) as admin:
            wanted = of_worker(names.worker, names.app_id)
            make_missing(admin, broker, plan_topics(admin, broker, wanted, making))
    except TopicsError as error:
        raise TopicError(f"cannot make the demo's topics: {error}") from error
