"""Options for the connection to Kafka, the same for every command that uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamproc.kafka.settings import KafkaSettings

Command = TypeVar("Command", bound=Callable[..., Any])


def kafka_options(
    says: str = "Kafka brokers; one is enough.", *, required: bool = True, flag: str = "--broker"
) -> Callable[[Command], Command]:
    """``--broker``; the command gets it as :class:`KafkaSettings`, or None if it is not given."""
    return click.option(
        flag,
        required=required,
        metavar="HOST:PORT[,...]",
        help=says,
        callback=lambda _context, _option, given: given and KafkaSettings(given),
    )
