"""The decisions of the dispatcher, without a clock, Kafka or a network.

The guarantee needs this order:

1. ``take`` chooses messages and writes an *intent* for each into its partition's batch.
2. The batch is committed (journal, receipts, positions in one transaction).
3. ``committed`` releases the messages, and only then are they sent.
4. ``settle`` gets the gateway's answer and writes it into the next batch.
5. When that is committed, ``recorded`` frees the message's place in the window.

A process that dies between 3 and 5 leaves an intent without an answer. The next owner of the
partition finds it and follows the gateway's policy. There are at most ``window`` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from streamproc.contracts.records.codec import UNREADABLE, decode_reminder
from streamproc.contracts.records.receipts import Status
from streamproc.core.instants import to_ms
from streamproc.core.state.effects import Reminder
from streamproc.core.subscribers import is_canary
from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.delivery_reports import Deliveries
from streamproc.dispatch.journal import JournalEntry, State
from streamproc.dispatch.lanes import Lane, LaneQueues, lane_of
from streamproc.dispatch.ledger import JournalTransaction, Ledger
from streamproc.dispatch.model import (
    Accepted,
    DeliveryReport,
    ErrorClass,
    Origin,
    Outcome,
    Outgoing,
    Refused,
    Unknown,
    UnsendableError,
    message_of,
)
from streamproc.dispatch.number_hashes import NumberHashes
from streamproc.dispatch.outcome_records import (
    dead_letter_of,
    expired_of,
    facts_of,
    receipt_of,
    unreadable,
)
from streamproc.dispatch.router import Router
from streamproc.tracing.context import NO_TRACE, TraceHeaders

FORGET_MS = 86_400_000
"""How long after its expiry a reminder's id is remembered."""


LONGEST_AWAY_MS = 7 * 86_400_000
"""For so long ids are remembered beyond that while a gateway is away, or has just come back."""

NOT_SENT = Refused(ErrorClass.UNREACHABLE, "not_sent")
"""The answer to a message that this process has not sent, whatever its journal says."""

UNSENT_WAIT_MS = 200
"""The wait after a refusal that is not about the message: its gateway pauses or is skipped."""


class Scheduler:
    """All partitions of this process, with the queues and gateways that they share.

    ``chance`` returns numbers in [0, 1). ``honour_expiry`` is off for replays of the past.
    ``hashes`` stand for numbers in what is written. ``partitions`` is how many the reminders have.
    """

    def __init__(
        self,
        lanes: tuple[Lane, ...],
        router: Router,
        backoff: Backoff,
        chance: Callable[[], float],
        honour_expiry: bool = True,
        *,
        hashes: NumberHashes,
        partitions: int = 1,
        canary_number: str | None = None,
    ) -> None:
        """``canary_number``: the phone that gets the messages of canaries."""
        self._canary_number = canary_number
        self.lanes = lanes
        self.router = router
        self.hashes = hashes
        self.queues = LaneQueues(len(lanes))
        self.ledgers: dict[int, Ledger] = {}
        receipts = {name: line.receipts for name, line in router.lines.items()}
        shared = [name for name, line in router.lines.items() if line.shared_account]
        self.deliveries = Deliveries(receipts, partitions, shared)
        self._backoff = backoff
        self._chance = chance
        self._honour_expiry = honour_expiry
        self._sequence = 0
        self._answers: dict[str, tuple[int, Outcome]] = {}
        """What this process knows of messages beyond their journal, by id: when they were sent, and
        the answer. The partition may be opened again before the answer is written."""

    def open(self, partition: int, entries: Iterable[tuple[str, JournalEntry]]) -> Ledger:
        """Open a partition with the entries of its journal."""
        ledger = Ledger(partition, entries)
        self.ledgers[partition] = ledger
        self.deliveries.load(ledger)
        return ledger

    def close(self, partition: int) -> None:
        """Close a partition. What was not written is lost."""
        ledger = self.ledgers.pop(partition, None)
        if ledger is None:
            return
        self.deliveries.unload(ledger)
        self.abandon(ledger.untaken)
        for message in list(ledger.messages.values()):
            self.queues.finish(message)

    def offer(
        self,
        cursor_lane: int,
        origin: Origin,
        value: bytes | None,
        now_ms: int,
        resend: str = "",
        trace: TraceHeaders = NO_TRACE,
    ) -> None:
        """A record that a lane's cursor has reached. ``resend`` names a dead letter, ``trace`` is
        from the record's headers."""
        ledger = self.ledgers[origin.partition]
        mark = ledger.cursors[cursor_lane, origin.topic]
        try:
            reminder = decode_reminder(value or b"")
        except UNREADABLE as error:
            mark.skip(origin.offset)
            if cursor_lane == 0:
                ledger.dead_letter(unreadable(origin, error, now_ms))
            return
        if self._canary_number is not None and is_canary(reminder.subscriber):
            reminder = replace(reminder, recipient=self._canary_number)
        lane = 0 if resend else lane_of(reminder, self.lanes)
        if lane != cursor_lane and self._was_passed(ledger, lane, origin, reminder, now_ms):
            lane = cursor_lane
        self._sequence += 1
        message = message_of(reminder, origin, lane, self._sequence, resend, trace)
        message.read_ms = now_ms
        if lane != cursor_lane or message.id in ledger.messages or ledger.knows(message.id):
            mark.skip(origin.offset)
            return
        mark.begin(origin.offset)
        self._accept(ledger, message, reminder, now_ms)

    def take(self, now_ms: int) -> None:
        """Choose the messages to send now, most urgent lane first, and write their intents."""
        self.queues.awake(now_ms)
        for lane in range(len(self.lanes)):
            aside = []
            for message in self.queues.candidates(lane, now_ms):
                if self._is_expired(message, now_ms):
                    self._expire(self.ledgers[message.origin.partition], message, now_ms)
                    continue
                if self.ledgers[message.origin.partition].closing:
                    aside.append(message)
                    continue
                line = self.router.choose(message, now_ms)
                if line is None:
                    aside.append(message)
                    # The wait of a canary is not the customers' wait.
                    if message.pinned is None and not message.is_canary:
                        break
                    continue
                self._intend(message, line.name, now_ms)
            for message in aside:
                self.queues.put_back(message)

    def take_batch(self, partition: int, force: bool = False) -> JournalTransaction | None:
        """The writes to commit for a partition now."""
        return self.ledgers[partition].take_batch(self.deliveries.positions(), force)

    def recorded(self, batch: JournalTransaction) -> None:
        """A batch was committed: its answers are durable."""
        for message_id in batch.entries:
            self._answers.pop(message_id, None)
        self._give_back(batch)

    def _give_back(self, batch: JournalTransaction) -> None:
        for gateway in batch.answered:
            self.router.recorded(gateway)

    def abandon(self, batch: JournalTransaction) -> None:
        """This process will neither commit a batch nor send its messages."""
        self._give_back(batch)
        for message in batch.release:
            self.router.dropped(message.gateway)
            # The intent may have been written all the same.
            self._answers[message.id] = message.sent_ms, NOT_SENT

    def settle(self, message: Outgoing, outcome: Outcome, now_ms: int) -> None:
        """The gateway's answer, or the fact that none came."""
        self.router.answered(message.gateway, outcome, now_ms, self._chance())
        self._know(message, outcome, now_ms)
        self._answers[message.id] = message.sent_ms, outcome
        ledger = self.ledgers.get(message.origin.partition)
        if ledger is None or ledger.messages.get(message.id) is not message:
            # The partition is gone: its next owner decides, because it finds the intent.
            self.router.recorded(message.gateway)
            entry = None if ledger is None else ledger.open.get(message.id)
            is_same = entry is not None and entry.sent_ms == message.sent_ms
            if is_same and not isinstance(outcome, Unknown):
                self.settle_late(message, outcome, now_ms)  # it was opened again here
            return
        ledger.answered(message.gateway)
        self._settle(ledger, message, outcome, now_ms)

    def _settle(self, ledger: Ledger, message: Outgoing, outcome: Outcome, now_ms: int) -> None:
        message.parts.update(outcome.parts)
        if isinstance(outcome, Accepted):
            self._accepted(ledger, message, now_ms)
        elif isinstance(outcome, Unknown):
            self._unknown(ledger, message, outcome.code, now_ms)
        else:
            self._refused(ledger, message, outcome, now_ms)

    def overdue(self, gateway: str, now_ms: int) -> None:
        """A gateway's answer is late. The dispatcher still waits for it."""
        self.router.overdue(gateway, now_ms)

    def settle_late(
        self, message: Outgoing, outcome: Outcome, now_ms: int, gateway: str | None = None
    ) -> None:
        """The answer to a message that counted as unknown. It settles the message even now.

        ``gateway``: who answers, if another one may have got the message since.
        """
        self._know(message, outcome, now_ms)
        gateway = gateway or message.gateway
        ledger = self.ledgers.get(message.origin.partition)
        entry = None if ledger is None else ledger.open.get(message.id)
        if ledger is None or entry is None:
            return  # it was settled meanwhile, or its next owner decides
        if entry.state == "uncertain":
            self._settle_uncertain(ledger, message, entry, outcome, gateway, now_ms)
        elif entry.state == "retry" and ledger.messages.get(message.id) is message:
            _no_longer_in_doubt(message)
            if isinstance(outcome, Accepted):
                _through(message, gateway)
                message.parts.update(outcome.parts)
                self._accepted(ledger, message, now_ms, attempts=0)
                return
            if message.gateway == gateway:
                message.parts.update(outcome.parts)
            else:
                message.former += outcome.parts.values()
            ledger.write(message.id, self._entry(message, "retry", now_ms))

    def report(self, report: DeliveryReport, position: tuple[int, int] | None, now_ms: int) -> None:
        """A delivery report, at ``position`` (partition, offset) of the reports topic."""
        self.deliveries.report(report, position, now_ms)

    def sweep(self, now_ms: int) -> None:
        """Expire messages that wait too long, and forget old ids. Call it about once a second."""
        # A gateway that was away may have old reports, and they must not be about unknown ids.
        forget_ms = now_ms if self.router.are_heard_out(now_ms) else now_ms - LONGEST_AWAY_MS
        for ledger in self.ledgers.values():
            for message in list(ledger.messages.values()):
                if not message.in_flight and self._is_expired(message, now_ms):
                    self._expire(ledger, message, now_ms)
            for message_id, entry in ledger.sweep(forget_ms):
                self.deliveries.drop(ledger.partition, message_id, entry)
        self.deliveries.sweep(now_ms, forget_ms)
        for message_id, (sent_ms, _) in list(self._answers.items()):
            if now_ms - sent_ms > FORGET_MS:
                del self._answers[message_id]

    def in_flight(self, partition: int) -> int:
        """Messages that a gateway has, or will have next."""
        return sum(message.in_flight for message in self.ledgers[partition].messages.values())

    def wake_ms(self, now_ms: int) -> int | None:
        """When to call :meth:`take` again if nothing else happens."""
        times = [self.queues.next_due_ms(), self.router.wake_ms(now_ms)]
        return min((time for time in times if time is not None), default=None)

    def _was_passed(
        self, ledger: Ledger, lane: int, origin: Origin, reminder: Reminder, now_ms: int
    ) -> bool:
        """Whether the cursor of the reminder's lane started after the reminder, so it would never
        reach it.

        This happens if the reminder belonged to another lane before the lanes were changed. The
        journal knows which of these reminders are done, until it forgets them.
        """
        is_remembered = now_ms < to_ms(reminder.expires_time) + FORGET_MS
        return is_remembered and origin.offset < ledger.began.get((lane, origin.topic), 0)

    def _accept(self, ledger: Ledger, message: Outgoing, reminder: Reminder, now_ms: int) -> None:
        ledger.messages[message.id] = message
        entry = ledger.open.get(message.id)
        if entry is not None:
            message.attempts = entry.attempts
            message.doubtful, message.sent_ms = entry.doubtful, entry.sent_ms
            message.doubted, message.doubt_ms = entry.doubted, entry.doubt_ms
            message.former = list(entry.former)
            message.parts = dict(entry.done)
            message.gateway = entry.gateway
        self.queues.add(message, now_ms)
        if entry is not None and entry.state == "intent":
            self._resume(ledger, message, now_ms)
        elif self._is_expired(message, now_ms):
            self._expire(ledger, message, now_ms)

    def _resume(self, ledger: Ledger, message: Outgoing, now_ms: int) -> None:
        """The journal has an intent without an answer."""
        sent_ms, outcome = self._answers.get(message.id, (0, None))
        if (
            outcome is None
            or sent_ms != message.sent_ms
            or message.gateway not in self.router.lines
        ):
            outcome = Unknown("found_after_crash")
        self._settle(ledger, message, outcome, now_ms)

    def _intend(self, message: Outgoing, gateway: str, now_ms: int) -> None:
        message.in_flight = True
        message.sent_ms = now_ms
        _through(message, gateway)
        parts_of = self.router.lines[gateway].parts_of
        ledger = self.ledgers[message.origin.partition]
        try:
            message.split_into = None if parts_of is None else parts_of(message.reminder)
        except UnsendableError as error:
            self.router.dropped(gateway)
            self._give_up(ledger, message, ErrorClass.PERMANENT, error.code, now_ms)
            return
        ledger.write(message.id, self._entry(message, "intent", now_ms))
        ledger.release(message)

    def _settle_uncertain(
        self,
        ledger: Ledger,
        message: Outgoing,
        entry: JournalEntry,
        outcome: Outcome,
        gateway: str,
        now_ms: int,
    ) -> None:
        """Settle a message that is not sent again, whatever the answer says."""
        self.deliveries.drop(ledger.partition, message.id, entry)
        _no_longer_in_doubt(entry)
        if gateway == entry.gateway:
            entry.done.update(outcome.parts)
        elif isinstance(outcome, Accepted):
            entry.former += entry.done.values()
            entry.gateway, entry.done, entry.reported = gateway, dict(outcome.parts), {}
        else:
            entry.former += outcome.parts.values()
        if isinstance(outcome, Accepted):
            self._say(ledger, message, entry, "accepted", "", "", now_ms)
            line = self.router.lines[entry.gateway]
            entry.state = "accepted" if line.reports and entry.done else "settled"
        elif isinstance(outcome, Refused) and not outcome.parts and not entry.doubtful:
            entry.state = "settled"
            self._say(ledger, message, entry, "failed", outcome.error, outcome.code, now_ms)
            letter = dead_letter_of(message, entry, outcome.error, outcome.code, now_ms)
            ledger.dead_letter(letter)
        ledger.write(message.id, entry)
        if entry.state != "settled":
            self.deliveries.expect(ledger, message.id, entry, now_ms)

    def _accepted(self, ledger: Ledger, message: Outgoing, now_ms: int, attempts: int = 1) -> None:
        message.attempts += attempts
        line = self.router.lines[message.gateway]
        if line.reports and not message.parts:
            message.doubtful += 1  # a report will name an id that nobody knows
        state: State = "accepted" if line.reports and message.parts else "settled"
        entry = self._entry(message, state, now_ms)
        ledger.receipt(receipt_of(message.id, ledger.partition, entry, "accepted", now_ms))
        self._finish(ledger, message, entry)
        if entry.state == "accepted":
            self.deliveries.expect(ledger, message.id, ledger.open[message.id], now_ms)

    def _unknown(self, ledger: Ledger, message: Outgoing, code: str, now_ms: int) -> None:
        line = self.router.lines.get(message.gateway)
        message.doubtful += 1
        message.doubted, message.doubt_ms = message.gateway, message.sent_ms
        if line is None or line.policy(message.reminder.mandatory) == "at_most_once":
            self._give_up_uncertain(ledger, message, code, now_ms)
            return
        message.attempts += 1
        if line.idempotent:
            message.pinned = line.name
        self._retry(ledger, message, ErrorClass.TRANSIENT, code, 0, now_ms)
        self._hope(ledger, message, now_ms)

    def _give_up_uncertain(self, ledger: Ledger, message: Outgoing, code: str, now_ms: int) -> None:
        """It is unknown whether a gateway accepted the message. It stays open, because an answer
        may still come."""
        entry = self._entry(message, self._open_end(message), now_ms)
        self._say(ledger, message, entry, "uncertain", "unknown", code, now_ms)
        self._finish(ledger, message, entry)
        self._hope(ledger, message, now_ms)

    def _open_end(self, message: Outgoing) -> State:
        """The state of a message in doubt that is not sent any more."""
        line = self.router.lines.get(message.gateway)
        return "uncertain" if line is not None and line.reports else "settled"

    def _hope(self, ledger: Ledger, message: Outgoing, now_ms: int) -> None:
        """A report can settle a message in doubt; it may have come already."""
        line = self.router.lines.get(message.gateway)
        entry = ledger.open.get(message.id)
        if entry is not None and line is not None and line.reports:
            self.deliveries.expect(ledger, message.id, entry, now_ms)

    def _refused(self, ledger: Ledger, message: Outgoing, refused: Refused, now_ms: int) -> None:
        if refused.error not in (ErrorClass.UNREACHABLE, ErrorClass.THROTTLED):
            message.attempts += 1
        if refused.error is ErrorClass.PERMANENT:
            self._give_up(ledger, message, refused.error, refused.code, now_ms)
        else:
            wait_ms = refused.retry_after_ms
            self._retry(ledger, message, refused.error, refused.code, wait_ms, now_ms)

    def _retry(
        self,
        ledger: Ledger,
        message: Outgoing,
        error: ErrorClass,
        code: str,
        least_ms: int,
        now_ms: int,
    ) -> None:
        if error is ErrorClass.TRANSIENT and message.attempts >= self._backoff.max_attempts:
            self._give_up(ledger, message, error, code, now_ms)
            return
        if error is ErrorClass.TRANSIENT:
            wait_ms = self._backoff.wait_ms(message.attempts, self._chance())
        else:
            wait_ms = UNSENT_WAIT_MS
        ready_ms = now_ms + max(wait_ms, least_ms)
        ledger.write(message.id, self._entry(message, "retry", now_ms))
        self.queues.retry(message, ready_ms)

    def _give_up(
        self, ledger: Ledger, message: Outgoing, error: ErrorClass, code: str, now_ms: int
    ) -> None:
        # One of several attempts may have been accepted without an answer.
        status: Status = "uncertain" if message.doubtful else "failed"
        state = self._open_end(message) if message.doubtful else "settled"
        entry = self._entry(message, state, now_ms)
        self._say(ledger, message, entry, status, error, code, now_ms)
        ledger.dead_letter(dead_letter_of(message, entry, error, code, now_ms))
        self._finish(ledger, message, entry)
        self._hope(ledger, message, now_ms)

    def _expire(self, ledger: Ledger, message: Outgoing, now_ms: int) -> None:
        if message.doubtful:
            self._give_up_uncertain(ledger, message, "expired", now_ms)
            return
        entry = self._entry(message, "settled", now_ms)
        self._say(ledger, message, entry, "expired", "", "", now_ms)
        if message.trace:
            ledger.settled(expired_of(message))
        self._finish(ledger, message, entry)

    def _say(
        self,
        ledger: Ledger,
        message: Outgoing,
        entry: JournalEntry,
        status: Status,
        error: str,
        code: str,
        now_ms: int,
    ) -> None:
        receipt = receipt_of(message.id, ledger.partition, entry, status, now_ms, error, code)
        ledger.receipt(receipt)

    def _finish(self, ledger: Ledger, message: Outgoing, entry: JournalEntry) -> None:
        ledger.write(message.id, entry)
        del ledger.messages[message.id]
        self.queues.finish(message)
        ledger.cursors[message.lane, message.origin.topic].done(message.origin.offset)

    def _entry(self, message: Outgoing, state: State, now_ms: int) -> JournalEntry:
        return JournalEntry(
            state=state,
            forget_ms=max(message.expires_ms, now_ms) + FORGET_MS,
            gateway=message.gateway,
            attempts=message.attempts,
            done=dict(message.parts),
            facts=facts_of(message, self.hashes),
            doubtful=message.doubtful,
            sent_ms=message.sent_ms,
            doubted=message.doubted,
            doubt_ms=message.doubt_ms,
            former=list(message.former),
            trace=[one.decode("ascii") for _, one in message.trace] if message.is_submit else [],
        )

    def _know(self, message: Outgoing, outcome: Outcome, now_ms: int) -> None:
        """Remember the ids of an answer, also if the message is not here any more."""
        self.deliveries.know(outcome.parts.values(), max(message.expires_ms, now_ms) + FORGET_MS)

    def _is_expired(self, message: Outgoing, now_ms: int) -> bool:
        return self._honour_expiry and now_ms >= message.expires_ms


def _through(message: Outgoing, gateway: str) -> None:
    """The message goes through this gateway now."""
    if message.gateway != gateway:
        # Half of it through another network would arrive as two messages.
        message.former += message.parts.values()
        message.parts = {}
    message.gateway = gateway


def _no_longer_in_doubt(message: Outgoing | JournalEntry) -> None:
    """An attempt in doubt was answered. Nobody knows any more where and when the others were."""
    message.doubtful = max(message.doubtful - 1, 0)
    message.doubted, message.doubt_ms = "", 0
