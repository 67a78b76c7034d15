"""A gateway for a channel other than SMS: it sends the words that reminders have for that
channel."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from msgspec import UNSET

from streamproc.core.state.effects import Reminder
from streamproc.core.texts.segments import segments
from streamproc.dispatch.gateways.base import Events, Gateway
from streamproc.dispatch.model import Outcome, Outgoing


class ChannelGateway:
    """Replaces the words and passes the reminder to another gateway."""

    def __init__(self, gateway: Gateway, channel: str) -> None:
        self._gateway = gateway
        self._channel = channel
        self.idempotent = gateway.idempotent
        self.reports = gateway.reports

    async def start(self, events: Events) -> None:
        await self._gateway.start(events)

    async def send(self, message: Outgoing) -> Outcome:
        return await self._gateway.send(
            replace(message, reminder=in_words_of(self._channel, message.reminder))
        )

    async def close(self) -> None:
        await self._gateway.close()


def in_words_of(channel: str, reminder: Reminder) -> Reminder:
    """The reminder with its words for a channel as its text; unchanged if it has none."""
    texts = reminder.channel_texts
    if texts is UNSET or channel not in texts:
        return reminder
    text = texts[channel]
    encoding, parts = segments(text)
    return msgspec.structs.replace(reminder, text=text, encoding=encoding, segments=parts)
