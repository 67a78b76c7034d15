"""Waits in an event loop until a record of kafka-python is durable."""

from __future__ import annotations

import asyncio
from typing import Any


async def durable(sent: Any) -> None:
    """Returns when a record is durable; ``sent`` is the future of ``KafkaProducer.send``.

    Raises KafkaError.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return  # nobody waits for it any more
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    # The callbacks are called in the sender's thread.
    sent.add_callback(lambda _: loop.call_soon_threadsafe(settle, None))
    sent.add_errback(lambda error: loop.call_soon_threadsafe(settle, error))
    await done
