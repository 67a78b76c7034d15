"""The metrics of dispatchers. ``dispatch/observing.py`` counts them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streamproc.metrics.declaring import Metrics

# A gateway answers within milliseconds or, at the latest, at the end of its timeout.
SUBMIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# A phone can be off for a day: delivery has bounds up to then.
DELIVERY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0)

GATEWAY = "name in the gateways file"
LANE = "name of the lane"


class DispatchMetrics(Metrics):
    """Figures of a dispatcher. Figures about receipts are counted when the receipts are
    committed."""

    subsystem = "dispatch"
    counted_in = "dispatch/observing.py"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._messages()
        self._gateways()
        self._process()

    def _messages(self) -> None:
        """Messages: their results, and the time that they took."""
        self.receipts = self.counter(
            "streamproc_dispatch_receipts_total",
            "Receipts written, by status: also `expired` and `uncertain`.",
            {"gateway": f"{GATEWAY}; `none` if none had it", "status": "status of the receipt"},
            line="receipts",
        )
        self.dead_letters = self.counter(
            "streamproc_dispatch_dead_letters_total",
            "Reminders that were abandoned, and records that are no reminders.",
            {"reason": "the field `reason` of `reminder.abandoned`"},
            line="dead_letters",
            zero=[("permanent",), ("transient",), ("contract_violation",)],
        )
        self.submits = self.counter(
            "streamproc_dispatch_submits_total",
            "Attempts to hand a message to a gateway, by its answer.",
            {
                "gateway": GATEWAY,
                "answer": "`accepted`, `unknown` (no answer), or how it refused: `transient`, "
                "`throttled`, `permanent`, `unreachable`",
            },
            line="submits",
        )
        self.submit_seconds = self.histogram(
            "streamproc_dispatch_submit_duration_seconds",
            "Time until a gateway answered.",
            SUBMIT_SECONDS,
            {"gateway": GATEWAY},
            line="submit",
        )
        self.since_event = self.histogram(
            "streamproc_dispatch_since_event_seconds",
            "From the usage or the due instant to the receipt.",
            DELIVERY_SECONDS,
            {"status": "`accepted` or `delivered`"},
        )
        self.since_reminder = self.histogram(
            "streamproc_dispatch_since_reminder_seconds",
            "From the record of the reminder to the receipt.",
            DELIVERY_SECONDS,
            {"status": "`accepted` or `delivered`"},
        )

    def _gateways(self) -> None:
        """What waits, and the gateways."""
        self.waiting = self.gauge(
            "streamproc_dispatch_waiting_messages",
            "Messages that are due and not with a gateway.",
            {
                "gateway": "where it was tried last, else the first one that takes its lane",
                "lane": LANE,
            },
            line="waiting",
        )
        self.oldest = self.gauge(
            "streamproc_dispatch_oldest_waiting_seconds",
            "Time since the oldest message that waits fell due; 0 if none waits.",
            {"gateway": "as above", "lane": LANE},
        )
        self.in_flight = self.gauge(
            "streamproc_dispatch_in_flight_messages",
            "Messages with a gateway, or about to be.",
            {"gateway": GATEWAY},
            line="in_flight",
        )
        self.window = self.gauge(
            "streamproc_dispatch_window_messages",
            "How many messages the gateway may have without an answer: `window` in the file.",
            {"gateway": GATEWAY},
        )
        self.paused = self.gauge(
            "streamproc_dispatch_throttled_state",
            "1 while nothing is sent because the gateway asked for less, else 0.",
            {"gateway": GATEWAY},
        )
        self.breaker = self.gauge(
            "streamproc_dispatch_breaker_state",
            "1 for the present state of a gateway's circuit breaker, 0 for the others.",
            {"gateway": GATEWAY, "state": "`closed`, `half_open` or `open`"},
        )
        self.breaker_openings = self.counter(
            "streamproc_dispatch_breaker_openings_total",
            "How often a breaker opened.",
            {"gateway": GATEWAY},
            line="breaker_openings",
        )
        self.connected = self.gauge(
            "streamproc_dispatch_connected_state",
            "1 if the gateway has its connection, 0 if it lost it.",
            {"gateway": GATEWAY},
        )
        self.connections_lost = self.counter(
            "streamproc_dispatch_connections_lost_total",
            "How often a gateway was without connection, the start included.",
            {"gateway": GATEWAY},
            line="connections_lost",
        )
        self.overdue = self.counter(
            "streamproc_dispatch_overdue_submits_total",
            "Submits without an answer within `response_seconds`; they are still waited for.",
            {"gateway": GATEWAY},
            line="overdue_submits",
        )

    def _process(self) -> None:
        """Incoming SMS, and the process itself."""
        self.incoming_sms = self.counter(
            "streamproc_dispatch_incoming_sms_total",
            "SMS of subscribers, and parts of them, by our answer.",
            {
                "gateway": GATEWAY,
                "answer": "`taken`, `later` (the message center is to try again) or `refused`",
            },
            line="incoming_sms",
        )
        self.stalls = self.counter(
            "streamproc_dispatch_stalls_total",
            "How often nothing was sent for a while though messages were due.",
            line="stalls",
        )
        self.stalled = self.gauge(
            "streamproc_dispatch_stalled_state",
            "1 while nothing of a lane is sent though messages are due, else 0.",
        )
        self.commits_failed = self.counter(
            "streamproc_dispatch_transactions_failed_total",
            "Transactions of a journal that failed and were tried again.",
            line="transactions_failed",
        )
        self.broker_silent = self.gauge(
            "streamproc_dispatch_broker_silent_seconds",
            "Time since the broker answered this dispatcher last, if a question failed; else 0.",
        )
        self.partitions = self.gauge(
            "streamproc_dispatch_partitions",
            "Partitions of the reminders that this dispatcher owns.",
            line="partitions",
        )
        self.build = self.info(
            "streamproc_dispatch_build_info", "What runs here.", {"version": "of streamproc"}
        )
