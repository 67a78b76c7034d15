"""Settings of a dispatcher; see ``streamproc dispatch --help``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamproc.contracts.topics import DispatchTopics
from streamproc.kafka.secret import Secret
from streamproc.kafka.settings import Broker
from streamproc.metrics.options import LOOPBACK
from streamproc.tracing.options import TraceSettings


@dataclass(frozen=True)
class DispatchSettings:
    """Kafka, group and pace."""

    broker: Broker
    topics: DispatchTopics = field(default_factory=DispatchTopics)
    group: str = "streamproc-dispatch"
    instance_id: str | None = None
    session_timeout_seconds: float = 10.0
    create_topics: bool = False
    """Make topics that do not exist; otherwise the dispatcher does not start."""
    start_empty: bool = False
    """Start with an empty journal although there are receipts."""
    partitions: int | None = None
    """For topics that are made; None: as many as the others have, else four."""
    replication_factor: int = 1
    retention_ms: Mapping[str, int] = field(default_factory=dict)
    """For topics that are made, by role, where it is not the usual one."""
    honour_expiry: bool = True
    stats_every_seconds: float = 30.0
    settle_seconds: float = 8.0
    """How long an end or a rebalance waits for the answers of gateways."""
    stall_seconds: float = 60.0
    """If nothing is sent for so long though messages are due, the log says so."""
    held_messages: int = 5_000
    """Messages per lane in memory. If there are more, reading stops until some are finished."""
    name: str = "dispatcher"
    """Name of this dispatcher in the log lines of its peers."""
    number_key: Secret | None = None
    """The key of the hashes that stand for numbers in journal and reports; None: a random one."""
    http_host: str = LOOPBACK
    http_port: int | None = None
    """Port of metrics and probes; None: none, 0: any free port."""

    traces: TraceSettings = field(default_factory=TraceSettings)

    def lane_group(self, lane: int, name: str) -> str:
        """The consumer group that stores the position of a lane."""
        return self.group if lane == 0 else f"{self.group}.{name}"
