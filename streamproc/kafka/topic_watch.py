"""Looks at topics while a program works with them: partitions that were added, topics that were
created again, a silent broker.

A client uses partitions that are added to its topics without a message: producers spread keys over
all of them, and a program that reads partitions by number reads none of the new ones.
Not every client tells that a right was taken away: some try again for ever.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from kafka.errors import KafkaError

from streamproc.kafka.clients import kafka_admin
from streamproc.kafka.errors import KafkaSettingsError, ReachError, TokenError, TopicError
from streamproc.kafka.missing_rights import Needs
from streamproc.kafka.probe import refusal_of
from streamproc.kafka.settings import Broker, KafkaSettings, settings_of
from streamproc.kafka.silence import Silence, Silent, logged
from streamproc.kafka.topics import NOTHING, find_topics
from streamproc.supervision import start_thread

LOOK_SECONDS = 2.0
ANSWER_MS = 4_000
"""How long a look waits for the broker. With the pause before it, silence is logged within
ten seconds."""
WAIT_SECONDS = 1.0
FURTHER_SECONDS = 30.0


UNANSWERED = (KafkaError, KafkaSettingsError, ReachError, TokenError, OSError, TimeoutError)
"""A look that failed so is repeated. The file of a secret can be empty for a moment while somebody
replaces it."""


class PartitionsChangedError(TopicError):
    """A topic has another number of partitions than at the start."""

    def __init__(self, topic: str, before: int, now: int) -> None:
        super().__init__(
            f"the topic {topic} had {before} partitions when this program started, and has {now} "
            f"now: keys have moved between partitions, so states and the order of events would go "
            f"wrong. Stop the producers; docs/operations.md#partitions-were-added says how to go on"
        )


class TopicMadeAnewError(TopicError):
    """A topic is not the one that it was at the start."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"the topic {topic} was deleted and created again while this program ran: what the "
            f"program knows of it is about records that are gone. Restore the topic, or begin "
            f"anew: a worker with another --app-id (or without its changelog), a dispatcher with "
            f"another --group"
        )


class TopicWatch:
    """One look after the other, from any one thread at a time. No look waits long."""

    def __init__(
        self,
        broker: Broker,
        partitions: Mapping[str, int],
        further: Callable[[Any], None] | None = None,
        silence: Silence | None = None,
        needs: Needs = NOTHING,
    ) -> None:
        """``partitions``: what each topic had at the start. ``needs``: what the program does with
        them, so that rights that are taken away are noticed.

        ``further``: asked with the admin client now and then; it may raise what ends the program.
        ``silence``: reports a broker that does not answer; None: log lines.
        """
        self._broker = broker
        self._partitions = dict(partitions)
        self._ids: dict[str, UUID] = {}
        self._further = further
        self._needs = needs
        self._admin: Any = None
        self.silence = silence or Silence(broker)
        self._further_at = time.monotonic()
        self._looked = time.monotonic()

    def look_now_and_then(self) -> None:
        """:meth:`look`, if the last one was long enough ago: for loops that turn faster."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self.look()

    def look(self) -> None:
        """Raises :class:`PartitionsChangedError`, :class:`TopicMadeAnewError`,
        ``MissingRightError``, what ``further`` raises.

        A broker that does not answer is logged, and raises nothing.
        """
        self._looked = time.monotonic()
        try:
            if self._admin is None:
                self._admin = kafka_admin(
                    self._broker, bootstrap_timeout_ms=ANSWER_MS, request_timeout_ms=ANSWER_MS
                )
            found = find_topics(self._admin, self._broker, self._partitions, needs=self._needs)
            if self._further is not None and time.monotonic() - self._further_at > FURTHER_SECONDS:
                self._further_at = time.monotonic()
                self._further(self._admin)
        except UNANSWERED as error:
            self.close()
            self.silence.failed(error, lambda: refusal_of(self._broker))
            return
        self.silence.answered()
        for topic, before in self._partitions.items():
            if topic not in found:
                continue
            topic_id = found[topic].topic_id
            # First, because a topic that is created again can have any number of partitions.
            if topic_id is not None and self._ids.setdefault(topic, topic_id) != topic_id:
                raise TopicMadeAnewError(topic)
            if found[topic].partitions != before:
                raise PartitionsChangedError(topic, before, found[topic].partitions)

    def close(self) -> None:
        """Let go of the connection; the next look makes another one."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()


class BrokerWatch:
    """Reports a silent broker for work that may wait for it at any place."""

    def __init__(self, broker: Broker, report: Callable[[Silent], None] = logged) -> None:
        """Look from now on, in threads that end with the process, or when nobody uses it."""
        self._users: set[object] = set()
        self._report = report
        self._silence = Silence(broker, self._report_to_users)
        self._watch = TopicWatch(broker, {}, silence=self._silence)
        self._closed = threading.Event()
        start_thread(self._look, "broker watch")
        # Apart from the looks, because a look may take longer than a message may wait.
        start_thread(self._wait, "broker silence")

    @property
    def seconds(self) -> float:
        """How long the broker has not answered; 0 if it answers."""
        return self._silence.seconds

    def used(self) -> Callable[[], None]:
        """Look until the returned function is called by each user.

        That function takes no lock. The garbage collector may call it in any thread, also in one
        that holds a lock of this module.
        """
        me = object()
        self._users.add(me)
        return lambda: self._users.discard(me)

    @property
    def is_used(self) -> bool:
        return bool(self._users)

    def close(self) -> None:
        """Report nothing from now on."""
        self._users.clear()
        self._closed.set()

    def _report_to_users(self, heard: Silent) -> None:
        if self._users:
            self._report(heard)

    def _look(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self._watch.look()
        self._watch.close()

    def _wait(self) -> None:
        while not self._closed.wait(WAIT_SECONDS):
            self._silence.pass_second()
            _close_unused()


_lock = threading.Lock()
_watches: dict[KafkaSettings, BrokerWatch] = {}
"""The watches of this process."""


def silent_seconds(broker: Broker) -> float:
    """How long a broker that this process watches has not answered; 0 if it answers."""
    with _lock:
        found = _watches.get(settings_of(broker))
    return found.seconds if found is not None and found.is_used else 0.0


def watch(broker: Broker, report: Callable[[Silent], None] = logged) -> Callable[[], None]:
    """Report a silent broker until the returned function is called; it may be called again.

    A process has one watch of each broker, with the report of whom it was made for. So a command
    and the producers in it report a silence once.
    """
    settings = settings_of(broker)
    _close_unused()
    with _lock:
        if settings not in _watches:
            _watches[settings] = BrokerWatch(broker, report)
        return _watches[settings].used()


def _close_unused() -> None:
    with _lock:
        for settings, found in list(_watches.items()):
            if not found.is_used:
                del _watches[settings]
                found.close()


@contextmanager
def watched(broker: Broker, report: Callable[[Silent], None] = logged) -> Iterator[None]:
    """:func:`watch` meanwhile."""
    end = watch(broker, report)
    try:
        yield
    finally:
        end()


async def keep_watching(watch: TopicWatch) -> None:
    """Look until there is an error, which is raised, or until the task is cancelled."""
    try:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(watch.look)
    finally:
        watch.close()
