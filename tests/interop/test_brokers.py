"""The oldest and the newest broker that are promised: a month of usage, with a killed worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.lab.workload import WorkloadSettings
from tests.interop.conftest import Record
from tests.interop.parts import NEWEST_BROKER, OLDEST_BROKER, Part
from tests.support.cluster import create_topic, grown
from tests.support.jvm_broker import JvmBroker
from tests.support.scene import Scene

MONTH = WorkloadSettings(seed=19, events=12_000, subscribers=600)


@pytest.mark.parametrize("part", [OLDEST_BROKER, NEWEST_BROKER], ids=lambda part: part.version)
async def test_a_broker_carries_a_month_exactly_once(
    part: Part, tmp_path: Path, record_finding: Record
) -> None:
    with JvmBroker(version=part.version) as broker:
        scene = Scene(broker.bootstrap, tmp_path)
        try:
            await scene.load(MONTH)
            await create_topic(scene.bootstrap, scene.names.audit)
            killed = scene.worker("killed")
            written = await grown(scene.bootstrap, scene.names.audit, 200)
            killed.kill()
            scene.worker("last")
            expected = await scene.finish()
        finally:
            for worker in scene.workers:
                if worker.is_alive:
                    worker.kill()
    assert written < expected.audit.total(), "the kill came too late to prove anything"
    record_finding(
        part,
        "12,000 events of a month, a worker killed on the way",
        "every state equal, every record once",
    )
