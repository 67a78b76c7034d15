"""The short form of the laboratory: one application, every sort of fault that takes seconds."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamproc.worker.settings import WrongPartition
from tests.faults.brokers import Single
from tests.faults.kind import KINDS, Parameters
from tests.faults.lab import Lab  # noqa: F401 - registers the kinds
from tests.faults.life import SESSION_TIMEOUT_SECONDS, Life, Variant

STANDBY_SECONDS = 3.0
"""Warm copies read what there is within a second."""
VARIANT = Variant(seed=4, rate=400, subscribers=600, events=120_000, static_members=False)


@contextlib.contextmanager
def living(cluster: Single, directory: Path, variant: Variant = VARIANT) -> Iterator[Life]:
    """An application whose input flows."""
    with Life(cluster, variant, directory) as life:
        life.mark()
        life.wait_for_flow()
        yield life


@pytest.fixture(scope="module")
def life(cluster: Single, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with living(cluster, tmp_path_factory.mktemp("lab")) as life:
        yield life


@pytest.mark.timeout(240)
def test_states_slower_to_load_than_a_session_lasts_cost_no_membership(
    life: Life, cluster: Single
) -> None:
    """A round trip takes half a second here, and a worker needs some sixteen to open."""
    fleet, first = life.fleet, life.fleet.slots[0]
    for slot in fleet.running():
        fleet.stop(slot)
    cluster.network(first.number, delay_ms=250)
    told_before = first.worker.log.stat().st_size
    fleet.start(first)
    life.mark()
    life.wait_for_flow()
    cluster.network(first.number)
    with first.worker.log.open(errors="replace") as log:
        log.seek(told_before)
        told = log.read()
    opening = [float(one) for one in re.findall(r"partition opened .* seconds=([0-9.]+)", told)]
    assert max(opening) > SESSION_TIMEOUT_SECONDS
    assert "member_id was not recognized" not in told
    assert life.check() == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("kill", {"slot": 0, "down_seconds": 0.5}),
        ("crash_at_step", {"slot": 1, "at": "commit:5:7:2"}),
        ("crash_at_step", {"slot": 0, "at": "commit:6:5:0"}),
        ("zombie_at_step", {"slot": 1, "at": "commit:4:6:3", "frozen_seconds": 8.0}),
        ("network_hole", {"slots": [0], "seconds": 8.0}),
        ("network_reset", {"slots": [0, 1, 2], "pauses": [0.3, 0.1, 0.7]}),
        ("stop_in_rebalance", {"slot": 0, "after_seconds": 0.1}),
        ("broker_kill", {"down_seconds": 2.0}),
        ("group_offsets", {"how": "end"}),
        ("producer_repeats", {"records": 500}),
        ("producer_aborts", {"records": 500}),
        ("topic_recreated", {"how": "refilled"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_wrong_lost_or_doubled_after(life: Life, kind: str, given: Parameters) -> None:
    for slot in life.fleet.slots[: VARIANT.workers]:
        life.fleet.start(slot)
    life.mark()
    KINDS[kind].act(life, dict(given))
    if KINDS[kind].ends_life:
        return  # the fault has judged the refusal itself
    life.wait_for_flow()
    assert life.check() == []


@pytest.mark.timeout(240)
def test_standbys_take_over_warm_and_lose_nothing(cluster: Single, tmp_path: Path) -> None:
    """A worker is killed, comes back, and ends in order: each time the other one goes on."""
    with living(cluster, tmp_path, replace(VARIANT, workers=2, standbys=1)) as life:
        killed, other = life.fleet.slots[:2]
        time.sleep(STANDBY_SECONDS)  # no worker says how far its copies have come
        life.fleet.kill(killed)
        life.mark()
        life.wait_for_flow()
        life.fleet.start(killed)
        life.mark()
        life.wait_for_flow()
        time.sleep(STANDBY_SECONDS)  # no worker says how far its copies have come
        life.fleet.stop(killed)
        life.mark()
        life.wait_for_flow()
        told = other.worker.log.read_text(errors="replace")
        assert len(re.findall(r"partition opened .* warm=True", told)) >= 2
        assert life.check() == []


CRASH = ("crash_at_step", {"slot": 1, "at": "commit:5:7:2"})
KILL = ("kill", {"slot": 0, "down_seconds": 0.5})


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("policy", "faults"), [("refuse", (CRASH, KILL)), ("forward", (KILL,))])
def test_a_load_in_wrong_partitions_is_treated_exactly(
    cluster: Single,
    tmp_path: Path,
    policy: WrongPartition,
    faults: tuple[tuple[str, Parameters], ...],
) -> None:
    """A producer with librdkafka's default partitioner, and workers that are killed. At every step
    between forwarding and commit: tests/driver/test_wrong_partition.py."""
    variant = replace(VARIANT, partitioner="crc32", workers=2, wrong_partition=policy)
    with living(cluster, tmp_path, variant) as life:
        for kind, given in faults:
            KINDS[kind].act(life, dict(given))
            life.wait_for_flow()
            assert life.check() == []
        treated = life.observer.totals["rejects" if policy == "refuse" else "forwarded"]
        assert treated > 100
        assert bool(life.observer.totals["forwarded"]) == (policy == "forward")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["empty", "while running"])
def test_workers_refuse_an_input_that_was_made_anew(
    cluster: Single, tmp_path: Path, how: str
) -> None:
    """All end soon, and their last words say why: the fault judges that itself."""
    with living(cluster, tmp_path) as life:
        KINDS["topic_recreated"].act(life, {"how": how})
