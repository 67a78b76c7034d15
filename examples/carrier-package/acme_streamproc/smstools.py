"""Hands messages to SMS Server Tools: one file for each in its outgoing folder.

Sent again under the same id, a message has the name of the file that is there, or was: the daemon
takes a name once, so nothing goes out twice.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import ChannelEntry, GatewayKind, Site
from streamproc.dispatch.model import Accepted, ErrorClass, Outcome, Outgoing, Refused


class SmstoolsGateway:
    """Writes each message under a name that the daemon ignores, and renames it when it is whole."""

    idempotent = True
    reports = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def start(self, events: Events) -> None:
        pass

    async def send(self, message: Outgoing) -> Outcome:
        unfinished = self._folder / f".{message.id}"
        text = f"To: {message.subscriber}\nAlphabet: UTF-8\n\n{message.reminder.text}\n"
        try:
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, self._folder / message.id)
        except OSError as error:
            return Refused(ErrorClass.UNREACHABLE, type(error).__name__)
        return Accepted()

    async def close(self) -> None:
        pass


class SmstoolsEntry(ChannelEntry, frozen=True, kw_only=True, tag="smstools"):
    """What such a gateway has in the gateways file. The tag is the kind's name."""

    folder: Annotated[str, Meta(min_length=1)]


class Smstools(GatewayKind):
    entry = SmstoolsEntry

    def gateway(self, entry: SmstoolsEntry, site: Site) -> SmstoolsGateway:
        return SmstoolsGateway(site.base / entry.folder)


KIND = Smstools()
