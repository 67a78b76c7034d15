"""One replay: read, select, shift, wait, write, commit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from streamproc.errors import StreamprocError
from streamproc.kafka.exactly_once import ExactlyOnceProducer
from streamproc.kafka.recording import LogRecord
from streamproc.kafka.recording.record_lines import from_line
from streamproc.kafka.topic_watch import PartitionsChangedError
from streamproc.tools.replay.pace import FLAT_SLICE_RECORDS, Control, ReplayPace
from streamproc.tools.replay.selection import Selection, iso, shifted
from streamproc.tools.replay.sources import FileSource, Position, Source

LONGEST_NAP_SECONDS = 0.1
EVERYTHING = Selection()


class WrongSourceError(StreamprocError, ValueError):
    """The id belongs to a replay of another source."""


@dataclass(frozen=True)
class ReplayPlan:
    """What to do with the records."""

    selection: Selection = EVERYTHING
    transform: Callable[[LogRecord], LogRecord] | None = None
    speed: float | None = None
    """1 is the recorded pace; None is as fast as possible."""
    advance_clock_ms: int | None = None
    """After the last record, tell every partition that this much time has passed."""
    slice_records: int = FLAT_SLICE_RECORDS
    """The largest number of records in a transaction."""
    again: bool = False
    """Start from the beginning even if an earlier run left a position."""


class Replay:
    """A replay in progress. The next commit stores ``position``."""

    def __init__(
        self, source: Source, producer: ExactlyOnceProducer, plan: ReplayPlan, control: Control
    ) -> None:
        """Continues at the position of an earlier run with the producer's name.

        Raises :class:`WrongSourceError` if that run had another source, and
        ``PartitionsChangedError`` if the topic had another number of partitions then.
        """
        self._source = source
        self._producer = producer
        self._plan = plan
        self._control = control
        self._pace = ReplayPace(plan.speed, plan.slice_records)
        stored = producer.position(Position)
        # A position is a place in one source. In another source it is the place of other records.
        if stored is not None and stored.source != source.identity and not plan.again:
            raise WrongSourceError(
                f"{producer.name} was a replay of another source (or the file has changed); give "
                "another --id, or --again to start from the beginning with this one"
            )
        self.resumed = stored is not None and not plan.again
        self.position = stored if stored is not None and self.resumed else source.begin()
        before, now = self.position.partitions, producer.bulk.partitions
        if before not in (0, now):
            raise PartitionsChangedError(producer.topic, before, now)
        self.position.partitions = now
        self.on_pause: Callable[[], None] = lambda: None
        """Called when a pause begins. Everything so far is committed then."""
        self.look: Callable[[], None] = lambda: None
        """Called often. It raises what makes it wrong to continue."""

    def run(self, shift_ms: Callable[[], int] = lambda: 0) -> bool:
        """Replay to the end; False if it was stopped before. It can be killed at any time.

        ``shift_ms`` is called once, in the first run. Later runs use the same result.
        """
        position = self.position
        if position.done:
            return True
        if not self.resumed:
            position.shift_ms = shift_ms()
        if not (self._run_plainly() if self._is_plain() else self._run_by_record()):
            return False
        if self._plan.advance_clock_ms is not None:
            self._advance_clock(self._plan.advance_clock_ms)
        position.done = True
        self.look()
        self._producer.commit(position)
        self._producer.settle()
        return True

    def _run_by_record(self) -> bool:
        for record in self._selected(self._source.records(self.position)):
            if self._pace.ends_slice(record.timestamp_ms):
                self.look()  # before the commit: what was written wrongly is never visible
                self._producer.commit(self.position)
                if not self._wait_while_paused():
                    return False
            if not self._wait_until_due(record.timestamp_ms):
                return False
            self._write(record)
        return True

    def _is_plain(self) -> bool:
        """Whether every record is written at once and unchanged: this case must be fast."""
        plan = self._plan
        return (
            isinstance(self._source, FileSource)
            and plan.speed is None
            and plan.transform is None
            and plan.selection.test() is None
            and not self.position.shift_ms
        )

    def _run_plainly(self) -> bool:
        """The same as :meth:`_run_by_record` for this case, without a call for each step."""
        assert isinstance(self._source, FileSource)
        position, pace = self.position, self._pace
        # Local names, because the inner loop runs once per record and look-ups cost time.
        append, append_keyed = self._producer.append, self._producer.bulk.append_keyed
        last_ms = position.last_ms
        for lines in self._source.reader.blocks(position.records):
            for part in pace.slices(lines):
                if part.begins:
                    # The records before a pause are committed, so that a stop during the pause
                    # loses nothing.
                    self.look()
                    self._producer.commit(position)
                    if not self._wait_while_paused():
                        return False
                for line in part.lines:
                    key, value = line.key, line.value
                    if key is None or value is None or line.headers is not None:
                        record = from_line(line)
                        place = self._partition(record)
                        append(place, *record[:3], list(record.headers))
                    else:
                        append_keyed(key.encode(), value.encode(), line.timestamp_ms)
                    if line.timestamp_ms > last_ms:
                        last_ms = line.timestamp_ms
                position.records += len(part.lines)
                position.sent += len(part.lines)
                position.last_ms = last_ms
        return True

    def _selected(self, records: Iterator[LogRecord]) -> Iterator[LogRecord]:
        """The selected records; the others are only counted."""
        takes = self._plan.selection.test()
        if takes is None:
            yield from records
            return
        for record in records:
            if takes(record):
                yield record
            else:
                self.position.passed(record)

    def _write(self, record: LogRecord) -> None:
        position, producer = self.position, self._producer
        position.passed(record)
        position.sent += 1
        out = record
        if self._plan.transform is not None:
            out = self._plan.transform(out)
        if position.shift_ms:
            out = shifted(out, position.shift_ms)
        position.last_ms = max(position.last_ms, out.timestamp_ms)
        partition = self._partition(out)
        producer.append(partition, out.key, out.value, out.timestamp_ms, list(out.headers))

    def _partition(self, record: LogRecord) -> int:
        """By key, as every producer does. A record without a key goes to the partition where it was
        recorded."""
        bulk = self._producer.bulk
        if record.key is not None:
            return bulk.partition_for(record.key)
        if record.partition is not None and record.partition < bulk.partitions:
            return record.partition
        return zlib.crc32(record.value or b"") % bulk.partitions

    def _advance_clock(self, by_ms: int) -> None:
        at_ms = self.position.last_ms + by_ms
        for partition in range(self._producer.bulk.partitions):
            event = {
                "type": "clock.advanced",
                "id": f"clock-{at_ms}-{partition}",
                "source": "replay",
                "time": iso(at_ms),
            }
            self._producer.append(partition, None, orjson.dumps(event), at_ms, [])

    def _wait_until_due(self, timestamp_ms: int) -> bool:
        """Wait; False if the run was stopped while nothing was uncommitted (a slice is never
        cut)."""
        while (left := self._pace.wait_seconds(timestamp_ms)) > 0:
            if self._control.stopping and not self._producer.is_open:
                self._producer.settle()
                return False
            self._producer.bulk.release()
            self.look()
            self._control.sleep(min(left, LONGEST_NAP_SECONDS))
        return True

    def _wait_while_paused(self) -> bool:
        """Wait; False if the run was stopped."""
        control = self._control
        if control.paused or control.stopping:
            self._producer.settle()
        if control.paused:
            self.on_pause()
            while control.paused and not control.stopping:
                self.look()
                control.sleep(LONGEST_NAP_SECONDS)
            self._pace.restart()
        return not control.stopping
