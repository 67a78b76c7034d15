"""The Faust app, its agent and its timer, which deliver chunks and time to the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faust
from aiokafka.errors import IllegalStateError
from faust.types import TP

from streamproc.engine.engine import Engine
from streamproc.engine.faust.logger import FAUST_LOGGER


class StatelessApp(faust.App):
    """A Faust app that stores nothing on disk."""

    logger = FAUST_LOGGER

    def _create_directories(self) -> None:
        """Nothing is written to disk, so a full or read-only disk does not matter."""


class ChunkSchema(faust.Schema):
    """Passes chunks through without decoding."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class FaustInput:
    """The input of a Faust app's consumer."""

    def __init__(self, app: Any, topics: tuple[str, ...]) -> None:
        self._app = app
        self._topics = topics

    @property
    def is_rebalancing(self) -> bool:
        """Whether the group is rebalancing at this moment."""
        rebalancing: bool = self._app.rebalancing
        return rebalancing

    def pause(self, partition: int) -> None:
        """Deliver nothing from a partition until it is resumed."""
        self._app.consumer.pause_partitions({TP(topic, partition) for topic in self._topics})

    def resume(self, partition: int) -> None:
        """Deliver the input of a partition again."""
        self._app.consumer.resume_partitions({TP(topic, partition) for topic in self._topics})

    async def rewind(self, topic: str, partition: int, offset: int) -> bool:
        """Continue at an offset; False if the group has just taken the partition away."""
        try:
            await self._app.consumer.rewind(TP(topic, partition), offset)
        except IllegalStateError:
            return False
        return True

    def end_offset(self, topic: str, partition: int) -> int | None:
        """The offset after the last readable record, by the last fetch; None before the first
        fetch."""
        end: int | None = self._app.consumer.end_offset(TP(topic, partition))
        return end

    def fetch_offset(self, topic: str, partition: int) -> int | None:
        """The offset at which the fetch continues, past markers; None if it has none."""
        at: int | None = self._app.consumer.fetch_offset(TP(topic, partition))
        return at

    async def is_member(self) -> bool:
        """Whether the group still has this worker as a member."""
        is_member: bool = await self._app.consumer.is_member()
        return is_member

    async def crash(self, error: BaseException) -> None:
        """Stop the worker because of an error."""
        await self._app.crash(error)


def attach(engine: Engine[Any], app: Any) -> Any:
    """Create the agent and the timer of the engine in a Faust app; returns the agent."""
    engine.attach(FaustInput(app, engine.settings.input_topics))
    app.engine = engine
    source = app.topic(*engine.settings.input_topics, schema=ChunkSchema())

    @app.agent(source, name="lane", concurrency=1)
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await engine.on_chunk(event)

    @app.timer(engine.settings.tick_seconds)
    async def tick() -> None:
        await engine.on_tick()

    return agent
