"""Records live topics into a recording."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from pathlib import Path

from kafka import TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.recording import BadRecordingError, LogRecord, RecordingWriter
from streamproc.kafka.recording.frames import encode_header
from streamproc.kafka.recording.resuming import reopen
from streamproc.kafka.recording.writer import FRAME_RECORDS
from streamproc.kafka.settings import Broker
from streamproc.kafka.silence import Silence, left_to_others
from streamproc.kafka.topic_watch import TopicWatch
from streamproc.kafka.topics import readable_partitions
from streamproc.tools.replay.pace import Control
from streamproc.tools.replay.sources import open_consumer, to_log_record

FRAME_SECONDS = 1.0
"""After this time, captured records are safely in the file."""

Start = str | int
"""``latest``, ``earliest``, or a record timestamp in ms."""


class Capture:
    """Appends the committed records of topics to a file, each once, over any number of runs.

    The file contains the next offsets. So a capture that was killed continues at the end of its
    last complete frame. Nothing is missing or duplicated, as long as the topics still have the
    later records.
    """

    def __init__(
        self,
        bootstrap: Broker,
        topics: Sequence[str],
        path: Path,
        start: Start = "latest",
        transform: Callable[[LogRecord], LogRecord] | None = None,
        before_frame: Callable[[Collection[bytes]], None] | None = None,
    ) -> None:
        """``before_frame`` gets the keys of each frame.

        ``start`` applies to a new file only. Raises :class:`TopicError`, BadRecordingError.
        """
        if path.suffix != ".zst":
            raise BadRecordingError(
                f"{path}: a capture is written as zstd; give a name like FILE.zst"
            )
        self._bootstrap = bootstrap
        self._transform = transform
        self._before_frame = before_frame
        self._taken: list[LogRecord] = []
        self._clocks: dict[tuple[str | None, int | None], int] = {}
        self._consumer = open_consumer(bootstrap)
        places = self._places(topics, bootstrap)
        self.resumed = path.exists() and path.stat().st_size > 0
        if self.resumed:
            index, offsets = reopen(path)
            missing = {_name(place) for place in places} - offsets.keys()
            if missing:
                raise BadRecordingError(
                    f"{path} was started without {', '.join(sorted(missing))}; give another file"
                )
            self._writer = RecordingWriter(path, durable=True, index=index)
        else:
            # The header keeps the offsets of the start: a capture that is killed before its first
            # whole frame continues there.
            offsets = self._starts(places, start)
            self._writer = RecordingWriter(path, durable=True, header=encode_header(offsets))
        counts = Counter(place.topic for place in places)
        # Partitions that are added would be missing in the recording.
        silence, needs = Silence(bootstrap, left_to_others), dict.fromkeys(counts, ("Read",))
        self._watch = TopicWatch(bootstrap, counts, None, silence, needs)
        self._consumer.assign(places)
        for place in places:
            self._consumer.seek(place, offsets[_name(place)])

    @property
    def records(self) -> int:
        """How many records this run captured."""
        return self._writer.records + len(self._taken)

    def run(self, control: Control, *, to_end: bool, seconds: float | None = None) -> None:
        """Capture until stopped, or to the present end, or for a time."""
        places = list(self._consumer.assignment())
        # The end is fixed here. A topic that grows has no end that a capture reaches.
        ends = self._consumer.end_offsets(places) if to_end else None
        deadline = None if seconds is None else time.monotonic() + seconds
        frame_due = time.monotonic() + FRAME_SECONDS
        try:
            while not control.stopping:
                control.turn()
                self._take()
                now = time.monotonic()
                if now >= frame_due or len(self._taken) >= FRAME_RECORDS:
                    self._end_frame()
                    frame_due = now + FRAME_SECONDS
                self._watch.look_now_and_then()
                if ends and all(self._consumer.position(one) >= ends[one] for one in places):
                    break
                if deadline is not None and now >= deadline:
                    break
        except OffsetOutOfRangeError as error:
            raise TopicError(
                f"records are gone that were not captured yet ({error}); the file is whole up to "
                "there, capture into a new one"
            ) from error
        except KafkaError as error:
            raise TopicError(said(error, self._bootstrap, "Read", "recording stopped")) from error
        finally:
            self._end_frame()
            self._writer.close()
            self._consumer.close()
            self._watch.close()

    def _take(self) -> None:
        for found in self._consumer.poll(timeout_ms=200).values():
            for record in found:
                self._taken.append(to_log_record(record))

    def _end_frame(self) -> None:
        """Write the records in order of time. Polls return several records of a partition at once,
        so they are merged; the order within a partition does not change."""
        clocks = self._clocks
        keyed = []
        for record in self._taken:
            place = (record.topic, record.partition)
            clocks[place] = max(clocks.get(place, 0), record.timestamp_ms)
            keyed.append((clocks[place], record))
        self._taken = []
        keyed.sort(key=itemgetter(0))
        if self._before_frame is not None:
            self._before_frame({one.key for _, one in keyed if one.key is not None})
        transform = self._transform
        self._writer.write_all(one if transform is None else transform(one) for _, one in keyed)
        self._writer.end_frame()

    def _places(self, topics: Sequence[str], bootstrap: Broker) -> list[TopicPartition]:
        places = []
        for topic in topics:
            numbers = readable_partitions(bootstrap, topic)
            if not numbers:
                raise TopicError(
                    f"there is no topic {topic} at {bootstrap}; correct the broker or the name"
                )
            places += [TopicPartition(topic, number) for number in numbers]
        return places

    def _starts(self, places: list[TopicPartition], start: Start) -> dict[str, int]:
        consumer = self._consumer
        ends = consumer.end_offsets(places)
        if start == "latest":
            found = ends
        elif start == "earliest":
            found = consumer.beginning_offsets(places)
        else:
            times = consumer.offsets_for_times(dict.fromkeys(places, start))
            found = {one: times[one].offset if times.get(one) else ends[one] for one in places}
        return {_name(place): found[place] for place in places}


def _name(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"
