"""A Faust table whose partitions the engine loads, holds and writes in bulk."""

from __future__ import annotations

from typing import Any

import faust
from faust.types import TP

from streamproc.engine.faust.logger import FAUST_LOGGER
from streamproc.engine.partitions import Partitions


class PartitionedTable(faust.Table):
    """Passes Faust's rebalances on to the :class:`Partitions`."""

    logger = FAUST_LOGGER
    partitions_here: Partitions[Any]

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        changelog = self.changelog_topic_name
        assignor = self.app.assignor
        actives = {tp.partition for tp in assigned if tp.topic == changelog}
        actives &= {tp.partition for tp in assignor.assigned_actives() if tp.topic == changelog}
        standbys = {tp.partition for tp in assignor.assigned_standbys() if tp.topic == changelog}
        await self.partitions_here.own(actives, standbys - actives, changelog)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Does nothing: partitions are complete before recovery is called complete."""

    def persisted_offset(self, tp: TP) -> int | None:
        return None
