"""Safe order of recovery, with nothing left for Faust to recover.

The table loads its partitions itself (``table``). So Faust's recovery only conducts the rebalance.
Stock Faust resumes input partitions before it seeks, and then clears the queues. This silently
skips records (faust/tables/recovery.py:649-659 in 0.15.3). Here the order is: seek, resume flow,
resume partitions (law 6).
"""

from __future__ import annotations

from typing import Any

import structlog
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from streamproc.engine import crashpoints
from streamproc.engine.faust.logger import FAUST_LOGGER

log = structlog.get_logger(__name__)


class SafeRecovery(Recovery):
    """Conducts rebalances. The table reads the changelogs."""

    logger = FAUST_LOGGER

    def add_active(self, table: Any, tp: TP) -> None:
        """Nothing to recover: the table has loaded this partition already."""

    def add_standby(self, table: Any, tp: TP) -> None:
        """Nothing to follow: the table's own reader follows standby partitions."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        consumer = self.app.consumer
        await self.app.on_rebalance_complete.send()
        self._set_recovery_ended()
        assignment = consumer.assignment()
        if self.app.consumer_generation_id != generation_id:
            self.log.warning("another rebalance began; input stays paused until it is over")
            return
        if assignment:
            # Inputs are still paused here, so nothing can be delivered between seek and resume.
            await self._wait(consumer.perform_seek(), timeout=self.app.conf.broker_request_timeout)
        crashpoints.reached("open", "d")
        self.completed.set()
        self.app.flow_control.resume()  # it clears the queues, which are still empty
        consumer.resume_partitions({tp for tp in assignment if not self._is_changelog_tp(tp)})
        consumer.resume_flow()
        await self.app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        self.app.on_rebalance_end()
        inputs = sorted({tp.partition for tp in assignment if not self._is_changelog_tp(tp)})
        log.info("input flows", partitions=inputs)
        crashpoints.reached("open", "e")


class SafeTableManager(TableManager):
    """Faust's table manager with :class:`SafeRecovery`."""

    logger = FAUST_LOGGER
    _recovery: Any

    @property
    def recovery(self) -> Any:
        if self._recovery is None:
            self._recovery = SafeRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
