"""Hooks of how Faust's consumer ends when its worker has crashed (docs/hooks.md)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.threads import ServiceThread

from streamproc.engine.faust import consumer_thread
from tests.contract.conftest import INPUT


@pytest.fixture
async def joined(consumer: Any) -> Any:
    """As the consumer's thread sees itself in a rebalance."""
    coordinator = SimpleNamespace(_start_heartbeat_task=lambda: None)
    consumer._thread._consumer = SimpleNamespace(_coordinator=coordinator)
    consumer._thread.thread_loop = asyncio.get_running_loop()
    return consumer


async def test_a_crash_of_the_worker_ends_the_queue_that_answers_rebalances(joined: Any) -> None:
    await joined._method_queue.start()
    assert not joined._method_queue.crashed
    await joined.crash(ValueError("the input was created again"))
    assert joined._method_queue.crashed
    faust_own = AIOKafkaConsumerThread.on_partitions_revoked(joined._thread, set())
    asked = asyncio.ensure_future(faust_own)
    await asyncio.wait({asked}, timeout=0.5)
    assert not asked.done(), "what ours does instead is needed no more"
    asked.cancel()


@pytest.mark.parametrize("rebalance", ["on_partitions_assigned", "on_partitions_revoked"])
async def test_after_a_crash_a_rebalance_is_not_waited_for(joined: Any, rebalance: str) -> None:
    """Else aiokafka's ending, which waits for it, never comes to leave the group."""
    callback = getattr(joined._thread, rebalance)({INPUT})
    asked = asyncio.ensure_future(callback)
    await asyncio.wait({asked}, timeout=2 * consumer_thread.CRASH_CHECK_SECONDS)
    assert not asked.done()  # nobody has started the queue, and nothing has crashed yet
    with mock.patch.object(consumer_thread, "CRASH_PATIENCE_SECONDS", 0.1):
        await joined.crash(ValueError("the input was created again"))
        await asyncio.wait_for(asked, 5)


async def test_a_rebalance_that_fails_says_so(joined: Any) -> None:
    async def failing(*_: Any) -> None:
        raise ValueError("no")

    with (
        mock.patch.object(joined, "threadsafe_partitions_revoked", failing),
        pytest.raises(ValueError, match="no"),
    ):
        await joined._thread.on_partitions_revoked({INPUT})


async def test_the_watchdog_leaves_a_partition_without_position_alone(consumer: Any) -> None:
    """A topic that was created again has no position until its offsets are asked for."""
    thread = consumer._thread
    state = mock.MagicMock(has_valid_position=False)
    type(state).position = mock.PropertyMock(side_effect=AssertionError)
    assignment = mock.Mock(tps={INPUT}, state_value=mock.Mock(return_value=state))
    subscriptions = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
    thread._consumer = SimpleNamespace(
        _subscription=subscriptions, _fetcher=SimpleNamespace(_subscriptions=subscriptions)
    )
    thread.time_started = 0.0
    thread._verify_aiokafka_event_path = mock.Mock(return_value=False)
    with pytest.raises(AssertionError):
        AIOKafkaConsumerThread.verify_event_path(thread, 1.0, INPUT)
    consumer.verify_event_path(1.0, INPUT)
    state.has_valid_position = True
    with pytest.raises(AssertionError):
        consumer.verify_event_path(1.0, INPUT)  # it is Faust's own that is asked then


async def test_a_thread_that_has_ended_may_be_told_to(consumer: Any) -> None:
    thread = consumer._thread
    thread.thread_loop = asyncio.new_event_loop()
    thread.thread_loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        ServiceThread._stopped_set(thread)
    thread._stopped_set()
    assert thread.should_stop


async def test_the_last_offsets_are_no_condition_of_ending(consumer: Any) -> None:
    async def force_commit(*_: Any, **__: Any) -> bool:
        raise RuntimeError("Event loop is closed")

    consumer.force_commit = force_commit
    await consumer.on_stop()
