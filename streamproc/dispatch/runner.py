"""The dispatcher at work: connects scheduler, Kafka and gateways on one event loop."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry

from streamproc.alarms.decider import AlarmPlace
from streamproc.alarms.telling import AlarmTeller
from streamproc.core.instants import LAST_MS
from streamproc.dispatch.alarm_share import DispatcherShare
from streamproc.dispatch.elsewhere import Elsewhere
from streamproc.dispatch.gateways.base import Events, Gateway, Listening, SmsRefusedError
from streamproc.dispatch.lane_reader import Readers
from streamproc.dispatch.ledger import Cursor
from streamproc.dispatch.model import (
    DeliveryReport,
    IncomingSms,
    Origin,
    Outcome,
    Outgoing,
    Unknown,
)
from streamproc.dispatch.observing import DispatchObserver
from streamproc.dispatch.owner import JournalOwner
from streamproc.dispatch.partition_journal import PartitionJournal
from streamproc.dispatch.patience import Patience
from streamproc.dispatch.progress import REBALANCE_SECONDS, DispatchProgress
from streamproc.dispatch.reports_log import ReportsReader, ReportsWriter
from streamproc.dispatch.scheduler import Scheduler
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.sms_log import SmsLog
from streamproc.dispatch.statistics import ReceiptTally
from streamproc.dispatch.traced import DispatchSpans
from streamproc.kafka.silence import FAILED_SECONDS
from streamproc.kafka.topic_watch import TopicWatch, keep_watching
from streamproc.metrics.dispatch import DispatchMetrics
from streamproc.metrics.figure_line import LINE_SECONDS, FigureLine
from streamproc.metrics.process import register_process
from streamproc.supervision import on_loop, one_thread, start_task, tell
from streamproc.tracing.context import trace_of
from streamproc.tracing.spans import Tracer

if TYPE_CHECKING:
    from streamproc.metrics.serving import MetricsServer

log = structlog.get_logger(__name__)

RESEND_HEADER = "resend"
PLACE = re.compile(rb"[0-9]{1,10}-[0-9]{1,19}")
"""Partition and offset of a dead letter."""
LONGEST_NAP_S = 0.5
SHORTEST_NAP_S = 0.01
ELSEWHERE_S = 30.0
"""Shorter than reports are kept. The journals of other dispatchers can be long."""
CLOSE_S = 2.0
"""How long the end waits for connections to close."""


class Runner:
    """Runs until told to stop. Everything but blocking calls runs on the event loop."""

    def __init__(
        self,
        settings: DispatchSettings,
        scheduler: Scheduler,
        gateways: dict[str, Gateway],
        now_ms: Callable[[], int],
        watch: TopicWatch,
        tracer: Tracer | None = None,
    ) -> None:
        """``tracer``: None makes no spans."""
        self._tracer = tracer
        kinds = {name: line.kind for name, line in scheduler.router.lines.items()}
        self._spans = DispatchSpans(tracer, kinds) if tracer is not None else None
        self.settings = settings
        self._watch = watch
        self.scheduler = scheduler
        self.tally = ReceiptTally()
        self.metrics = DispatchMetrics(CollectorRegistry())
        register_process(self.metrics.registry)
        self._share = DispatcherShare(settings.name)
        self._observer = DispatchObserver(
            self.metrics, now_ms, settings.stall_seconds, self._share, self._spans
        )
        self._observer.canary_gateways = frozenset(
            name for name, line in scheduler.router.lines.items() if line.is_canary
        )
        self._alarms = AlarmTeller(
            AlarmPlace(settings.broker, "", settings.topics.alarm_shares, "", settings.name),
            lambda: self._share.take(scheduler, now_ms(), self._observer.health.stalled),
            self._share.counts.give_back,
        )
        self._progress = DispatchProgress(lambda: watch.silence.seconds)
        self._server: MetricsServer | None = None
        self._gateways = gateways
        self._now_ms = now_ms
        self._lane_names = tuple(lane.name for lane in scheduler.lanes)
        self._poke = asyncio.Event()
        self._owner = JournalOwner(
            settings,
            scheduler,
            self.tally,
            self._observer,
            self._launch,
            self._poke.set,
            now_ms,
            self._progress,
            self._ask_again,
        )
        self._sending: set[asyncio.Task[None]] = set()
        self._patience = Patience(settings.broker, lambda: watch.silence.seconds)
        self._ending = False
        # Kafka consumers must not be shared by threads, so each has a thread of its own.
        self._reading = one_thread("reminders")
        self._hearing = one_thread("reports")
        self._readers: Readers | None = None
        self._reports_in: ReportsReader | None = None
        self._reports_out: ReportsWriter | None = None
        self._incoming: SmsLog | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; then finish the messages in progress. Raises errors after which it
        must not continue."""
        stopping = start_task(stop.wait(), "stop")
        works: list[asyncio.Task[None]] = []
        try:
            # Kafka may be away during the start, too.
            opening = start_task(self._open(), "start")
            await _first_of(opening, stopping)
            if opening.done():
                works = [start_task(work, "dispatcher") for work in opening.result()]
                await _first_of(*works, stopping, self._owner.broken)
            else:
                opening.cancel()
        finally:
            self._ending = True
            stopping.cancel()
            await self._end(works)

    async def _open(self) -> list[Coroutine[Any, Any, None]]:
        """Open everything; returns what then works until it is cancelled."""
        loop = asyncio.get_running_loop()
        if self.settings.http_port is not None:
            self._server = self._new_server(self.settings.http_port)
            await self._server.start()
        self._reports_out = await asyncio.to_thread(ReportsWriter, self.settings)
        self._reports_in = await loop.run_in_executor(self._hearing, ReportsReader, self.settings)
        self.scheduler.deliveries.start(
            await loop.run_in_executor(self._hearing, self._reports_in.start)
        )
        works = [self._read, self._pump, self._listen, self._tick, self._tell_figures]
        works.append(self._ask_elsewhere)
        if any(isinstance(one, Listening) and one.takes_sms for one in self._gateways.values()):
            kinds = {name: line.kind for name, line in self.scheduler.router.lines.items()}
            self._incoming = SmsLog(self.settings, self._now_ms, kinds, self._patience)
            await self._incoming.open()
            works.append(self._incoming.follow)
        for name, gateway in self._gateways.items():
            await gateway.start(self._events(name))
        self._readers = await loop.run_in_executor(
            self._reading, Readers, self.settings, self._lane_names, self._revoked_from(loop)
        )
        await self._alarms.start()
        return [*(work() for work in works), keep_watching(self._watch)]

    async def _end(self, works: list[asyncio.Task[None]]) -> None:
        log.info("finishing the messages in progress")
        await self._owner.give_back(list(self.scheduler.ledgers), self.settings.settle_seconds)
        for task in works:
            task.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        # Each part can wait for Kafka or for a gateway. None may hold up the others.
        closings = [start_task(one, "close") for one in self._closings()]
        done, late = await asyncio.wait(closings, timeout=CLOSE_S)
        for task in late:
            task.cancel()
        for task in done:
            error = task.exception()
            if error is not None:
                tell("close", error)
        self._reading.shutdown(wait=False)
        self._hearing.shutdown(wait=False)
        log.info("stopped", **self.tally.line())

    def _closings(self) -> Iterator[Coroutine[Any, Any, None]]:
        loop = asyncio.get_running_loop()

        async def in_thread(pool: Executor | None, close: Callable[[], None]) -> None:
            await loop.run_in_executor(pool, close)

        if self._readers is not None:
            yield in_thread(self._reading, self._readers.shut)
        for gateway in self._gateways.values():
            yield gateway.close()
        if self._reports_in is not None:
            yield in_thread(self._hearing, self._reports_in.close)
        if self._reports_out is not None:
            yield in_thread(None, self._reports_out.close)
        if self._incoming is not None:
            yield self._incoming.close()
        if self._server is not None:
            yield self._server.close()
        yield self._alarms.close()
        yield self._sends_end()
        if self._tracer is not None:
            yield in_thread(None, self._tracer.close)

    async def _sends_end(self) -> None:
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _new_server(self, port: int) -> MetricsServer:
        # A dispatcher without it starts without aiohttp, which takes long to import.
        from streamproc.metrics.serving import MetricsServer

        # If the loop is blocked, it does not answer. If a part fails, the process ends.
        return MetricsServer(
            self.settings.http_host,
            port,
            self.metrics.registry,
            self._refresh,
            failing=self._failing,
            unready=self._unready,
            waiting=self._progress.waiting,
        )

    def _failing(self) -> str:
        stopped = "" if self._readers is None else self._readers.stopped
        return self._progress.failing() or stopped

    def _unready(self) -> str:
        # A single question that fails says nothing yet.
        if self._watch.silence.seconds >= FAILED_SECONDS:
            return self._progress.waiting()
        if self._readers is None:
            return "not a member of the group yet"
        lines = self.scheduler.router.of_customers
        waiting = [line.name for line in lines if line.down_since_ms is not None]
        if len(waiting) == len(lines):
            return f"no gateway has a connection: {', '.join(waiting)}"
        return ""

    def _refresh(self) -> None:
        self._observer.refresh(self.scheduler, self._now_ms(), self._watch.silence.seconds)

    async def _tell_figures(self) -> None:
        figures = FigureLine(self.metrics, self._refresh)
        while True:
            await asyncio.sleep(LINE_SECONDS)
            log.info("figures of the last minute", **figures.take())

    def _events(self, name: str) -> Events:
        def up(is_up: bool) -> None:
            self.scheduler.router.set_up(name, is_up, self._now_ms())
            self._poke.set()

        async def report(heard: DeliveryReport) -> None:
            assert self._reports_out is not None
            self._refuse_at_the_end()
            await self._reports_out.write(heard)

        def overdue() -> None:
            self._observer.overdue(name)
            self.scheduler.overdue(name, self._now_ms())
            self._poke.set()

        def late(message: Outgoing, outcome: Outcome) -> None:
            self.scheduler.settle_late(message, outcome, self._now_ms(), name)
            self._owner.commit_soon()
            self._poke.set()

        peer_of = self.scheduler.hashes.of
        events = Events(up, report, self._now_ms, overdue=overdue, late=late, peer_of=peer_of)
        if self._incoming is None:
            return events
        incoming = self._incoming

        async def sms(heard: IncomingSms) -> None:
            self._refuse_at_the_end()
            with self._observer.incoming(name):
                await incoming.take(heard)

        return replace(events, sms=sms, answered=incoming.answered, doubted=incoming.doubted)

    def _refuse_at_the_end(self) -> None:
        """A flood of SMS or receipts must not hold up the end. The message center keeps them."""
        if self._ending:
            raise SmsRefusedError("the dispatcher ends", is_final=False)

    async def _read(self) -> None:
        """Pass records to the scheduler, and open partitions that the group assigns."""
        loop = asyncio.get_running_loop()
        readers = self._readers
        assert readers is not None

        def poll(found: list[tuple[Cursor, Any]]) -> None:
            found.extend(readers.poll(self.scheduler.queues.held))

        while not self._ending:
            found: list[tuple[Cursor, Any]] = []
            with self._progress.step("reading reminders", REBALANCE_SECONDS):
                async with self._patience.around("reading reminders"):
                    await loop.run_in_executor(self._reading, poll, found)
            for cursor, record in found:  # also what came before an error: no one reads it again
                self._offer(cursor, record)
            self._poke.set()
            while readers.assigned and not self._ending:
                async with self._patience.around("opening a partition") as failed:
                    await self._open_partition(readers.assigned.popleft())
                if failed:
                    # It may be another dispatcher's by now, so it is not simply tried again.
                    self._ask_again()

    async def _open_partition(self, partition: int) -> None:
        loop, readers = asyncio.get_running_loop(), self._readers
        assert readers is not None

        async def seek(number: int) -> dict[Cursor, int]:
            return await loop.run_in_executor(self._reading, readers.open, number)

        reports = await self._owner.open(partition, seek)
        if self._reports_in is not None and reports:
            await loop.run_in_executor(self._hearing, self._reports_in.rewind, reports)

    def _ask_again(self) -> None:
        if self._readers is not None:
            self._readers.ask_again()

    def _offer(self, cursor: Cursor, record: Any) -> None:
        if record.partition not in self.scheduler.ledgers:
            return  # the group revoked it while the record was on its way
        resend = ""
        for name, value in record.headers or ():
            if name == RESEND_HEADER and value and PLACE.fullmatch(value):
                resend = value.decode("ascii")
        # Any producer can write any time.
        written_ms = min(max(record.timestamp, 0), LAST_MS)
        origin = Origin(record.topic, record.partition, record.offset, written_ms)
        trace = trace_of(record.headers)
        self.scheduler.offer(cursor[0], origin, record.value, self._now_ms(), resend, trace)

    async def _pump(self) -> None:
        """Take messages that may be sent, whenever something changed or time allows more."""
        while True:
            self._poke.clear()
            now_ms = self._now_ms()
            self.scheduler.take(now_ms)
            self._owner.commit_soon()
            wake_ms = self.scheduler.wake_ms(now_ms)
            nap = LONGEST_NAP_S if wake_ms is None else (wake_ms - now_ms) / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(nap, SHORTEST_NAP_S), LONGEST_NAP_S)):
                    await self._poke.wait()

    async def _listen(self) -> None:
        """Pass delivery reports to the scheduler."""
        loop = asyncio.get_running_loop()
        assert self._reports_in is not None
        while True:
            found: list[tuple[DeliveryReport, tuple[int, int]]] = []
            with self._progress.step("reading delivery reports"):
                async with self._patience.around("reading delivery reports"):
                    found = await loop.run_in_executor(self._hearing, self._reports_in.poll)
            for report, place in found:
                self.scheduler.report(report, place, self._now_ms())
            if found:
                self._owner.commit_soon()

    async def _ask_elsewhere(self) -> None:
        """Settle messages in doubt by reports that may be about another dispatcher's messages."""
        deliveries = self.scheduler.deliveries
        while True:
            await asyncio.sleep(ELSEWHERE_S)
            keys = deliveries.unplaced()
            if not keys:
                continue
            here, elsewhere = dict(self.scheduler.ledgers), Elsewhere()
            async with self._patience.around("reading the journals of other dispatchers") as failed:
                for number in set(range(deliveries.partitions)) - here.keys():
                    journal = PartitionJournal(self.settings, self._lane_names, number)
                    content = await asyncio.to_thread(journal.load)
                    elsewhere.add(number, content.entries)
            # A ledger is equal only to itself: of a partition that was here and went, nobody knows.
            if not failed and self.scheduler.ledgers == here:
                deliveries.place(keys, elsewhere, self._now_ms())
                self._owner.commit_soon()

    async def _tick(self) -> None:
        """Once a second: expiry, positions, a partition that was lost; from time to time
        figures."""
        seconds = 0.0
        shared = set(self.scheduler.deliveries.shared)
        while True:
            await asyncio.sleep(1.0)
            self.scheduler.sweep(self._now_ms())
            for name in self.scheduler.deliveries.shared - shared:
                shared.add(name)
                log.warning(
                    "a delivery report is about no message of this group of dispatchers, so other "
                    "senders use the account: its reports settle nothing in doubt from now on",
                    gateway=name,
                    advice="give the dispatchers an account of their own, or account: shared",
                )
            self._observer.health.check(self.scheduler, self._now_ms())
            self._progress.look(self.scheduler, self._observer.health.stalled, self._now_ms())
            self._owner.commit_positions()
            self._owner.check_lost()
            seconds += 1.0
            if seconds >= self.settings.stats_every_seconds and self.tally.statuses:
                seconds = 0.0
                log.info("receipts so far", **self.tally.line())

    def _launch(self, message: Outgoing) -> None:
        task = start_task(self._send(message), "a message", self._owner.fail)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, message: Outgoing) -> None:
        began = time.perf_counter()
        began_ns = 0 if self._spans is None else self._spans.submitting(message)
        try:
            outcome = await self._gateways[message.gateway].send(message)
        except Exception as error:  # a bug in one gateway must not stop the others
            log.exception(
                "a gateway failed with an exception", gateway=message.gateway, id=message.id
            )
            outcome = Unknown(f"gateway_bug_{type(error).__name__}")
        took = time.perf_counter() - began
        if self._spans is not None:
            self._spans.submitted(message, outcome, began_ns)
        self._observer.answered(message.gateway, message.lane, outcome, took)
        self.scheduler.settle(message, outcome, self._now_ms())
        self._owner.answered()
        self._poke.set()

    def _revoked_from(self, loop: asyncio.AbstractEventLoop) -> Callable[[list[int]], None]:
        """The listener's callback. It runs in Kafka's thread, and heartbeats wait for it."""
        limit = min(self.settings.settle_seconds, self.settings.session_timeout_seconds * 0.5)

        def revoked(partitions: list[int]) -> None:
            done = on_loop(self._owner.give_back(partitions, limit), loop)
            with suppress(TimeoutError):
                done.result(limit + 5)

        return revoked


async def _first_of(*works: asyncio.Future[Any]) -> None:
    """Wait until one has ended. Raises its error."""
    done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
    for ended in done:
        ended.result()
