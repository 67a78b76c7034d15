"""The run from start to comparison, one phase after the other."""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import orjson

from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.errors import StreamprocError
from streamproc.kafka.setting_fields import environment_of
from streamproc.kafka.settings import settings_of
from streamproc.lab.demo.actual_results import SmsReader, StateReader
from streamproc.lab.demo.expecting import ExpectedFigures, Expecter
from streamproc.lab.demo.feed import Feed, workload_of
from streamproc.lab.demo.interrupts import Interrupts
from streamproc.lab.demo.parts import BackgroundThread, ChildProcess, tail_of
from streamproc.lab.demo.progress import Totals
from streamproc.lab.demo.settings import DemoSettings, Names
from streamproc.lab.demo.site import PARTITIONS, DemoSite
from streamproc.lab.demo.story import ViewFrame, frame_of
from streamproc.lab.demo.summary import Observed, SummaryRow, compare

FRAME_SECONDS = 0.2
SMS_EVERY_SECONDS = 1.4
RATE_OVER_SECONDS = 2.0

START_SECONDS = 30.0
CATCH_UP_SECONDS = 30.0
END_SECONDS = 20.0
STOP_SECONDS = 8.0
JOIN_SECONDS = 1.5
QUIET_SECONDS = 6.0
"""If nothing arrived for this long, nothing more will come."""

# Parts of the time limit: when the month should be over, and when it is cut short
# on a busy machine.
RESERVE_SECONDS = 16.0
CUT_SECONDS = 12.0
LEAST_MONTH_SECONDS = 5.0


class View(Protocol):
    """The live view, or plain lines."""

    def show(self, frame: ViewFrame) -> None: ...


class Interrupted(StreamprocError):
    """A signal was received; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class DemoFailure(StreamprocError):
    """A part died or did not do its work. The message says which one; ``detail`` is the end of its
    log."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(message)
        self.detail = detail


class Conductor:
    """All parts of one run. The end of the context stops all of them."""

    def __init__(
        self,
        settings: DemoSettings,
        rulebook: Rulebook,
        site: DemoSite,
        names: Names,
        directory: Path,
        interrupts: Interrupts,
        view: View,
    ) -> None:
        self.settings = settings
        self.figures = Totals(to_ms(workload_of(settings).start))
        self.expecter = Expecter(settings, names.events, directory / "expectation.log")
        self.sms = SmsReader(site, names, self.figures, self.expecter)
        self.state = StateReader(site, names, self.figures)
        self.feed = Feed(settings, rulebook, site, names, self.figures, self.expecter)
        self.worker = ChildProcess("worker", directory / "worker.log")
        self._parts: tuple[BackgroundThread, ...] = (self.expecter, self.sms, self.state, self.feed)
        self._site = site
        self._names = names
        self._report = directory / "report.json"
        self._log = directory / "demo.log"
        self._interrupts = interrupts
        self._view = view
        self._phase = ""
        self._ends = math.inf
        self._worker_ends = False
        self._applied: deque[tuple[float, int]] = deque()
        self._next_sms = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The embedded broker ends with the demo, so the worker need not leave its group in order.
        patience = 0.0 if self._site.is_embedded else STOP_SECONDS
        for part in self._parts:
            part.stopping.set()
        self.worker.stop(patience)
        self.expecter.child.stop(0)
        ends = time.monotonic() + max(patience, JOIN_SECONDS)
        for part in self._parts:
            part.join(max(ends - time.monotonic(), 0))

    def play(self, began: float) -> tuple[list[SummaryRow], list[str]]:
        """Run everything; ``began`` is when the time limit starts to count (``time.monotonic``).

        Returns the compared figures, and differences among single reminders, a line each. Raises
        :class:`Interrupted` or :class:`DemoFailure`.
        """
        settings = self.settings
        if not settings.keep:
            self._ends = began + settings.limit_seconds
        self._start()
        self._go_through("starting the worker", self._is_ready, START_SECONDS)
        # The rest of the time limit is for catching up, comparing and the end.
        left = self._ends - time.monotonic() - RESERVE_SECONDS
        self.feed.begin(max(min(settings.seconds, left), LEAST_MONTH_SECONDS))
        self._go_through("usage is coming in", self._is_month_over)
        self.expecter.ask_outcome()
        self._go_through("catching up", self._caught_up(), CATCH_UP_SECONDS)
        self._end_worker()
        for reader in (self.sms, self.state):
            # The worker has ended, so the topics grow no more and the readers can stop
            # at their ends.
            reader.finishing.set()
        self._go_through("comparing", lambda: self.sms.is_done and self.state.is_done, END_SECONDS)
        self.expecter.ask_differences()
        self._go_through("comparing", lambda: self.expecter.is_done, END_SECONDS)
        expected, differences = self.expecter.outcome, self.expecter.differences
        assert expected is not None
        assert differences is not None
        return compare(expected, self._observed()), differences

    def _start(self) -> None:
        variables = dict(environment_of(settings_of(self._site.bootstrap)))
        self.worker.start(self._worker_arguments(), variables=variables)
        for part in self._parts:
            part.start()

    def _worker_arguments(self) -> list[str]:
        names = self._names
        arguments = [
            *("-m", "streamproc", "worker", "--broker", str(self._site.bootstrap)),
            *("--app-id", names.app_id, "--clock", "event", *names.worker.arguments()),
            *("--datadir", str(self._report.parent / "worker-data")),
            *("--report", str(self._report)),
        ]
        if self._site.is_embedded:
            # The worker must not lose its partitions: it could not load them again
            # from this broker.
            arguments += ["--embedded", "--session-timeout-seconds", "30"]
        if self.settings.rules is not None:
            arguments += ["--rules", str(self.settings.rules)]
        return arguments

    def _is_ready(self) -> bool:
        return self.figures.ready_partitions == PARTITIONS

    def _is_month_over(self) -> bool:
        if self.settings.keep:
            if self._interrupts.take(signal.SIGINT):
                self.feed.ending.set()
        elif time.monotonic() > self._ends - CUT_SECONDS:
            self.feed.ending.set()
        return self.feed.is_done

    def _caught_up(self) -> Callable[[], bool]:
        """Whether everything expected has arrived, or nothing more seems to come.

        If something is missing then, the comparison shows it.
        """
        latest = (0, 0, 0)
        quiet_since = time.monotonic()

        def caught_up() -> bool:
            nonlocal latest, quiet_since
            present, expected = self._totals(), self.expecter.outcome
            if present != latest or expected is None:
                latest, quiet_since = present, time.monotonic()
            is_quiet = time.monotonic() - quiet_since > QUIET_SECONDS
            return is_quiet or _reached(present, expected)

        return caught_up

    def _totals(self) -> tuple[int, int, int]:
        figures = self.figures
        sent = figures.repeated + sum(dict(figures.reminders).values())
        return figures.applied, sent, sum(dict(figures.rejects).values())

    def _end_worker(self) -> None:
        self._check()
        worker, self._worker_ends = self.worker, True
        worker.ask_to_end()
        self._go_through("comparing", lambda: worker.exit_code is not None, END_SECONDS)
        if worker.exit_code:
            raise DemoFailure(f"the worker did not end well: {worker.fate}", worker.tail())

    def _observed(self) -> Observed:
        try:
            report = orjson.loads(self._report.read_bytes())
        except (OSError, ValueError) as error:
            raise DemoFailure(f"the worker wrote no report: {error}", self.worker.tail()) from error
        figures = self.figures
        return Observed(
            records=figures.applied,
            charged_bytes=report["charged_bytes"] + figures.forgotten_bytes,
            accounts=report["accounts"],
            reminders=figures.reminders,
            repeated=figures.repeated,
            rejects=figures.rejects,
        )

    def _go_through(self, phase: str, is_over: Callable[[], bool], limit: float = math.inf) -> None:
        """Show the progress of a phase until it is over."""
        self._phase = phase
        began = time.monotonic()
        deadline = min(began + limit, self._ends)
        while not is_over():
            self._check()
            if time.monotonic() > deadline:
                waited = time.monotonic() - began
                late = f"{phase}: not done after {waited:.0f} s, and the time is up"
                advice = "this machine is busy with other work"
                if deadline == self._ends:
                    advice = "a slow machine needs --seconds 120, or fewer --events"
                message = f"{late}; {advice}"
                raise DemoFailure(message, self.worker.tail())
            self._show()
            self._interrupts.wait(FRAME_SECONDS)
        self._check()
        self._show()

    def _check(self) -> None:
        """Raise if a signal was received, or if a part has failed."""
        if self._interrupts.latest is not None:
            raise Interrupted(self._interrupts.latest)
        if self.worker.exit_code is not None and not self._worker_ends:
            raise DemoFailure(f"the worker died: {self.worker.fate}", self.worker.tail())
        child = self.expecter.child
        if child.exit_code:
            raise DemoFailure(f"the {child.name} died: {child.fate}", child.tail())
        for part in self._parts:
            if part.failure is not None:
                raise DemoFailure(f"the {part.name} died: {part.failure!r}", tail_of(self._log))

    def _show(self) -> None:
        now = time.monotonic()
        applied = self._applied
        applied.append((now, self.figures.applied))
        # The rate is that of the last seconds, not the mean since the start.
        while now - applied[0][0] > RATE_OVER_SECONDS:
            applied.popleft()
        seconds = now - applied[0][0]
        rate = round((applied[-1][1] - applied[0][1]) / seconds) if seconds else 0
        if now >= self._next_sms and self.figures.phone.pick():
            self._next_sms = now + SMS_EVERY_SECONDS
        self._view.show(
            frame_of(
                self.figures,
                place=f"seed {self.settings.seed}, {self._site.title}",
                phase=self._phase,
                hint=self._hint(),
                endless=self.settings.keep,
                events_per_second=rate,
            )
        )

    def _hint(self) -> str:
        if self.settings.keep:
            return "Goes on until Ctrl-C; then compares what came out with what had to."
        return "Ends by itself and compares what came out with what had to. Ctrl-C: quit."


def _reached(present: tuple[int, int, int], expected: ExpectedFigures | None) -> bool:
    if expected is None:
        return False
    wanted = (
        expected.records,
        sum(expected.reminders.values()),
        sum(expected.rejects.values()),
    )
    return all(now >= then for now, then in zip(present, wanted, strict=True))
