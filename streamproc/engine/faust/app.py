"""The Faust app, its agent and its timer: what brings chunks and time to the lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faust

from streamproc.engine.lane import Lane


class StatelessApp(faust.App):
    """Keeps nothing on disk."""

    def _create_directories(self) -> None:
        """Nothing is written to disk, so a full or read-only one does no harm."""


class ChunkSchema(faust.Schema):
    """Passes chunks through undecoded."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


def attach(lane: Lane[Any], app: Any) -> Any:
    """Make the agent and the timer of the lane on a Faust app; returns the agent."""
    lane.attach(app)
    app.lane = lane
    source = app.topic(*lane.settings.input_topics, schema=ChunkSchema())

    @app.agent(source, name="lane", concurrency=1)
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await lane.on_chunk(event)

    @app.timer(lane.settings.tick_seconds)
    async def tick() -> None:
        await lane.on_tick()

    return agent
