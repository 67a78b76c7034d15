"""What a group answers to a worker, seen between aiokafka's coordinator and its connection."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest

from streamproc.engine.faust import group_watch
from streamproc.engine.faust.advice import advice
from streamproc.engine.faust.group_watch import (
    FENCED_INSTANCE_ID,
    GROUP_MAX_SIZE_REACHED,
    GroupMaxSizeReachedError,
    GroupWatch,
    InstanceTakenError,
)

SESSION_SECONDS = 10.0
UNKNOWN, REBALANCE = UnknownMemberIdError.errno, RebalanceInProgressError.errno
BEAT = HeartbeatRequest("g", 1, "m")
SYNC = SyncGroupRequest("g", 1, "m", "one", [])
JOIN = JoinGroupRequest("g", 10_000, 10_000, "", "one", "consumer", [])
COMMIT = OffsetCommitRequest("g", 1, "m", -1, [])


class Member:
    """A member whose broker answers what a test says."""

    def __init__(self, instance_id: str | None = "one") -> None:
        self.now = 100.0
        self.code = 0
        self.asked: list[Any] = []
        self.coordinator = SimpleNamespace(
            _send_req=self._answer,
            _group_instance_id=instance_id,
            _session_timeout_ms=SESSION_SECONDS * 1000,
            member_id="m",
        )
        self.watch = GroupWatch(self.coordinator, lambda: self.now)

    async def _answer(self, request: Any) -> Any:
        self.asked.append(request)
        return SimpleNamespace(error_code=self.code, topics=[("t", [(0, 0), (1, self.code)])])

    async def send(self, request: Any, code: int, after_seconds: float = 1.0) -> None:
        self.now += after_seconds
        self.code = code
        await self.coordinator._send_req(request)


def test_aiokafka_sends_all_requests_of_a_member_this_way() -> None:
    assert "self._client.send(" in inspect.getsource(GroupCoordinator._send_req)
    for sends in (GroupCoordinator._do_heartbeat, GroupCoordinator._do_commit_offsets):
        assert "self._send_req(request)" in inspect.getsource(sends)
    joins = CoordinatorGroupRebalance
    for sends in (joins.perform_group_join, joins._send_sync_group_request):
        assert "self._coordinator._send_req(request)" in inspect.getsource(sends)
    made = inspect.getsource(GroupCoordinator.__init__)
    for name in ("_group_instance_id", "_session_timeout_ms", "member_id"):
        assert f"self.{name} = " in made


@pytest.mark.parametrize("known_by", [(BEAT, 0), (BEAT, REBALANCE), (SYNC, 0)])
@pytest.mark.parametrize(
    ("request_", "code"),
    [(BEAT, UNKNOWN), (BEAT, FENCED_INSTANCE_ID), (COMMIT, UNKNOWN), (JOIN, FENCED_INSTANCE_ID)],
)
async def test_a_member_that_is_gone_within_its_session_was_replaced(
    known_by: tuple[Any, int], request_: Any, code: int
) -> None:
    member = Member()
    await member.send(*known_by)
    await member.send(request_, code, SESSION_SECONDS - 0.1)

    assert isinstance(member.watch.error, InstanceTakenError)
    assert "another worker has joined with the same --instance-id" in advice(member.watch.error)


async def test_a_replaced_member_does_not_take_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_watch, "PAUSE_SECONDS", 0)
    member = Member()
    await member.send(BEAT, 0)
    await member.send(BEAT, UNKNOWN)
    member.coordinator.member_id = ""

    with pytest.raises(InstanceTakenError):
        await member.send(JOIN, 0)

    assert member.asked == [BEAT, BEAT]


@pytest.mark.parametrize(
    ("instance_id", "silent_seconds", "member_id"),
    [(None, 1.0, "m"), ("one", SESSION_SECONDS, "m"), ("one", 1.0, "another")],
    ids=["no instance id", "the session was over", "a request of an earlier membership"],
)
async def test_a_member_that_is_gone_otherwise_joins_again(
    instance_id: str | None, silent_seconds: float, member_id: str
) -> None:
    member = Member(instance_id)
    await member.send(BEAT, 0)
    member.coordinator.member_id = member_id
    await member.send(BEAT, UNKNOWN, silent_seconds)
    await member.send(JOIN, 0)

    assert member.watch.error is None


async def test_a_member_that_was_never_known_joins_again() -> None:
    member = Member()
    await member.send(JOIN, 0)
    await member.send(BEAT, UNKNOWN)

    assert member.watch.error is None


async def test_a_full_group_has_a_name() -> None:
    member = Member(None)
    await member.send(JOIN, GROUP_MAX_SIZE_REACHED)

    assert isinstance(member.watch.error, GroupMaxSizeReachedError)
    assert "group.max.size" in advice(member.watch.error)


@pytest.mark.parametrize("error", [KafkaError("UnknownError()"), ValueError("no")])
async def test_an_error_that_nobody_hears_ends_the_worker_at_the_second_look(
    consumer: Any, error: Exception
) -> None:
    thread = consumer._thread
    thread._consumer = SimpleNamespace(_coordinator=SimpleNamespace(_pending_exception=error))
    assert thread.refusal() is None
    assert thread.refusal() is error


async def test_an_error_that_a_fetch_has_heard_of_is_no_refusal(consumer: Any) -> None:
    coordinator = SimpleNamespace(_pending_exception=KafkaError("first"))
    thread = consumer._thread
    thread._consumer = SimpleNamespace(_coordinator=coordinator)
    assert thread.refusal() is None
    coordinator._pending_exception = None
    assert thread.refusal() is None
    coordinator._pending_exception = KafkaError("second")
    assert thread.refusal() is None
    coordinator._pending_exception = GroupAuthorizationFailedError("g")
    assert thread.refusal() is coordinator._pending_exception, "at once"


async def test_the_watch_begins_before_anything_is_subscribed(consumer: Any) -> None:
    thread = consumer._thread
    coordinator = Member().coordinator
    began = coordinator._send_req

    async def start(_: Any) -> None:
        thread._consumer = SimpleNamespace(_coordinator=coordinator)

    with mock.patch("faust.transport.drivers.aiokafka.AIOKafkaConsumerThread.on_start", start):
        await thread.on_start()

    assert coordinator._send_req is not began
    thread._group.error = InstanceTakenError("one")
    assert thread.refusal() is thread._group.error
