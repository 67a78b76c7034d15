"""Tasks and threads that do not end unseen: each error is a log line, and its owner hears of it.

An error in a task or thread that nobody waits for is otherwise shown late or never, and the rest of
the process works on without it. Tasks and threads are started here only
(tests/house/test_tasks_and_threads.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from streamproc.errors import StreamprocError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Item = TypeVar("Item")
Failed = Callable[[BaseException], object]
"""Called with the error that ended a task or thread. It restarts something or ends the process."""


def start_task(
    work: Coroutine[Any, Any, T], name: str, failed: Failed | None = None
) -> asyncio.Task[T]:
    """Start a task. If it fails, that is logged, and ``failed`` is called with the error.

    Without ``failed`` the caller must wait for the task: then the error is raised there.
    """
    task = asyncio.create_task(work, name=name)
    if failed is not None:
        task.add_done_callback(lambda done: _look_at(done, name, failed))
    return task


async def cancel_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end. An error that had ended it before is raised."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def start_thread(
    work: Callable[[], object], name: str, failed: Failed | None = None
) -> threading.Thread:
    """Start a daemon thread. If it fails, that is logged, and ``failed`` is called in it."""

    def run() -> None:
        try:
            work()
        except BaseException as error:
            tell(name, error)
            if failed is not None:
                failed(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def start_timer(seconds: float, work: Callable[[], object], name: str) -> threading.Timer:
    """Call ``work`` in a daemon thread after a time. The timer can be cancelled."""
    timer = threading.Timer(seconds, work)
    timer.name, timer.daemon = name, True
    timer.start()
    return timer


def one_thread(name: str) -> ThreadPoolExecutor:
    """A thread for blocking calls, one after the other. The caller waits for each result."""
    return ThreadPoolExecutor(1, name)


def each_in_a_thread(work: Callable[[Item], T], items: Sequence[Item]) -> list[T]:
    """Call ``work`` for all items at once; returns the results in order. Raises the first error."""
    with ThreadPoolExecutor(max(len(items), 1)) as pool:
        return list(pool.map(work, items))


def in_background(work: Callable[[], object], name: str) -> None:
    """Call ``work`` in a thread of the loop and do not wait. An error is only logged."""
    asyncio.get_running_loop().run_in_executor(None, work).add_done_callback(
        lambda done: _look_at(done, name, None)
    )


def on_loop(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> Future[T]:
    """Run a coroutine on the loop of another thread. The caller waits for the result."""
    return asyncio.run_coroutine_threadsafe(work, loop)


def tell(name: str, error: BaseException) -> None:
    """Log that a task or thread has failed; with a traceback if it is an error of this program."""
    is_known = isinstance(error, StreamprocError)
    log.error(
        "a part of the process has failed",
        part=name,
        error=str(error) if is_known else repr(error),
        exc_info=None if is_known else error,
    )


def _look_at(done: asyncio.Future[Any], name: str, failed: Failed | None) -> None:
    if done.cancelled():
        return
    error = done.exception()
    if error is None:
        return
    tell(name, error)
    if failed is not None:
        failed(error)
