"""The metrics of workers. ``worker/observing.py`` counts them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streamproc.metrics.declaring import Metrics

# Close together where commits usually are: tens of milliseconds. The last bounds tell a slow
# broker from one that is away.
COMMIT_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# From a partition with few rows to a changelog of many millions.
OPENING_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class WorkerMetrics(Metrics):
    """Figures of a worker. Counters grow when the work is committed, not when it is done, so work
    that is discarded and repeated counts once."""

    subsystem = "worker"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.events = self.counter(
            "streamproc_worker_events_total",
            "Input records, by their result when they were read.",
            {
                "outcome": "`applied`, `held` (waits for its time), `duplicate`, `forwarded` (to "
                "its right partition, where it counts again) or `rejected`"
            },
            line="events",
            by="outcome",
        )
        self.rejects = self.counter(
            "streamproc_worker_rejects_total",
            "Records written to the rejects topic.",
            {"reason": "the field `reason` of `input.rejected`"},
            line="rejects",
            by="reason",
        )
        self.reminders = self.counter(
            "streamproc_worker_reminders_total",
            "Reminders written.",
            {"kind": "kind of the rule", "severity": "severity of the rule"},
            line="reminders",
        )
        self.commit_seconds = self.histogram(
            "streamproc_worker_commit_duration_seconds",
            "Time of a partition's transaction, from its begin until it is committed.",
            COMMIT_SECONDS,
            line="commit",
        )
        self.transactions_failed = self.counter(
            "streamproc_worker_transactions_failed_total",
            "Transactions that failed: the partition is loaded again, its input applied again.",
            line="transactions_failed",
        )
        self.work_set_aside = self.counter(
            "streamproc_worker_work_set_aside_total",
            "Records, or due work of one subscriber, that the program failed at and leaves out.",
            line="work_set_aside",
        )
        self.rebalances = self.counter(
            "streamproc_worker_rebalances_total",
            "Assignments of partitions by the consumer group.",
            line="rebalances",
        )
        self.partitions = self.gauge(
            "streamproc_worker_partitions",
            "Partitions of this worker by state.",
            {"state": "a state of streamproc/engine/life.py, without `closed`"},
            line="partitions",
        )
        self.opening_seconds = self.histogram(
            "streamproc_worker_opening_duration_seconds",
            "Time to open a partition: fence the predecessor, read the changelog.",
            OPENING_SECONDS,
            line="opening",
        )
        self.changelog_read = self.counter(
            "streamproc_worker_changelog_read_total",
            "Offsets of the changelog read while partitions were opened.",
        )
        self.rows = self.gauge(
            "streamproc_worker_subscribers_rows",
            "Rows of state in the partitions that are open here.",
            line="rows",
        )
        self.lag_records = self.gauge(
            "streamproc_worker_lag_records",
            "Readable input that is not applied yet, of partitions that run here.",
            {"topic": "input topic", "partition": "number of the partition"},
            line="lag_records",
        )
        self.lag_seconds = self.gauge(
            "streamproc_worker_lag_seconds",
            "Age of the last record applied, if there is more; else 0.",
            {"partition": "number of the partition"},
        )
        self.build = self.info(
            "streamproc_worker_build_info",
            "What runs here.",
            {
                "version": "of streamproc",
                "native": "`yes` if the compiled part is used",
                "rules": "fingerprint of the rules in force",
            },
        )
