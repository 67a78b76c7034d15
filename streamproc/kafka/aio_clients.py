"""The only module that creates aiokafka's clients.

``clients.py`` is the same for kafka-python. Faust creates its own clients; it gets the same
settings from ``engine/faust/``. No client is connected before its ``start()``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import client as aiokafka_client
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from streamproc.kafka.errors import TokenError
from streamproc.kafka.probe import refuse_unreachable
from streamproc.kafka.settings import Broker, KafkaSettings, settings_of
from streamproc.kafka.tokens import TokenSource


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


def aio_admin(broker: Broker, **options: Any) -> Any:
    """An ``AIOKafkaAdminClient``."""
    return AIOKafkaAdminClient(**{**aio_options(broker), **options})


def aio_options(broker: Broker) -> dict[str, Any]:
    """The options of every client of aiokafka.

    Raises :class:`KafkaSettingsError`, and :class:`ReachError` if the brokers refuse this client.
    """
    refuse_unreachable(broker)
    settings = settings_of(broker)
    return {"bootstrap_servers": list(settings.addresses), **connection_options(settings)}


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """The options of one connection of aiokafka."""
    options = settings.client_options()
    if settings.login is not None and settings.login.tokens is not None:
        options["sasl_oauth_token_provider"] = _Tokens(settings.login.tokens)
    return options


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # untyped library
    """aiokafka asks it for a token at each connection."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def token(self) -> str:
        try:
            return await asyncio.to_thread(self._source.token)
        except TokenError as error:
            # aiokafka tries again after its own errors only. Any other would end the task that
            # connects, and with it the worker, while an authorisation server is away.
            raise KafkaConnectionError(str(error)) from error
