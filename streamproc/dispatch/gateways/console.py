"""Prints each SMS on a line; the number is masked."""

from __future__ import annotations

import sys
from typing import TextIO

from streamproc.core.privacy import mask
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import ChannelEntry, GatewayKind, Site
from streamproc.dispatch.model import Accepted, Outcome, Outgoing
from streamproc.printable import printable_lines


class ConsoleGateway:
    """For trials. It accepts every message and sends no delivery reports."""

    idempotent = False
    reports = False

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    async def start(self, events: Events) -> None:
        pass

    async def send(self, message: Outgoing) -> Outcome:
        line = f"{mask(message.subscriber)}  {message.reminder.text}"
        print(printable_lines(line), file=self._stream or sys.stdout, flush=True)
        return Accepted()

    async def close(self) -> None:
        pass


class ConsoleEntry(ChannelEntry, frozen=True, kw_only=True, tag="console"):
    """Entry of a gateway that prints to standard output."""


class Console(GatewayKind):
    entry = ConsoleEntry

    def gateway(self, entry: ConsoleEntry, site: Site) -> ConsoleGateway:
        return ConsoleGateway()


KIND = Console()
