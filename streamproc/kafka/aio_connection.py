"""The connections of aiokafka, and their options. Its clients, Faust's and the probe use them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import conn
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from streamproc.kafka.errors import TokenError
from streamproc.kafka.secret import Password
from streamproc.kafka.settings import KafkaSettings

if TYPE_CHECKING:
    from streamproc.kafka.tokens import TokenSource


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]  # untyped library
    """Logs in with the password of this moment. aiokafka's own clients keep that of their start."""

    def __init__(self, *args: Any, **options: Any) -> None:
        password = options.get("sasl_plain_password")
        if isinstance(password, Password):
            options["sasl_plain_password"] = password.present()
        super().__init__(*args, **options)


# For the whole process, Faust's clients included: all get the password of the moment.
conn.AIOKafkaConnection = Connection


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
