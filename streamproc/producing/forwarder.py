"""Sends the events of a spool to Kafka, in order, however often the broker is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary

import structlog
from kafka.errors import (
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import ClockAdvanced, SubscriberEvent
from streamproc.kafka.errors import ReachError, TokenError
from streamproc.kafka.fixed_partitions import FixedPartitions
from streamproc.kafka.outstanding import send_now
from streamproc.kafka.packed import force_close
from streamproc.kafka.recording.record_lines import LogRecord, to_line
from streamproc.kafka.silence import REPEAT_SECONDS
from streamproc.kafka.topic_watch import PartitionsChangedError
from streamproc.private_files import open_private
from streamproc.producing.event_results import Delivery, DeliveryFailedError, Placed
from streamproc.producing.spool import Spool, SpooledRecord
from streamproc.supervision import start_thread

log = structlog.get_logger(__name__)

WINDOW_RECORDS = 5_000
"""Records that are sent before all of them are acknowledged. After a crash at most this many are
sent again."""
LOOK_SECONDS = 0.2
"""How long the thread waits for an event before it checks whether it must stop."""
FIRST_DELAY_SECONDS = 0.1
LAST_DELAY_SECONDS = 5.0
REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)
"""Errors of a record, not of the broker: to try again does not help."""


class Forwarder:
    """A thread that sends the events of a spool.

    One rule keeps the order: after a failure nothing more is sent over that connection. A window is
    cut off at its first failure, and events that were not acknowledged are sent again, in order,
    over a new connection. A record that the topic refuses is written to ``refused.ndjson`` in the
    spool's directory; flush and close report it.
    """

    def __init__(self, spool: Spool, topic: str, connect: Callable[[], Any]) -> None:
        self.spool = spool
        self._topic = topic
        self._connect = connect
        self._kafka: Any = None
        self._partitions: FixedPartitions | None = None
        # Weak references: a spool can hold millions of events, and a caller who needs no result
        # keeps no delivery.
        self._deliveries: WeakValueDictionary[int, Delivery] = WeakValueDictionary()
        self._one_by_one = 0
        """This many entries are sent alone, to find the one that the topic refuses."""
        self._refused: list[tuple[SubscriberEvent, BaseException]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._told_at: float | None = None
        """When the log said last that events wait; None while they are sent."""
        self._damage: BaseException | None = None
        self._thread = start_thread(self._run, "spool", self._break)

    def take(
        self, delivery: Delivery, timestamp_ms: int, key: bytes, value: bytes, seconds: float
    ) -> None:
        """Put an event into the spool. Its delivery is settled if this process sends it."""
        if self._damage is not None:
            raise self._damage

        # Before the sender can see the entry, or its result could come first.
        def taken(number: int) -> None:
            with self._lock:
                self._deliveries[number] = delivery

        self.spool.append(timestamp_ms, key, value, seconds, taken)

    def flush(self, timeout_seconds: float) -> None:
        """Return when the spool is empty. Raises DeliveryFailedError, TimeoutError."""
        if not self.spool.wait_until_done(self.spool.last, timeout_seconds):
            if self._damage is not None:
                raise self._damage
            raise TimeoutError(
                f"{self.spool.waiting} events wait in {self.spool.directory} after "
                f"{timeout_seconds:g} s; they go out when the broker is back"
            )
        self._raise_refused()

    def close(self, timeout_seconds: float) -> None:
        """Send what can be sent in time. The rest stays for the next producer of this spool."""
        self.spool.wait_until_done(self.spool.last, timeout_seconds)
        self._stopping.set()
        self._thread.join(15.0)
        if self._kafka is not None:
            force_close(self._kafka)
        self.spool.close()
        self._raise_refused()

    def _run(self) -> None:
        delay = FIRST_DELAY_SECONDS
        while not self._stopping.is_set():
            more = self.spool.wait_for_more(self.spool.done, LOOK_SECONDS)
            self.spool.sync()
            if not more:
                continue
            try:
                if self._kafka is None:
                    self._kafka = self._connect()
                if self._partitions is None:
                    self._partitions = FixedPartitions(self._kafka, self._topic)
                self._partitions.check(self._kafka)
                whole = self._send_window(self._kafka)
            except PartitionsChangedError as error:
                log.critical("nothing more is sent", why=str(error), waiting=self.spool.waiting)
                self._break(error)
                return
            except (KafkaError, ReachError, TokenError) as error:
                self._tell_waiting(error)
                whole = False
            except Exception as error:  # a damaged spool, a full disk: a retry does not help
                log.exception("the spool cannot be sent; the events stay in it")
                self._break(error)
                return
            if whole:
                delay = FIRST_DELAY_SECONDS
                self._tell_going_on()
                continue
            # After a failure nothing more may be sent over this connection: later events would
            # overtake the failed ones.
            if self._kafka is not None:
                force_close(self._kafka)
                self._kafka = None
            self._stopping.wait(delay)
            delay = min(delay * 2, LAST_DELAY_SECONDS)

    def _break(self, error: BaseException) -> None:
        """The thread ends: the topic has more partitions, or the disk is full."""
        self._damage = error
        self.spool.give_up()

    def _tell_waiting(self, error: BaseException) -> None:
        """The first failure at once; then one line a minute while events wait."""
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= REPEAT_SECONDS:
            self._told_at = now
            log.warning(
                "no broker answers; events wait in the spool",
                error=str(error),
                waiting=self.spool.waiting,
            )

    def _tell_going_on(self) -> None:
        if self._told_at is not None:
            self._told_at = None
            log.info("the events of the spool are sent again", waiting=self.spool.waiting)

    def _send_window(self, kafka: Any) -> bool:
        """Send a window; False if a part of it must be sent again over a new connection."""
        # After a refused batch its entries are sent one by one, to find the one that the
        # topic refuses.
        window = 1 if self._one_by_one else WINDOW_RECORDS
        entries = list(islice(self.spool.read(self.spool.done), window))
        outcomes: list[tuple[Placed | None, BaseException | None]] = [(None, None)] * len(entries)
        settled = threading.Semaphore(0)

        def good(place: int, metadata: Any) -> None:
            placed = Placed(metadata.topic, metadata.partition, metadata.offset)
            outcomes[place] = (placed, None)
            settled.release()

        def bad(place: int, error: BaseException) -> None:
            # This runs in the sender's thread before it sends anything else, so nothing
            # overtakes this record.
            kafka._sender.force_close()
            outcomes[place] = (None, error)
            settled.release()

        sent = 0
        for place, entry in enumerate(entries):
            try:
                future = kafka.send(
                    self._topic, entry.value, entry.key, timestamp_ms=entry.timestamp_ms
                )
            except Exception as error:  # closed by an earlier failure, or no metadata in time
                self._tell_waiting(error)
                break
            future.add_callback(good, place)
            future.add_errback(bad, place)
            sent += 1
        send_now(kafka)
        for _ in range(sent):
            settled.acquire()
        return self._settle(entries, outcomes)

    def _settle(
        self,
        entries: list[SpooledRecord],
        outcomes: list[tuple[Placed | None, BaseException | None]],
    ) -> bool:
        """Note what is done: everything up to the first entry that must be sent again.

        Later entries that were acknowledged (in other partitions) are sent twice; the worker
        recognises them by their ids.
        """
        done = 0
        whole = True
        for entry, (placed, error) in zip(entries, outcomes, strict=True):
            if placed is None:
                whole = False
                # Entries behind the failed one are sent again in the next window.
                if not isinstance(error, REFUSED):
                    break
                if len(entries) > 1:
                    # The error of a batch is reported for all its records, so find out which
                    # record caused it.
                    self._one_by_one = len(entries)
                    break
                self._set_aside(entry, error)
            done = entry.number
            with self._lock:
                delivery = self._deliveries.pop(done, None)
            if delivery is not None and placed is not None:
                delivery.succeed(placed)
            elif delivery is not None and error is not None:
                delivery.fail(error)
        if done:
            self.spool.finish(done)
            self._one_by_one = max(self._one_by_one - 1, 0)
        return whole

    def _set_aside(self, entry: SpooledRecord, error: BaseException) -> None:
        line = to_line(LogRecord(entry.key, entry.value, entry.timestamp_ms))
        with open_private(self.spool.directory / "refused.ndjson", "ab") as file:
            file.write(line + b"\n")
        log.error(
            "the topic refused an event; it is in refused.ndjson",
            error=str(error),
            number=entry.number,
        )
        event = decode_event(entry.value, entry.key)
        assert not isinstance(event, ClockAdvanced)  # such an event is never accepted
        self._refused.append((event, error))

    def _raise_refused(self) -> None:
        refused, self._refused = self._refused, []
        if refused:
            raise DeliveryFailedError(refused)
