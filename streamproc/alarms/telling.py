"""Runs beside a worker or dispatcher: writes its share every few seconds, and decides if it is to.

A fault is logged once and tried again. Nothing here ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from kafka.errors import KafkaError

from streamproc.alarms.decider import PARTITION, AlarmPlace, Decider
from streamproc.alarms.shares import AlarmPart, Share, encode_share
from streamproc.alarms.table import Bounds
from streamproc.errors import StreamprocError
from streamproc.kafka.clients import kafka_producer
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.packed import force_close
from streamproc.supervision import cancel_task, start_task, tell

if TYPE_CHECKING:  # it takes long to import, and few processes have a webhook
    from streamproc.alarms.webhook import AlarmWebhook

log = structlog.get_logger(__name__)

SHARE_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 5.0


class ShareWriter:
    """Writes shares. Blocking."""

    def __init__(self, place: AlarmPlace) -> None:
        self._place = place
        self._producer: Any = None

    def write(self, share: Share) -> None:
        """Write a share durably. Raises :class:`StreamprocError`; then write it later."""
        place = self._place
        try:
            if self._producer is None:
                self._producer = kafka_producer(
                    place.broker, acks="all", max_block_ms=int(PATIENCE_SECONDS * 1000)
                )
            key = f"{place.app_id} {place.process}".strip().encode()
            sent = self._producer.send(
                place.shares, key=key, value=encode_share(share), partition=PARTITION
            )
            sent.get(PATIENCE_SECONDS)
        except KafkaError as error:
            # What is not written yet must not be written beside the counts that are given back.
            self.close()
            words = said(error, place.broker, "Write", f"cannot write to {place.shares}")
            raise TopicError(words) from error

    def close(self) -> None:
        """Write nothing more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            force_close(producer)  # a usual close waits for what cannot be written


class AlarmTeller:
    """Tells the share of one process. ``collect`` makes it, or None while the process has nothing
    to tell; ``give_back`` gets the counts of a share that could not be written."""

    def __init__(
        self,
        place: AlarmPlace,
        collect: Callable[[], Share | None],
        give_back: Callable[[dict[str, AlarmPart]], None],
        decides: Callable[[], bool] = lambda: False,
        bounds: Bounds | None = None,
        webhook: AlarmWebhook | None = None,
    ) -> None:
        """``decides``: whether this process is the one that decides now."""
        self._place = place
        self._collect = collect
        self._give_back = give_back
        self._decides = decides
        self._bounds = bounds or Bounds()
        self._webhook = webhook
        self._writer = ShareWriter(place)
        self._decider: Decider | None = None
        self.raised: tuple[tuple[str, str, str], ...] = ()
        """Name, gateway and tier of each alarm that is raised, if this process decides."""
        self.revealed: dict[str, int] = {}
        """Of how many subscribers something was shown, by command, if this process decides."""
        self._is_failing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Tell from now on."""
        self._tasks.append(start_task(self.run(), "alarms", lambda _: None))
        if self._webhook is not None:
            self._tasks.append(start_task(self._webhook.run(), "webhook of alarms", lambda _: None))

    async def close(self) -> None:
        """Stop; what is being written is left to its thread."""
        for task in self._tasks:
            await cancel_task(task)
        await asyncio.to_thread(self._writer.close)
        if self._decider is not None:
            await asyncio.to_thread(self._decider.close)

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            # A process that is refused by its group, and ends, has written nothing by then.
            await asyncio.sleep(SHARE_SECONDS)
            try:
                await self.turn()
            except Exception as error:
                tell("alarms", error)

    async def turn(self) -> None:
        """Write one share, and decide if this is the process that does."""
        share = self._collect()
        if share is None:
            return
        if self._webhook is not None:
            share = msgspec.structs.replace(share, told_offset=self._webhook.told_offset)
        try:
            await self._write(share)
            await self._decide()
        except StreamprocError as error:
            if not self._is_failing:
                log.error(
                    "shares of alarms cannot be written or read; it is tried again",
                    why=str(error),
                )
            self._is_failing = True
            return
        self._is_failing = False

    async def _write(self, share: Share) -> None:
        try:
            await asyncio.to_thread(self._writer.write, share)
        except Exception:
            self._give_back(share.counts)
            raise

    async def _decide(self) -> None:
        if not self._decides():
            await self._stop_deciding()
            return
        try:
            if self._decider is None:
                self._decider = Decider(self._place, self._bounds)
                known = await asyncio.to_thread(self._decider.open)
                if self._webhook is not None:
                    self._webhook.begin(known, self._decider.told_offset)
            changes = await asyncio.to_thread(self._decider.turn)
            self.raised = self._decider.raised
            self.revealed = self._decider.revealed
        except Exception:  # whatever it was, its transaction may be open
            await self._stop_deciding()
            raise
        if self._webhook is not None:
            self._webhook.add(changes)

    async def _stop_deciding(self) -> None:
        self.raised, self.revealed = (), {}
        decider, self._decider = self._decider, None
        if decider is None:
            return
        if self._webhook is not None:
            self._webhook.end()
        await asyncio.to_thread(decider.close)
