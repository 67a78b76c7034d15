"""Settings of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from streamproc.kafka.settings import Broker


@dataclass(frozen=True)
class EngineSettings:
    """Settings of the engine. The defaults suit production."""

    broker: Broker
    app_id: str
    input_topics: tuple[str, ...]
    commit_interval_seconds: float = 0.1
    partitions: int = 0
    """How many partitions each topic has: a state made with another number is refused. 0: not
    known."""
    chunk_records: int = 1000
    """Records applied in one step. At about 10 µs per record, the event loop stays responsive."""
    max_value_bytes: int | None = None
    """Records with larger values are not kept; something stands for them that says so."""
    max_uncommitted_records: int = 50_000
    """Beyond this number a partition waits for its commit in flight (law 7: bounded memory)."""
    max_outbox_records: int = 10_000
    """Beyond this number of outputs a record with much due work before it waits for a commit."""
    due_per_tick: int = 1000
    """Due rows per partition and tick, so that a storm does not stop input."""
    tick_seconds: float = 0.05
    timer_margin_ms: int = 1_000
    """How long after its instant a timer runs: longer than a record needs to reach a worker."""
    release: str = ""
    """The release of this program: it stands in what is written and in the group's metadata."""
    open_patience_seconds: float = 60.0
    """How long the worker tries to open an assigned partition before it stops."""
