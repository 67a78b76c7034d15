"""Hooks of Faust's table manager and recovery (docs/hooks.md)."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery
from faust.types import TP

from streamproc.engine.faust import logger, recovery, row_table
from streamproc.engine.observer import UNOBSERVED
from tests.contract.conftest import CHANGELOG, INPUT

ROOT = Path(__file__).parents[2]


async def test_the_table_manager_uses_our_recovery(app: Any) -> None:
    assert type(app.tables) is recovery.SafeTableManager
    assert type(app.tables.recovery) is recovery.SafeRecovery
    assert app.tables.recovery is app.tables.recovery
    for method in (TableManager.on_rebalance, TableManager.on_partitions_revoked):
        assert "recovery" in inspect.unwrap(method).__code__.co_names


async def test_partitions_are_opened_before_recovery_begins(app: Any) -> None:
    """``TableManager.on_rebalance`` awaits every table's ``on_rebalance``, then recovery's."""
    order: list[Any] = []
    accounts = app.tables["accounts"]
    assert isinstance(accounts, row_table.PartitionedTable)

    async def own(actives: set[int], standbys: set[int], changelog: str, form: int) -> None:
        order.append(("own", actives, standbys, changelog))
        await asyncio.sleep(0)
        order.append("opened")

    noting: Any = SimpleNamespace(own=own, observer=UNOBSERVED)
    accounts.partitions_here = noting
    app.tables._update_channels = mock.AsyncMock()
    other = TP(CHANGELOG.topic, 1)
    with (
        mock.patch.object(app.assignor, "assigned_actives", return_value={CHANGELOG}),
        mock.patch.object(app.assignor, "assigned_standbys", return_value={other}),
        mock.patch.object(
            app.tables.recovery,
            "on_rebalance",
            mock.AsyncMock(side_effect=lambda *_: order.append("recovery")),
        ),
    ):
        await app.tables.on_rebalance({INPUT, CHANGELOG, other}, set(), {INPUT, CHANGELOG}, 1)
    assert order == [("own", {0}, {1}, CHANGELOG.topic), "opened", "recovery"]


async def test_recovery_is_given_nothing_to_recover(app: Any) -> None:
    """``Recovery.on_rebalance`` goes through ``add_active`` and ``add_standby``."""
    with (
        mock.patch.object(app.assignor, "assigned_actives", return_value={CHANGELOG}),
        mock.patch.object(app.assignor, "assigned_standbys", return_value={TP(CHANGELOG.topic, 1)}),
    ):
        await app.tables.recovery.on_rebalance({INPUT, CHANGELOG}, set(), set(), 0)
    assert app.tables.recovery.active_tps == app.tables.recovery.standby_tps == set()
    assert not app.tables.recovery.need_recovery()
    stock = Recovery(app, app.tables)
    stock.add_active(app.tables["accounts"], CHANGELOG)
    assert stock.active_tps == {CHANGELOG}


def test_recovery_ends_in_the_method_that_is_overridden() -> None:
    task = inspect.unwrap(Recovery._restart_recovery)
    source = inspect.getsource(getattr(task, "fun", task))
    assert "self._wait(T(self.on_recovery_completed)(generation_id))" in source


def test_stock_recovery_still_resumes_before_it_seeks() -> None:
    """The defect that :class:`SafeRecovery` is there for; if it is mended, ours may go."""
    source = inspect.getsource(Recovery.on_recovery_completed)
    places = [
        source.index(call)
        for call in ("resume_partitions(", "perform_seek(", "flow_control.resume")
    ]
    assert places == sorted(places)


async def test_input_flows_in_the_safe_order(app: Any) -> None:
    """Law 6: seek, then let the flow resume (which clears the queues), then the partitions."""
    order: list[Any] = []

    def note(name: str) -> Any:
        return mock.Mock(side_effect=lambda *_: order.append(name))

    def note_async(name: str) -> Any:
        return mock.AsyncMock(side_effect=lambda *_, **__: order.append(name))

    app.consumer = mock.Mock(
        assignment=lambda: {INPUT, CHANGELOG},
        perform_seek=note_async("seek"),
        resume_partitions=mock.Mock(side_effect=lambda tps: order.append(tps)),
        resume_flow=note("resume flow"),
    )
    app.flow_control = mock.Mock(resume=note("clear queues"))
    app.on_rebalance_complete = mock.Mock(send=note_async("rebalance complete"))
    app._fetcher = mock.Mock(maybe_start=note_async("fetch"))
    app.on_rebalance_end = note("rebalance end")
    ours = app.tables.recovery
    ours.app.consumer_generation_id = 4
    await ours.on_recovery_completed(4)
    assert order == [
        "rebalance complete",
        "seek",
        "clear queues",
        {INPUT},
        "resume flow",
        "fetch",
        "rebalance end",
    ]
    assert ours.completed.is_set()
    assert (app.tables.actives_ready, app.tables.standbys_ready) == (True, True)
    assert app.in_recovery is ours.in_recovery is False


async def test_nothing_flows_when_another_rebalance_began(app: Any) -> None:
    app.consumer = mock.Mock(assignment=lambda: {INPUT})
    app.on_rebalance_complete = mock.Mock(send=mock.AsyncMock())
    app.tables.recovery.app.consumer_generation_id = 5
    await app.tables.recovery.on_recovery_completed(4)
    assert app.consumer.resume_partitions.call_count == app.consumer.resume_flow.call_count == 0
    assert not app.tables.recovery.completed.is_set()


async def test_waiting_ends_when_another_rebalance_begins(app: Any) -> None:
    """``Recovery._wait`` raises ``RebalanceAgain``: the recovery task begins another round."""
    ours = app.tables.recovery
    await ours._wait(asyncio.sleep(0), timeout=5)
    ours.signal_recovery_start.set()
    with pytest.raises(RebalanceAgain):
        await ours._wait(asyncio.sleep(60), timeout=5)  # it is cut off


def test_the_apps_side_of_a_rebalance_is_there(app: Any) -> None:
    for name in ("rebalancing", "consumer_generation_id", "flow_control", "crash", "_fetcher"):
        assert hasattr(app, name), name
    assert inspect.iscoroutinefunction(app.crash)
    assert hasattr(app.conf, "broker_request_timeout")
    assert app.conf.stream_wait_empty is False


async def test_services_log_where_our_subclasses_say(app: Any, consumer: Any) -> None:
    """``Service.logger`` decides; else every service step is an info line of ours."""
    for service in (consumer, consumer._thread, app.tables, app.tables.recovery):
        assert service.log.logger is logger.FAUST_LOGGER, service


async def test_each_assignment_names_the_workers_of_the_group(app: Any) -> None:
    """``PartitionAssignor.changelog_distribution``: of every member's ``canonical_url``."""
    accounts = app.tables["accounts"]
    told: list[Any] = []
    with mock.patch.object(
        row_table.log, "info", lambda _, **said: told.append((said["joined"], said["left"]))
    ):
        for urls in (["http://one", "http://two"], ["http://one", "http://two"], ["http://one/"]):
            app.assignor.changelog_distribution = {url: {CHANGELOG.topic: [0]} for url in urls}
            accounts._tell_peers()

    assert told == [(["one", "two"], []), ([], ["two"])]
    source = inspect.getsource(PartitionAssignor)
    assert "self._member_urls[client]: self._topics_filtered(assignment.actives" in source
    assert "return self.app.conf.canonical_url" in source
