"""Decodes records, applies them with the core, stores rows and emits effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from streamproc.canaries import CANARY_KEY
from streamproc.contracts.records.codec import DecodeFailure, decode_event, encode_effect
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.instants import LAST_ARRIVAL_MS, from_ms
from streamproc.core.privacy import conceal, mask
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state import account as account_row
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Audited, Effect, Rejected, Reminder, rejected
from streamproc.core.state.events import Arrival, ClockAdvanced, SubscriberEvent
from streamproc.core.step.advancing import adopt_rules
from streamproc.core.step.next_due import turn_of
from streamproc.core.step.transition import advance, refusal, step
from streamproc.core.usage.ages import adopt_limits
from streamproc.core.usage.dedupe import move_old_ids
from streamproc.engine.cluster import UnreadBatch
from streamproc.engine.processor import Outbox, PoisonError
from streamproc.engine.rows import Rows
from streamproc.tracing.context import NO_TRACE, TraceHeaders, trace_of
from streamproc.tracing.spans import Tracer
from streamproc.worker.catching_up import (
    SLICE_MS,
    LeapWarnings,
    catch_up,
    is_far_behind,
)
from streamproc.worker.counting import (
    USAGE,
    Told,
    ToldCounts,
    note_reminder,
    note_since,
    note_transport,
)
from streamproc.worker.native_bridge.crossed import NativeCrossing, effects_of
from streamproc.worker.native_bridge.loading import is_native, new_ids, plain_usage
from streamproc.worker.native_bridge.taught_words import Teacher
from streamproc.worker.outlets import outlets
from streamproc.worker.pacing import StormPace
from streamproc.worker.placement import Placement
from streamproc.worker.reject_warnings import RejectWarnings
from streamproc.worker.settings import Clock, Native
from streamproc.worker.traced import ChunkSpans, EventSpan
from streamproc.worker.what_rules_lack import sources_of, what_rules_lack

log = structlog.get_logger(__name__)

SWEEP_ROWS_PER_TICK = 100
"""Two thousand rows a second and partition. A sweep also begins with every assignment, when waiting
input must be processed, so it must not take long."""

APPLIED = "applied"
FORWARDED = "forwarded"
OTHER_OUTCOMES = frozenset({"held", "duplicate"})
"""Decisions that are the result of an input record; rejects are results too."""

PARKED_AHEAD_MS = 60_000
"""A message due this soon after a cycle's end waits for it among those of the storm, not in the due
queue."""


class InputPartition(NamedTuple):
    """The part of the input from which records come, with what they change and send."""

    topic: str
    partition: int
    rows: Rows[Account]
    outbox: Outbox


class CausingRecord(NamedTuple):
    """A record of an input topic: effects are sent while it is applied."""

    topic: str
    record: Any


class QuotaProcessor:
    """The engine's ``Processor`` for subscribers' accounts."""

    def __init__(
        self,
        rules: Rulebook,
        topics: WorkerTopics,
        clock: Clock,
        native: Native = "auto",
        placement: Placement | None = None,
        warnings: RejectWarnings | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """``placement`` is None if the number of partitions is unknown. ``warnings``: of rejects;
        tools have their own reports. ``tracer``: None makes no spans."""
        self._tracer = tracer
        self._span: EventSpan | None = None
        """The span of the event that is being applied."""
        self._warnings = warnings
        self._leaps = LeapWarnings()
        self.counts: Counter[str] = Counter()
        """Counts since the start: ``events``, the records of each output topic by its field of
        :class:`WorkerTopics`, and ``wrong_partition``: records that were rejected or forwarded
        because of their partition."""
        self.canary_events = 0
        """Records of canaries among ``events``."""
        self._canaries: Counter[str] = Counter()
        """Records of canaries in the present chunk, by what applied them."""
        self._canary_keys: WeakKeyDictionary[Rows[Account], set[bytes]] = WeakKeyDictionary()
        """Keys under which a partition may have rows of canaries."""
        self._placement = placement or Placement()
        self._forwarded = topics.forwarded
        self.is_native = is_native(native)
        """Whether the compiled part is used."""
        self._outlets = outlets(topics)
        self._event_clock = clock == "event"
        self.lateness_counts = clock == "wall"
        """Whether late reminders are audited as missed. Not in a replay: the worker that ran at
        that time was not late, as far as anyone can know."""
        self._aside_records: set[tuple[str, int, int]] = set()
        self._aside_keys: set[bytes] = set()
        # The rows are weak keys: when a partition closes, its entries here go with its rows.
        self._sweeps: WeakKeyDictionary[Rows[Account], _Sweep] = WeakKeyDictionary()
        self._paces: WeakKeyDictionary[Rows[Account], StormPace] = WeakKeyDictionary()
        self.take_rules(rules)

    def take_rules(self, rules: Rulebook) -> None:
        """Use these rules from now on."""
        self.rules = rules
        self._sources = sources_of(rules)
        self._told: set[str] = set()
        self._told_counts = ToldCounts()
        self._limited: WeakSet[Rows[Account]] = WeakSet()
        """Partitions that have applied the limits of these rules."""
        self._plain = (
            plain_usage(rules, event_clock=self._event_clock, partitions=self._placement.partitions)
            if self.is_native
            else None
        )
        self._teacher = Teacher(self._plain, rules)

    def new_rows(self) -> Rows[Account]:
        """Rows of a partition; packed at every change if the compiled part works on them."""
        ids = new_ids(self.is_native)
        # Timers are never past input that waits, nor past the worker's clock.
        ids.forgets_with_arrivals = self._event_clock
        return Rows(self, eager=self.is_native, ids=ids)

    # RowCodec
    pack = staticmethod(account_row.pack)
    unpack = staticmethod(account_row.unpack)

    @staticmethod
    def due_ms(row: Account) -> int:
        return row.next_due_ms

    def apply(
        self,
        topic: str,
        partition: int,
        records: Sequence[Any],
        rows: Rows[Account],
        outbox: Outbox,
        clock_ms: int,
    ) -> int:
        """Apply records of one partition in order; returns the partition's clock afterwards."""
        self._canaries.clear()
        clock_ms = self._apply(InputPartition(topic, partition, rows, outbox), records, clock_ms)
        if self._canaries:
            self._leave_out_canaries(outbox)
        return clock_ms

    def _leave_out_canaries(self, outbox: Outbox) -> None:
        """Records of canaries were counted with the others of their chunk."""
        for by, count in self._canaries.items():
            outbox.counts["applied", by] -= count
            outbox.counts["events", APPLIED] -= count
            self.canary_events += count
        self._canaries.clear()

    def _apply(self, part: InputPartition, records: Sequence[Any], clock_ms: int) -> int:
        outbox = part.outbox
        self.counts["events"] += len(records)
        outbox.counts["events", APPLIED] += len(records)
        if self.lateness_counts and not _is_canary(records[-1].key):
            note_transport(outbox, records[-1])
        self._adopt_limits(part.rows, clock_ms)
        spans = None
        if self._tracer is not None and self._tracer.is_ready:
            spans = ChunkSpans(self._tracer, part.topic, part.partition, records)
        clock_ms, left = self._apply_run(part, records, clock_ms, spans)
        if spans is not None:
            spans.end(outbox)
        if left:
            self._leave(outbox, left)
        return clock_ms

    def _apply_run(
        self, part: InputPartition, records: Sequence[Any], clock_ms: int, spans: ChunkSpans | None
    ) -> tuple[int, int]:
        """Returns the partition's clock afterwards, and how many of the last records wait for a
        commit."""
        # The compiled part does not know which records are set aside.
        plain = None if self._aside_records else self._plain
        topic, partition, rows, outbox = part
        at, count, by_core, in_spans = 0, len(records), 0, 0
        told: list[Told] = []
        while True:
            if plain is not None:
                end, stops = count, False
                if spans is not None:
                    end, stops = spans.next(at), spans.stops_at_sampled
                at, clock_ms, crossed = plain.apply(
                    records,
                    at,
                    end,
                    rows.stored,
                    rows.changed,
                    rows.ids,
                    told,
                    topic,
                    partition,
                    clock_ms,
                    stops,
                )
                # These messages belong to records before the crossing one, so they come first.
                if told:
                    # The compiled part does not tell when each record arrived.
                    self._emit_told(outbox, told, records[0].timestamp)
                    told.clear()
                if crossed is not None:
                    crossing = NativeCrossing(*crossed)
                    self._tell(part, records[at - 1], crossing)
                    continue
            if at >= count:
                break
            record = records[at]
            if spans is not None and spans.may_have(at, record):
                # What is sent meanwhile is caused by this event.
                span = self._span = spans.begin(at, record)
                try:
                    clock_ms, left = self._apply_run(part, [record], clock_ms, None)
                finally:
                    self._span = None
                if left:
                    break
                if span is not None:
                    spans.made.append(span)
                    span.end()
                in_spans += 1
            else:
                # The compiled part stops at a record that it does not know, and the core applies
                # that record.
                after_ms = self._apply_one(part, record, clock_ms)
                if after_ms is None:
                    break
                clock_ms = after_ms
                by_core += 1
            at += 1
        if by_core:
            outbox.counts["applied", "core"] += by_core
        if at > by_core + in_spans:
            outbox.counts["applied", "compiled"] += at - by_core - in_spans
        return clock_ms, count - at

    def _leave(self, outbox: Outbox, count: int) -> None:
        """The last records of a chunk wait for a commit."""
        outbox.left_records = count
        self.counts["events"] -= count
        outbox.counts["events", APPLIED] -= count

    def _adopt_limits(self, rows: Rows[Account], clock_ms: int) -> None:
        """Before the first event under other limits: what counted before was remembered less."""
        if rows not in self._limited:
            self._limited.add(rows)
            adopt_limits(rows.ids, self.rules.limits, clock_ms)

    def _tell(self, part: InputPartition, record: Any, crossed: NativeCrossing) -> None:
        """Make the messages of usage that the compiled part has applied."""
        topic, partition, rows, outbox = part
        key: bytes = record.key
        if _is_canary(key):
            self._canaries["compiled"] += 1
        account = rows.get(key)
        try:
            assert account is not None
            effects = effects_of(crossed, account, key, topic, partition, record.offset, self.rules)
        except Exception as error:
            raise PoisonError((topic, partition, record.offset)) from error
        self._emit(outbox, key, effects, CausingRecord(topic, record))
        self._teacher.teach(account, max(account.clock_ms, crossed.received_ms))

    def _apply_one(self, part: InputPartition, record: Any, clock_ms: int) -> int | None:
        """Returns the partition's clock afterwards; None if the record waits for a commit."""
        if not _is_canary(record.key):
            return self._apply_record(part, record, clock_ms)
        with part.outbox.uncounted():
            after_ms = self._apply_record(part, record, clock_ms)
        if after_ms is not None:
            self._canaries["core"] += 1
        if part.rows in self._canary_keys:
            self._canary_keys[part.rows].add(record.key)
        return after_ms

    def _apply_record(self, part: InputPartition, record: Any, clock_ms: int) -> int | None:
        topic, partition, rows, outbox = part
        # A timestamp of -1 means that the record has none.
        received_ms = max(record.timestamp, 0)
        if received_ms >= LAST_ARRIVAL_MS:
            # For example nanoseconds. Such a time would stop the worker, or its clock for ever.
            detail = "the record's own timestamp is after the year 2099"
            arrival = Arrival(clock_ms, topic, partition, record.offset)
            self._reject(outbox, "time_in_future", detail, arrival)
            return clock_ms
        if received_ms > clock_ms:
            clock_ms = received_ms
        elif self._event_clock:
            # Time never runs backwards, or the result would depend on when a timer ran (law 5).
            received_ms = clock_ms
        arrival = Arrival(received_ms, topic, partition, record.offset)
        if self._aside_records and (topic, partition, record.offset) in self._aside_records:
            self._reject(outbox, "internal_error", "the record could not be applied", arrival)
            return clock_ms
        key = record.key
        if isinstance(record, UnreadBatch):
            self._reject(outbox, "oversized", record.fault, arrival)
            return clock_ms
        try:
            event = decode_event(record.value, key, record.headers)
        except DecodeFailure as failure:
            self._reject(outbox, failure.reason, failure.detail, arrival, failure.event_id)
            return clock_ms
        if isinstance(event, ClockAdvanced):
            return clock_ms
        right = self._placement.elsewhere(key, partition)
        if right is not None:
            self._take_misplaced(event, record, arrival, right, outbox)
            return clock_ms
        try:
            account = rows.get(key)
        except msgspec.DecodeError:
            detail = "the subscriber's state record cannot be read; run streamproc verify"
            shown = conceal(event.id, event.subscriber)
            self._reject(outbox, "state_unreadable", detail, arrival, shown)
            return clock_ms
        try:
            if (
                account is not None
                and is_far_behind(account, arrival.received_ms)
                and refusal(event, arrival, self.rules, rows.ids) is None
            ):
                account, is_there = self._catch_up(part, key, account, event, arrival)
                if not is_there:
                    return None
            after, effects = step(account, event, arrival, self.rules, rows.ids)
        except Exception as error:
            raise PoisonError((topic, partition, record.offset)) from error
        # Nothing is stored for a subscriber who is unknown before and after the event.
        if after is not None or account is not None:
            rows.put(key, after)
        if effects:
            self._emit(outbox, key, effects, CausingRecord(topic, record))
            _count_outcome(outbox, effects, arrival.offset)
            pace = self._paces.get(rows) if self.rules.storms.rate_per_second else None
            if pace is not None:
                # Messages that were due before the event were sent with it, without waiting
                # for their turn.
                pace.spend(sum(_is_timed(effect) for effect in effects))
        return clock_ms

    def _catch_up(
        self,
        part: InputPartition,
        key: bytes,
        account: Account,
        event: SubscriberEvent,
        arrival: Arrival,
    ) -> tuple[Account | None, bool]:
        """Do what is due long before a record. Returns the row, and whether the record is next."""
        rows, outbox = part.rows, part.outbox
        if outbox.is_full:
            return account, False
        self._leaps.note(account, arrival)

        def emit(after: Account | None, effects: list[Effect]) -> bool:
            rows.put(key, after)
            self._emit(outbox, key, effects)
            return not outbox.is_full

        return catch_up(account, event, arrival.received_ms, self.rules, rows.ids, emit)

    def _take_misplaced(
        self, event: SubscriberEvent, record: Any, arrival: Arrival, right: int, outbox: Outbox
    ) -> None:
        """Forward or refuse a record whose subscriber's state is in another partition."""
        self.counts["wrong_partition"] += 1
        copy = self._placement.copy_of(record, arrival)
        source = conceal(event.source, event.subscriber)
        self._placement.warn(source, arrival, right, is_forwarded=copy is not None)
        if copy is None:
            detail = self._placement.detail(arrival, right)
            reject = rejected("wrong_partition", detail, event, arrival)
            self._emit(outbox, None, (reject,))
            _count_outcome(outbox, (reject,), arrival.offset)
            return
        self.counts["forwarded"] += 1
        outbox.put_copy(self._forwarded, right, copy)
        # ``apply()`` has counted all its records as applied, also this one.
        outbox.counts["events", APPLIED] -= 1
        outbox.counts["events", FORWARDED] += 1

    def tick(
        self, rows: Rows[Account], outbox: Outbox, clock_ms: int, now_ms: int, limit: int
    ) -> None:
        """Do the work due by the wall clock, or in a replay by the partition's own clock."""
        if self._event_clock:
            now_ms = clock_ms
        self._adopt_limits(rows, clock_ms)
        rows.ids.expire(now_ms)
        self._sweep(rows, now_ms)
        pace = self._pace_of(rows)
        if rows.next_due_ms > now_ms and (pace is None or pace.is_empty):
            return
        # All of them first. A row that is due again by now waits for the next tick, whether rows
        # are packed at every change or by the commit: so the order of messages is the same.
        for key in dict.fromkeys(rows.pop_due(now_ms, limit)):
            account = _readable(rows, key)
            if account is None or key in self._aside_keys or self._is_misplaced(rows, key):
                continue
            # A canary does not wait for its turn among the customers.
            if pace is None or _is_canary(key):
                self._advance(rows, outbox, key, account, self._slice_end(account, now_ms))
            elif not self._park(pace, key, account, now_ms):
                # Only one instant: messages after it may have to wait for their turn. They
                # wait in the storm's order, not behind a million accounts whose cycles must
                # still be closed.
                after, _ = self._advance(rows, outbox, key, account, account.next_due_ms)
                if after is not None:
                    self._park(pace, key, after, now_ms + PARKED_AHEAD_MS)
        if pace is not None:
            self._send_paced(rows, outbox, pace, now_ms, limit)

    def _slice_end(self, account: Account, now_ms: int) -> int:
        """Until when one tick advances a row. In a replay a row never goes far at once.

        A record that is stamped years ahead moves the clock of a replay by years. The messages of
        years, of all rows, would be made in one tick and wait for one commit. What is left is due
        at the next tick. The result is the same: a replay is never late.
        """
        if not self._event_clock:
            return now_ms
        return min(now_ms, account.next_due_ms + SLICE_MS)

    def _pace_of(self, rows: Rows[Account]) -> StormPace | None:
        """The storm of a partition; None if there is no rate to keep. A replay has none."""
        if self._event_clock or not self.rules.storms.rate_per_second:
            return None
        pace = self._paces.get(rows)
        if pace is None:
            pace = self._paces[rows] = StormPace()
        return pace

    def _park(self, pace: StormPace, key: bytes, account: Account, until_ms: int) -> bool:
        """Let a row wait for its turn; False if it has no message due by then."""
        if account.next_due_ms > until_ms:
            return False
        turn = turn_of(account, key.decode(), self.rules)
        if turn is not None:
            pace.park(turn.urgency, account.next_due_ms, turn.deadline_ms, key)
        return turn is not None

    def _send_paced(
        self, rows: Rows[Account], outbox: Outbox, pace: StormPace, now_ms: int, limit: int
    ) -> None:
        pace.refill(now_ms, self.rules.storms.rate_per_second)
        for _ in range(limit):
            key = pace.next_key(now_ms)
            if key is None:
                break
            account = _readable(rows, key)
            if account is not None and account.next_due_ms <= now_ms:
                _, reminders = self._advance(rows, outbox, key, account, now_ms)
                pace.spend(reminders)

    def _advance(
        self, rows: Rows[Account], outbox: Outbox, key: bytes, account: Account, now_ms: int
    ) -> tuple[Account | None, int]:
        """Do the due work of a row; returns the row afterwards, and the number of reminders."""
        try:
            after, effects = advance(
                account,
                key.decode(),
                now_ms,
                self.rules,
                rows.ids,
                lateness_counts=self.lateness_counts,
            )
        except Exception as error:
            raise PoisonError(key=key) from error
        rows.put(key, after)
        self._emit(outbox, key, effects)
        return after, sum(type(effect) is Reminder for effect in effects)

    def customers_in(self, rows: Rows[Account]) -> int:
        """How many rows of a partition are of customers, and not of canaries."""
        known = self._canary_keys.get(rows)
        if known is None:
            # Once: later ones pass by here, because only the core makes accounts.
            known = {key for key in rows.stored if _is_canary(key)}
            self._canary_keys[rows] = known
        return len(rows.stored) - sum(key in rows.stored for key in known)

    def storm_of(self, rows: Rows[Account]) -> StormPace | None:
        """The order of the messages of a partition that wait for their turn; None if none ever
        did."""
        return self._paces.get(rows)

    @property
    def epoch(self) -> int:
        """The rules in force."""
        return self.rules.fingerprint

    def set_aside(self, poison: PoisonError) -> None:
        """Reject this record, or skip this row's due work, when it comes again."""
        if poison.record is not None:
            self._aside_records.add(poison.record)
        if poison.key is not None:
            self._aside_keys.add(poison.key)

    def _sweep(self, rows: Rows[Account], now_ms: int) -> None:
        """After a change of rules, queue accounts again that no event touches, some of them per
        tick."""
        fingerprint = self.rules.fingerprint
        found = self._sweeps.get(rows)
        if found is None or found.fingerprint != fingerprint:
            found = _Sweep(fingerprint, now_ms, iter(list(rows.stored)))
            self._sweeps[rows] = found
        if found.is_over:
            return
        keys = list(islice(found.keys, SWEEP_ROWS_PER_TICK))
        if len(keys) < SWEEP_ROWS_PER_TICK:
            found.is_over = True
        for key in keys:
            if self._is_misplaced(rows, key):
                found.misplaced += 1
                continue
            account = _readable(rows, key)
            if account is None:
                continue
            self._tell_what_rules_lack(account)
            is_changed = move_old_ids(account, key.decode(), rows.ids, self.rules.limits)
            # Only rows that were scheduled with other rules are calculated again.
            if account.rules_id != fingerprint:
                due_before = account.next_due_ms
                adopt_rules(account, key.decode(), found.since_ms, self.rules)
                is_changed = is_changed or account.next_due_ms != due_before
            if is_changed:
                rows.put(key, account)
        if found.is_over and found.misplaced:
            self._placement.log_accounts(rows.partition, found.misplaced)

    def _is_misplaced(self, rows: Rows[Account], key: bytes) -> bool:
        """Whether a row is in another partition than its key belongs to.

        An earlier release put it there. It must not make messages: the account can exist in its own
        partition too, and both would make reminders with the same ids.
        """
        return self._placement.elsewhere(key, rows.partition) is not None

    def _tell_what_rules_lack(self, account: Account) -> None:
        """Log once per name: the account has a plan or pack that the rules file lacks
        (docs/rules.md)."""
        for kind, name in what_rules_lack(account, self.rules, self._sources):
            if name not in self._told:
                self._told.add(name)
                log.critical(
                    "subscribers have something that the rules file lacks: put it back",
                    kind=kind,
                    name=name,
                )

    def _emit(
        self,
        outbox: Outbox,
        key: bytes | None,
        effects: list[Effect] | tuple[Effect, ...],
        sent_with: CausingRecord | None = None,
    ) -> None:
        """``sent_with``: the record that is being applied; None if it is time alone."""
        if _is_canary(key):
            with outbox.uncounted():
                self._send(outbox, key, effects, None, sent_with)
        else:
            self._send(outbox, key, effects, self._warnings, sent_with)

    def _send(
        self,
        outbox: Outbox,
        key: bytes | None,
        effects: list[Effect] | tuple[Effect, ...],
        warnings: RejectWarnings | None,
        sent_with: CausingRecord | None,
    ) -> None:
        counts = self.counts
        for effect in effects:
            outlet = self._outlets[type(effect)]
            counts[outlet.name] += 1
            trace = NO_TRACE
            if isinstance(effect, Reminder):
                trace = self._trace_of(effect, sent_with)
                note_reminder(outbox, effect, self.lateness_counts)
            elif isinstance(effect, Audited):
                outbox.counts["decisions", effect.decision] += 1
            elif isinstance(effect, Rejected):
                outbox.counts["rejects", effect.reason] += 1
                if self._span is not None:
                    self._span.refused = effect.reason
                if warnings is not None:
                    warnings.note(effect)
            key_of = key if outlet.is_keyed else None
            outbox.put(outlet.topic, key_of, encode_effect(effect), trace)

    def _trace_of(self, reminder: Reminder, sent_with: CausingRecord | None) -> TraceHeaders:
        """The trace of the event that caused a reminder. What was due before the event is sent
        with it, too, and is not part of its trace."""
        if sent_with is None:
            return NO_TRACE
        (topic, record), cause = sent_with, reminder.cause
        if cause.offset != record.offset or cause.topic != topic:
            return NO_TRACE
        if self._span is not None:
            return self._span.send(self._outlets[Reminder].topic)
        return trace_of(record.headers, record.value)

    def _emit_told(self, outbox: Outbox, told: list[Told], since_ms: int) -> None:
        """Emit reminders of the compiled part, each with its audit record ``fired``.

        ``since_ms``: the arrival from which their time is measured.
        """
        reminders, audit = (self._outlets[kind] for kind in (Reminder, Audited))
        counted = [one for one in told if not _is_canary(one[0])]
        self._canaries["compiled"] += len(told) - len(counted)
        self._told_counts.note(outbox, counted)
        outbox.counts["decisions", "fired"] += len(counted)
        if self.lateness_counts and counted:
            note_since(outbox, USAGE, since_ms, len(counted))
        for key, reminder, fired, headers in told:
            trace = trace_of(headers) if self._span is None else self._span.send(reminders.topic)
            outbox.put(reminders.topic, key, reminder, trace)
            outbox.put(audit.topic, key, fired)
        self.counts[reminders.name] += len(told)
        self.counts[audit.name] += len(told)

    def _reject(
        self,
        outbox: Outbox,
        reason: str,
        detail: str,
        arrival: Arrival,
        event_id: str | UnsetType = UNSET,
    ) -> None:
        reject = Rejected(
            reason,
            detail,
            arrival.topic,
            arrival.partition,
            arrival.offset,
            from_ms(arrival.received_ms),
            event_id,
        )
        self._emit(outbox, None, (reject,))
        _count_outcome(outbox, (reject,), arrival.offset)


def _count_outcome(outbox: Outbox, effects: list[Effect] | tuple[Effect, ...], offset: int) -> None:
    """Count a record under its result, if that differs from the one its chunk was counted under.

    Effects of earlier records that were due by now name another offset.
    """
    of: int | UnsetType
    for effect in effects:
        if isinstance(effect, Rejected):
            outcome, of = "rejected", effect.offset
        elif isinstance(effect, Audited) and effect.decision in OTHER_OUTCOMES:
            outcome, of = effect.decision, effect.cause.offset
        else:
            continue
        if of == offset:
            outbox.counts["events", APPLIED] -= 1
            outbox.counts["events", outcome] += 1
            return


@dataclass
class _Sweep:
    """The progress of a sweep through a partition's rows after a change of rules."""

    fingerprint: int
    since_ms: int
    keys: Iterator[bytes]
    misplaced: int = 0
    """Rows that belong to other partitions."""
    is_over: bool = False


def _is_canary(key: bytes | None) -> bool:
    """Whether a record or row is of a canary: it is applied as all others, and not counted."""
    return key is not None and key.startswith(CANARY_KEY)


def _is_timed(effect: Effect) -> bool:
    return type(effect) is Reminder and effect.cause.event_id is UNSET


def _readable(rows: Rows[Account], key: bytes) -> Account | None:
    """A row for due work. An unreadable row is left unchanged."""
    try:
        return rows.get(key)
    except msgspec.DecodeError:
        log.error(
            "a state record is unreadable; its due work is skipped", subscriber=mask(key.decode())
        )
        return None
