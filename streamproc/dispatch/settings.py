"""Settings of a dispatcher; see ``streamproc dispatch --help``."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamproc.contracts.topics import DispatchTopics
from streamproc.kafka.settings import Broker
from streamproc.metrics.options import LOOPBACK


@dataclass(frozen=True)
class DispatchSettings:
    """Kafka, group and pace."""

    broker: Broker
    topics: DispatchTopics = field(default_factory=DispatchTopics)
    group: str = "streamproc-dispatch"
    instance_id: str | None = None
    session_timeout_seconds: float = 10.0
    replication_factor: int = 1
    honour_expiry: bool = True
    stats_every_seconds: float = 30.0
    settle_seconds: float = 12.0
    """How long an end or a rebalance waits for gateways' answers."""
    held_messages: int = 5_000
    """Messages per lane in memory; reading pauses beyond it."""
    http_host: str = LOOPBACK
    http_port: int | None = None
    """Where metrics and probes are served; None: nowhere, 0: on any free port."""

    def lane_group(self, lane: int, name: str) -> str:
        """The consumer group in which a lane's position is committed."""
        return self.group if lane == 0 else f"{self.group}.{name}"
