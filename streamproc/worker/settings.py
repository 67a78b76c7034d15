"""Settings of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from streamproc.alarms.table import ORANGE_SUBSCRIBERS, RED_SUBSCRIBERS
from streamproc.contracts.topics import WorkerTopics, changelog_of
from streamproc.engine.settings import EngineSettings
from streamproc.kafka.secret import Secret
from streamproc.kafka.settings import Broker
from streamproc.metrics.options import LOOPBACK
from streamproc.tracing.options import TraceSettings

Clock = Literal["wall", "event"]
Native = Literal["auto", "on", "off"]
WrongPartition = Literal["refuse", "forward"]


@dataclass(frozen=True)
class WorkerSettings:
    """All settings of a worker; see ``streamproc worker --help``."""

    broker: Broker
    app_id: str = "streamproc"
    rules: Path | None = None
    """Rules file; None: the packaged one."""
    topics: WorkerTopics = field(default_factory=WorkerTopics)
    create_topics: bool = False
    """Make topics that do not exist; otherwise the worker does not start."""
    partitions: int | None = None
    """For topics that are made; None: as many as the others have, else four."""
    replication_factor: int = 1
    retention_ms: Mapping[str, int] = field(default_factory=dict)
    """For topics that are made, by role, where it is not the usual one."""
    start_empty: bool = False
    """Start with an empty state although outputs hold records."""
    clock: Clock = "wall"
    """Clock of timed reminders: the wall clock, or the timestamps of records (replay)."""
    id_key: Secret | None = None
    """The key of the ids of reminders and orders, the same for all workers; None: no key."""
    wrong_partition: WrongPartition = "refuse"
    """What to do with a record that is not in the partition of its key (docs/contracts.md)."""
    standbys: int = 0
    instance_id: str | None = None
    """Static group membership: a restarted worker gets its partitions back at once."""
    session_timeout_seconds: float = 10.0
    commit_interval_seconds: float = EngineSettings.commit_interval_seconds
    embedded: bool = False
    """The broker is the in-memory one of the demo, which cannot create topics."""
    datadir: Path = Path(".faust-data")
    """Where Faust would keep files. Nothing is written there: all state is in the broker."""
    memory_limit_mb: int | None = None
    """Memory limit; the worker warns when it is near. None: the control group's or the
    machine's."""
    ids_per_partition: int = 100_000_000
    """How many identities of events a partition remembers at most."""
    native: Native = "auto"
    """Whether the compiled part is used; ``auto``: if it is installed."""
    http_host: str = LOOPBACK
    http_port: int | None = None
    """Port of metrics and probes; None: none, 0: any free port."""
    alarm_orange: int = ORANGE_SUBSCRIBERS
    """From so many concerned subscribers on an alarm is orange."""
    alarm_red: int = RED_SUBSCRIBERS
    alarm_webhook: str | None = field(default=None, repr=False)
    """A URL that gets each change of an alarm; it may contain a password."""
    alarm_webhook_key: Secret | None = None
    """The keys that sign what is posted there."""
    traces: TraceSettings = field(default_factory=TraceSettings)
    name: str = ""
    """Name of this worker in the log lines of its peers; empty: the host's name."""
    report: Path | None = None
    """File for the totals of the owned partitions (JSON), written at an orderly end."""

    @property
    def decides_alarms(self) -> bool:
        """A replay is never late, and the in-memory broker has one worker."""
        return self.clock == "wall" and not self.embedded

    @property
    def changelog(self) -> str:
        """The topic that holds the table."""
        return changelog_of(self.app_id)
