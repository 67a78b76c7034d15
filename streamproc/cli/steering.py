"""Signals and keys of a long-running command, and its progress display."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from streamproc.cli.printing import console, echo
from streamproc.hard_end import HardEnd
from streamproc.supervision import start_thread

if TYPE_CHECKING:
    from streamproc.tools.replay.pace import Control

LINE_EVERY_SECONDS = 5.0


@contextmanager
def steered(control: Control, keys: bool) -> Iterator[Callable[[], None]]:
    """Signals and, on a terminal, keys control ``control``. Yields the function to call at a pause.

    SIGINT and SIGTERM stop within a limit, and kill if sent again. Ctrl-Z (SIGTSTP) finishes open
    work before the process is suspended; SIGCONT continues. SIGUSR1, space and p pause or continue;
    q stops.
    """
    suspending = threading.Event()
    hard_end = HardEnd("command")

    def stop(number: int, frame: FrameType | None) -> None:
        if control.stopping:
            os._exit(128 + number)
        hard_end.begin()
        control.stop()

    def suspend(number: int, frame: FrameType | None) -> None:
        suspending.set()
        control.pause(True)

    def toggle(number: int, frame: FrameType | None) -> None:
        control.pause()

    def on_pause() -> None:
        if suspending.is_set():
            suspending.clear()
            # A handler replaces what the system does at Ctrl-Z, and SIGSTOP cannot be handled.
            os.kill(os.getpid(), signal.SIGSTOP)
            # Execution continues here after SIGCONT.
            control.pause(False)

    handlers = {
        signal.SIGINT: stop,
        signal.SIGTERM: stop,
        signal.SIGTSTP: suspend,
        signal.SIGUSR1: toggle,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        with _keys(control) if keys and sys.stdin.isatty() else _nothing():
            yield on_pause
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _keys(control: Control) -> Iterator[None]:
    """Single keys from the terminal, without Enter. Afterwards the terminal is as before."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    saved = termios.tcgetattr(descriptor)
    ended = threading.Event()

    def listen() -> None:
        while not ended.is_set():
            # A blocking read could not be ended: the command would wait for one more key.
            if not select.select([descriptor], [], [], 0.2)[0]:
                continue
            key = os.read(descriptor, 1)
            if key in (b" ", b"p"):
                control.pause()
            elif key == b"q":
                control.stop()

    tty.setcbreak(descriptor)
    thread = start_thread(listen, "keys")
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)


@contextmanager
def shown_progress(
    title: str, done: Callable[[], float], total: float | None, count: Callable[[], int],
    paused: Callable[[], bool], quiet: bool,
) -> Iterator[None]:  # fmt: skip
    """A bar with rate and remaining time on a terminal, else a line every few seconds, on standard
    error.

    ``done`` of ``total`` is the length of the bar; ``count`` returns the number of records.
    """
    if quiet:
        yield
        return
    ended = threading.Event()
    bar = sys.stderr.isatty()
    show = _bar if bar else _lines
    thread = start_thread(partial(show, ended, title, done, total, count, paused), "progress")
    try:
        yield
    finally:
        ended.set()
        thread.join(2.0)


def _bar(
    ended: threading.Event, title: str, done: Callable[[], float], total: float | None,
    count: Callable[[], int], paused: Callable[[], bool],
) -> None:  # fmt: skip
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[records]:,} records"),
        TextColumn("{task.fields[rate]:>9,.0f}/s  ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, records=count(), rate=0.0)
        meter = _Meter(count)
        while True:
            over = ended.wait(0.2)
            name = f"{title} (paused)" if paused() else title
            progress.update(
                task, completed=done(), description=name, records=count(), rate=meter.rate()
            )
            if over:
                return


def _lines(
    ended: threading.Event, title: str, done: Callable[[], float], total: float | None,
    count: Callable[[], int], paused: Callable[[], bool],
) -> None:  # fmt: skip
    meter = _Meter(count)
    while not ended.wait(LINE_EVERY_SECONDS):
        rate = meter.rate()
        share = f"{done() / total:.0%}, " if total else ""
        eta = ""
        if total and meter.done_rate(done()):
            eta = f", ETA {(total - done()) / meter.done_rate(done()):.0f} s"
        state = "paused at " if paused() else ""
        echo(f"{title}: {state}{share}{count():,} records, {rate:,.0f}/s{eta}", err=True)


class _Meter:
    """Rates since the last call, and since the start."""

    def __init__(self, count: Callable[[], int]) -> None:
        import time

        self._clock = time.monotonic
        self._count = count
        self._began = self._then = self._clock()
        self._last = count()

    def rate(self) -> float:
        now, count = self._clock(), self._count()
        seconds = max(now - self._then, 1e-3)
        rate = (count - self._last) / seconds
        self._then, self._last = now, count
        return rate

    def done_rate(self, done: float) -> float:
        return done / max(self._clock() - self._began, 1e-3)
