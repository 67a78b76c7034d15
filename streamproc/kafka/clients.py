"""The only module that creates kafka-python's clients.

``aio_clients.py`` is the same for aiokafka. tests/house/test_door.py forbids clients created
elsewhere. All functions raise what the library's constructor raises, KafkaSettingsError, and
ReachError if the brokers refuse a client with these settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.cluster import ClusterMetadata
from kafka.net.sasl.oauth import AbstractTokenProvider

from streamproc.kafka.any_headers import read_any_records
from streamproc.kafka.probe import refuse_unreachable, told_by_us
from streamproc.kafka.python_logins import use_own_logins
from streamproc.kafka.python_tls import bound_handshakes
from streamproc.kafka.settings import Broker, settings_of

if TYPE_CHECKING:
    from streamproc.kafka.tokens import TokenSource

# A mistyped name must not become a topic, whatever the broker allows. kafka-python's producer and
# consumer have an option for that, and do not hand it on to what asks the broker.
ClusterMetadata.DEFAULT_CONFIG["allow_auto_create_topics"] = False
use_own_logins()
bound_handshakes()


def kafka_producer(broker: Broker, **options: Any) -> Any:
    """A ``KafkaProducer``. ``options`` are kafka-python's own; they replace the settings of this
    module."""
    with told_by_us("kafka"):
        return KafkaProducer(**{**_reaching(broker), **options})


def kafka_consumer(broker: Broker, *topics: str, **options: Any) -> Any:
    """A ``KafkaConsumer`` that can read any header."""
    read_any_records()
    with told_by_us("kafka"):
        return _Consumer(*topics, **{**_reaching(broker), **options})


def kafka_admin(broker: Broker, **options: Any) -> Any:
    """A ``KafkaAdminClient``."""
    with told_by_us("kafka"):
        return _Admin(**{**_reaching(broker), **options})


class _Consumer(KafkaConsumer):  # type: ignore[misc]  # untyped library
    """Its thread ends if no broker answers the constructor."""

    def __init__(self, *topics: str, **options: Any) -> None:
        with _ended_if_it_fails(self):
            super().__init__(*topics, **options)


class _Admin(KafkaAdminClient):  # type: ignore[misc]  # untyped library
    """Its thread ends if no broker answers the constructor."""

    def __init__(self, **options: Any) -> None:
        with _ended_if_it_fails(self):
            super().__init__(**options)


@contextmanager
def _ended_if_it_fails(client: Any) -> Iterator[None]:
    """The library's constructors start a thread before they ask a broker, and leave it running.

    A program that asks a silent broker again and again would run out of threads and files.
    """
    try:
        yield
    except BaseException:
        if hasattr(client, "_net"):
            client._client.close()
            client._net.stop()
        raise


def _reaching(broker: Broker) -> dict[str, Any]:
    refuse_unreachable(broker)
    settings = settings_of(broker)
    options = {"bootstrap_servers": list(settings.addresses), **settings.client_options()}
    if settings.login is not None and settings.login.tokens is not None:
        options["sasl_oauth_token_provider"] = _Tokens(settings.login.tokens)
    return options


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # untyped library
    """kafka-python asks it for a token at each connection, in the client's thread."""

    def __init__(self, source: TokenSource) -> None:
        super().__init__()
        self._source = source

    def token(self) -> str:
        return self._source.token()
