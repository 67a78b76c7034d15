"""A Faust table whose partitions the engine loads, holds and writes in bulk."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
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
    _releases: Mapping[str, list[str]] = MappingProxyType({})
    """The same names by release, as far as the leader of the group said it."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        changelog = self.changelog_topic_name
        assignor = self.app.assignor
        actives = {tp.partition for tp in assigned if tp.topic == changelog}
        actives &= {tp.partition for tp in assignor.assigned_actives() if tp.topic == changelog}
        standbys = {tp.partition for tp in assignor.assigned_standbys() if tp.topic == changelog}
        self._tell_peers()
        self.partitions_here.observer.group_has(assignor.releases())
        await self.partitions_here.own(actives, standbys - actives, changelog, assignor.given.form)

    def _tell_peers(self) -> None:
        """Each assignment says of all members which partitions they have, under their names."""
        urls = self.app.assignor.changelog_distribution
        peers = {_name_of(url) for url in urls}
        given = self.app.assignor.given
        releases: dict[str, list[str]] = {}
        for url, release in given.releases.items():
            releases.setdefault(release, []).append(_name_of(url))
        if peers != self._peers or releases != self._releases:
            log.info(
                "workers of the group changed",
                joined=sorted(peers - self._peers),
                left=sorted(self._peers - peers),
                workers=len(peers),
                releases={release: sorted(names) for release, names in sorted(releases.items())},
            )
        self._peers, self._releases = peers, releases

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Does nothing: partitions are complete before recovery is called complete."""

    def persisted_offset(self, tp: TP) -> int | None:
        return None


def _name_of(url: str) -> str:
    return url.partition("://")[2].rstrip("/")
