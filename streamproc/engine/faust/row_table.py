"""A Faust table whose partitions the engine loads, holds and writes in bulk."""

from __future__ import annotations

from typing import Any

import faust
import structlog
from faust.types import TP

from streamproc.engine.faust.logger import FAUST_LOGGER
from streamproc.engine.partitions import Partitions

log = structlog.get_logger(__name__)


class PartitionedTable(faust.Table):
    """Passes Faust's rebalances on to the :class:`Partitions`."""

    logger = FAUST_LOGGER
    partitions_here: Partitions[Any]
    _peers: frozenset[str] | set[str] = frozenset()
    """Names of the workers in the group, this one among them, as of the last rebalance."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        changelog = self.changelog_topic_name
        assignor = self.app.assignor
        actives = {tp.partition for tp in assigned if tp.topic == changelog}
        actives &= {tp.partition for tp in assignor.assigned_actives() if tp.topic == changelog}
        standbys = {tp.partition for tp in assignor.assigned_standbys() if tp.topic == changelog}
        self._tell_peers()
        await self.partitions_here.own(actives, standbys - actives, changelog)

    def _tell_peers(self) -> None:
        """Each assignment says of all members which partitions they have, under their names."""
        urls = self.app.assignor.changelog_distribution
        peers = {url.partition("://")[2].rstrip("/") for url in urls}
        if peers != self._peers:
            log.info(
                "workers of the group changed",
                joined=sorted(peers - self._peers),
                left=sorted(self._peers - peers),
                workers=len(peers),
            )
        self._peers = peers

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Does nothing: partitions are complete before recovery is called complete."""

    def persisted_offset(self, tp: TP) -> int | None:
        return None
