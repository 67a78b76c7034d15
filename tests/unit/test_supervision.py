"""Tasks and threads do not end unseen."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from streamproc.errors import StreamprocError
from streamproc.supervision import in_background, start_task, start_thread
from tests.support.waiting import until


class Known(StreamprocError):
    """An error whose text says enough."""


@pytest.mark.parametrize("error", [ValueError("odd"), Known("put it right")])
async def test_an_error_of_a_task_is_a_line_and_its_owner_hears_of_it(
    error: BaseException,
) -> None:
    async def fail() -> None:
        raise error

    heard: list[BaseException] = []
    with capture_logs() as logs:
        start_task(fail(), "work", heard.append)
        await until(lambda: heard)

    assert heard == [error]
    ((line),) = logs
    assert (line["event"], line["part"]) == ("a part of the process has failed", "work")
    assert bool(line["exc_info"]) == isinstance(error, ValueError)


async def test_a_task_that_ends_or_is_cancelled_says_nothing() -> None:
    heard: list[BaseException] = []
    with capture_logs() as logs:
        ended = start_task(asyncio.sleep(0), "ended", heard.append)
        cancelled = start_task(asyncio.Event().wait(), "cancelled", heard.append)
        await asyncio.sleep(0)  # both have begun
        cancelled.cancel()
        await asyncio.wait({ended, cancelled})

    assert (heard, logs) == ([], [])


async def test_an_error_of_a_thread_is_a_line_and_its_owner_hears_of_it() -> None:
    def fail() -> None:
        raise SystemExit(3)

    heard: list[BaseException] = []
    with capture_logs() as logs:
        start_thread(fail, "work", heard.append).join()
        in_background(lambda: 1 // 0, "close")
        await until(lambda: len(logs) == 2)

    assert len(heard) == 1
    assert [one["part"] for one in logs] == ["work", "close"]
