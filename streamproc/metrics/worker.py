"""The metrics of workers. ``worker/observing.py`` counts them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streamproc.metrics.declaring import Metrics

# Close together where commits usually are: tens of milliseconds. The last bounds tell a slow
# broker from one that is away.
COMMIT_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# A promise of seconds, and storms that are spread over hours.
TIMELY_SECONDS = (
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
)  # fmt: skip
# From a partition with few rows to a changelog of many millions.
OPENING_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

PARTITION = "number of the partition"
CLASS = "`held` (by quiet hours), `mandatory` or `priority_N` with the rule's `priority`"


class WorkerMetrics(Metrics):
    """Figures of a worker. Counters grow when the work is committed, not when it is done, so work
    that is discarded and repeated counts once."""

    subsystem = "worker"
    counted_in = "worker/observing.py"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._work()
        self._partitions_and_commits()
        self._backlog()

    def _work(self) -> None:
        """What is read and written, and in what time."""
        self.events = self.counter(
            "streamproc_worker_events_total",
            "Input records, by their result when they were read.",
            {
                "outcome": "`applied`, `held` (waits for its time), `duplicate`, `forwarded` (to "
                "its right partition, where it counts again) or `rejected`"
            },
            line="events",
            by="outcome",
            zero=[(one,) for one in ("applied", "held", "duplicate", "forwarded", "rejected")],
        )
        self.rejects = self.counter(
            "streamproc_worker_rejects_total",
            "Records written to the rejects topic.",
            {"reason": "the field `reason` of `input.rejected`"},
            line="rejects",
            by="reason",
            zero=[("wrong_partition",)],
        )
        self.reminders = self.counter(
            "streamproc_worker_reminders_total",
            "Reminders written.",
            {
                "kind": "kind of the rule",
                "class": f"{CLASS}, without `held`",
                "severity": "severity of the rule",
            },
            line="reminders",
        )
        self.decisions = self.counter(
            "streamproc_worker_decisions_total",
            "Audit records written, each of one subscriber.",
            {"decision": "the field `decision` of `audit.recorded`"},
            zero=[("missed",)],
        )
        self.applied_by = self.counter(
            "streamproc_worker_applied_total",
            "Input records, by the part of the program that applied them.",
            {"by": "`compiled` (the compiled part) or `core`"},
            zero=[("compiled",), ("core",)],
        )
        self.transport = self.distribution(
            "streamproc_worker_event_to_arrival_seconds",
            "From the time in an event to its arrival in Kafka; of one event of each chunk.",
            TIMELY_SECONDS,
        )
        self.arrival_to_reminder = self.distribution(
            "streamproc_worker_arrival_to_reminder_seconds",
            "From the arrival of usage in Kafka until its reminder can be read.",
            TIMELY_SECONDS,
            line="arrival_to_reminder",
        )
        self.lateness = self.distribution(
            "streamproc_worker_timed_lateness_seconds",
            "From the instant of a timed or held reminder until it can be read.",
            TIMELY_SECONDS,
            line="timed_lateness",
        )

    def _partitions_and_commits(self) -> None:
        """The engine: commits, partitions, rows."""
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
        self.group_workers = self.gauge(
            "streamproc_worker_group_workers",
            "Workers of the group by release, as the last assignment said.",
            {"release": "the release that a worker runs"},
        )
        self.partitions = self.gauge(
            "streamproc_worker_partitions",
            "Partitions of this worker by state.",
            {"state": "a state of streamproc/engine/life.py, without `closed`"},
            line="partitions",
        )
        self.input_partitions = self.gauge(
            "streamproc_worker_input_partitions",
            "Partitions that each input topic has; all workers together must run so many.",
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
            {"partition": PARTITION},
            line="rows",
        )
        self.ids = self.gauge(
            "streamproc_worker_remembered_ids",
            "Ids of events that the partitions that are open here remember, about 12 bytes each.",
        )
        self.memory_limit = self.gauge(
            "streamproc_worker_memory_limit_bytes",
            "The bound of this worker's memory: `--memory-limit-mb`, its control group's or the "
            "machine's; 0 if unknown. `process_resident_memory_bytes` is what it uses.",
        )

    def _backlog(self) -> None:
        """What is not done yet, and what keeps it from being done."""
        self.due_behind = self.gauge(
            "streamproc_worker_due_behind_seconds",
            "Age of the oldest due work that is not done yet; timers stay 1 s behind. A storm's "
            "messages have their own figures.",
            {"partition": PARTITION},
        )
        self.storm_waiting = self.gauge(
            "streamproc_worker_storm_waiting_rows",
            "Subscribers whose message is due, or due soon, and waits for its turn in a storm.",
            {"class": CLASS},
            line="storm_waiting",
        )
        self.storm_oldest = self.gauge(
            "streamproc_worker_storm_oldest_seconds",
            "Time since the oldest message that waits in a storm fell due; 0 if none has.",
            {"class": CLASS},
        )
        self.lag_records = self.gauge(
            "streamproc_worker_lag_records",
            "Readable input that is not applied yet, of partitions that run here.",
            {"topic": "input topic", "partition": PARTITION},
            line="lag_records",
        )
        self.lag_seconds = self.gauge(
            "streamproc_worker_lag_seconds",
            "Age of the last record applied, if there is more; else 0.",
            {"partition": PARTITION},
        )
        self.broker_silent = self.gauge(
            "streamproc_worker_broker_silent_seconds",
            "Time since the broker answered this worker last, if a question failed; else 0.",
        )
        self.clock = self.gauge(
            "streamproc_worker_clock_seconds",
            "The worker's time of day, in seconds since 1970: timed messages follow it.",
        )
        self.rules_refused = self.gauge(
            "streamproc_worker_rules_refused_state",
            "1 while the present rules file is refused and older rules are in force, else 0.",
        )
        self.alarms = self.gauge(
            "streamproc_worker_alarm_raised_state",
            "1 for each alarm that is raised, of the worker that decides them.",
            {
                "alarm": "its name, as docs/runbooks has it",
                "gateway": "name in the gateways file; empty if it is not about one",
                "tier": "`orange` or `red`",
            },
        )
        self.revealed = self.gauge(
            "streamproc_worker_revealed_subscribers",
            "Subscribers whose numbers or texts commands have shown to people within the last 15 "
            "minutes, as the worker knows that decides alarms.",
            {
                "command": "`explain`, `dead_letters_show`, `simulate`, `record` or `other` (of "
                "another release)"
            },
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
