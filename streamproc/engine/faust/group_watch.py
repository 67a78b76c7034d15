"""Sees what the broker answers to a member of a group, where aiokafka says nothing of it.

A group has one member of an instance id: the latest one takes the place of the one before. aiokafka
then joins again as if its session had timed out, and takes the place in turn. So two workers with
one id would take it from each other for ever.

An answer that aiokafka does not know ends its attempts to join, and is an error without a name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from aiokafka.errors import KafkaError, RebalanceInProgressError, UnknownMemberIdError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest

from streamproc.errors import StreamprocError

KNOWN: Final[dict[type[Any], set[int]]] = {
    HeartbeatRequest: {0, RebalanceInProgressError.errno},
    SyncGroupRequest: {0},
}
"""Answers after which the broker counts the time of the session again."""
GROUP_MAX_SIZE_REACHED: Final = 81
FENCED_INSTANCE_ID: Final = 82
GONE: Final = {UnknownMemberIdError.errno, FENCED_INSTANCE_ID}
PAUSE_SECONDS: Final = 0.5


class InstanceTakenError(StreamprocError, KafkaError):
    """Another process has joined the group under the same instance id."""


class GroupMaxSizeReachedError(StreamprocError, KafkaError):
    """The broker allows no further member of the group. aiokafka has no class for it."""


class GroupWatch:
    """All requests of a member to its group.

    The broker removes a member with an instance id only if it has not heard from it for a whole
    session, or if another one came with this id.
    """

    def __init__(self, coordinator: Any, now: Callable[[], float] = time.monotonic) -> None:
        """Put this between the coordinator and its connection."""
        self._coordinator = coordinator
        self._send: Callable[[Any], Awaitable[Any]] = coordinator._send_req
        self._now = now
        self._known_as = ""
        self._known_at = 0.0
        self.error: KafkaError | None = None
        """Why this process cannot be a member any more; None if it can, or if aiokafka knows it."""
        coordinator._send_req = self.send

    async def send(self, request: Any) -> Any:
        """Send a request. Raises :attr:`error` in place of another attempt to join."""
        if self.error is not None and isinstance(request, JoinGroupRequest):
            await asyncio.sleep(PAUSE_SECONDS)  # aiokafka asks again at once
            raise self.error
        member, at = self._coordinator.member_id, self._now()
        response = await self._send(request)
        self._note(request, set(_codes(request, response)), member, at)
        return response

    def _note(self, request: Any, codes: set[int], member: str, at: float) -> None:
        if GROUP_MAX_SIZE_REACHED in codes:
            self.error = GroupMaxSizeReachedError()
        elif codes and codes <= KNOWN.get(type(request), set()):
            self._known_as, self._known_at = member, at
        elif codes & GONE and member == self._known_as and self._is_in_session():
            self.error = InstanceTakenError(self._coordinator._group_instance_id)

    def _is_in_session(self) -> bool:
        """Whether the broker cannot have removed this member because it was silent."""
        if not self._known_as or self._coordinator._group_instance_id is None:
            return False
        # Since the request was sent: its answer may have been long on its way.
        session_seconds: float = self._coordinator._session_timeout_ms / 1000
        return self._now() - self._known_at < session_seconds


def _codes(request: Any, response: Any) -> Iterator[int]:
    """The error codes in a response of the group."""
    if isinstance(request, OffsetCommitRequest):
        for _, partitions in response.topics:
            yield from (code for _, code in partitions)
    elif isinstance(request, (HeartbeatRequest, JoinGroupRequest, SyncGroupRequest)):
        yield response.error_code
