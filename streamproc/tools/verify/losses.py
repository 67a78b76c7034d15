"""Records that topics have lost or may lose: offsets missing in the middle, and wrong settings.

Offsets of transaction markers and aborted records are not missing: the broker still has them. Only
compaction removes offsets in the middle of a log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from streamproc.engine.cluster import LogReader, Place
from streamproc.engine.faust.whole_batches import ByBatch
from streamproc.kafka.missing_rights import MissingRightError
from streamproc.kafka.settings import Broker
from streamproc.provision.planning import Making, TopicsPlan, Wanted, of_worker, plan_topics
from streamproc.provision.starting import admin_of
from streamproc.worker.settings import WorkerSettings

PATIENCE_MS = 200
READ = frozenset({"inputs", "forwarded", "changelog", "reminders"})
"""The roles of topics from which a loss of records can be found."""


class Missing(Struct):
    """Offsets that are missing in the middle of a partition."""

    offsets: int
    first: int
    until: int
    """Where the search ended: a later one does not count the same offsets again."""


@dataclass
class MissingOffsets:
    """Collects what a reader finds missing, each offset once, however often it is read."""

    found: dict[str, Missing] = field(default_factory=dict)
    """By topic; it is for one partition."""
    _spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By topic: the offsets that count and were not read yet (first, next)."""

    def watch(self, topic: str, first: int, following: int) -> None:
        """From now on offsets of this span count."""
        known = self.found.get(topic)
        self._spans[topic] = max(first, known.until if known else 0), following

    @property
    def mark(self) -> ByBatch:
        """The mark of a reader whose missing offsets are collected here."""
        return ByBatch(missing=self._note)

    def _note(self, place: Any, first: int, following: int) -> None:
        begin, end = self._spans.get(place.topic, (0, 0))
        first, following = max(first, begin), min(following, end)
        if first >= following:
            return
        self._spans[place.topic] = following, end
        one = self.found.setdefault(place.topic, Missing(0, first, first))
        one.offsets += following - first
        one.until = following


class LookedThrough(Struct):
    """How far a partition was read, only to find what is missing in it."""

    topic: str
    position: int = 0
    missing: Missing | None = None


async def read_through(
    reader: LogReader, known: LookedThrough, partition: int, missing: MissingOffsets
) -> LookedThrough:
    """Read a partition from where it is known to its present end.

    What was found missing before is still missing, unless the topic is a new one.
    """
    place = Place(known.topic, partition)
    end = (await reader.end_offsets([place]))[place]
    if known.position > end:
        known = LookedThrough(known.topic)
    if known.missing is not None:
        missing.found[known.topic] = known.missing
    position = max(known.position, (await reader.beginning_offsets([place]))[place])
    if position >= end:
        return known
    missing.watch(place.topic, position, end)
    reader.assign([place])
    reader.seek(place, position)
    while position < end:
        await reader.getmany(timeout_ms=PATIENCE_MS)
        position = await reader.position(place)
    return LookedThrough(known.topic, position, missing.found.get(known.topic))


def in_words(topic: str, missing: Missing) -> str:
    """A sentence about what a topic has lost."""
    return (
        f"{missing.offsets:,} records of {topic} are missing from offset {missing.first} on, with "
        "others before and behind: the topic is or was compacted. Set its cleanup.policy to delete"
    )


@dataclass(frozen=True)
class Looked:
    """What the broker says of the topics."""

    losing: tuple[str, ...]
    """Sentences about topics whose ``cleanup.policy`` loses records."""
    reminders: int
    """How many partitions of reminders there are; 0 if this client may not see them."""
    missing: tuple[str, ...]
    """Topics that do not exist."""


def look_at_topics(settings: WorkerSettings) -> Looked:
    """Topics that this client may not see are left out. Raises ``TopicsError``."""
    wanted = [one for one in of_worker(settings.topics, settings.app_id) if one.role in READ]
    plan = _plan(settings.broker, wanted, Making(clock=settings.clock))
    return Looked(
        tuple(str(fault) for fault in plan.faults() if fault.demand.setting == "cleanup.policy"),
        plan.counts().get(settings.topics.reminders, 0),
        tuple(one.wanted.name for one in plan.missing),
    )


def _plan(broker: Broker, wanted: list[Wanted], making: Making) -> TopicsPlan:
    with admin_of(broker) as admin:
        try:
            return plan_topics(admin, broker, wanted, making)
        except MissingRightError as error:
            hidden = {one.name for one in error.lacks}
        visible = [one for one in wanted if one.name not in hidden]
        return plan_topics(admin, broker, visible, making)
