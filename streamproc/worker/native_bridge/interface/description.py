"""What the compiled part knows about the core's data: the one description of the interface.

Names, order, types, bounds and defaults come from the core's structs. This file only says what the
structs cannot say: what the compiled part does with each field.

- ``reads``: Rust code reads the field (or writes it) by its name.
- ``carries``: Rust passes the field through. Usage neither changes it nor depends on it.
- A field in neither list is *not known*. The compiled part then leaves to Python every event and
  every account in which the field differs from its default. So a new field is correct at once. Name
  it under ``carries`` to make its events and accounts fast again.

After a change run ``make generate`` and install ``./native`` again.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from msgspec import Struct

from streamproc.contracts.records.origin import ORIGIN_HEADER
from streamproc.core.instants import DAY_MINUTES, DAY_MS, NEVER_MS
from streamproc.core.rules.preferences import CHOSEN_BESIDE_USAGE
from streamproc.core.rules.scope import Scope
from streamproc.core.state.account import (
    ACTIVE,
    ALLOWANCE,
    STATE_VERSION,
    UNLIMITED,
    Account,
    Bucket,
    ClosedCycle,
    RareState,
)
from streamproc.core.state.effects import (
    Audited,
    Balance,
    BucketFigures,
    Cause,
    Reminder,
    Threshold,
)
from streamproc.core.state.events import UsageRecorded
from streamproc.core.state.message_memory import RememberedThreshold
from streamproc.core.subscribers import LONGEST, SHORTEST
from streamproc.engine.rows import DUE_BYTES
from streamproc.tracing.context import BAGGAGE, TRACEPARENT, TRACESTATE
from streamproc.worker.native_bridge.crossed import NativeCrossing
from streamproc.worker.native_bridge.known_rules import (
    AnomalyWatch,
    LevelsAre,
    Rules,
    Speed,
    Thresholds,
    Tracked,
    Watch,
)
from streamproc.worker.native_bridge.taught_words import Figure, TaughtText


class KnownStruct(NamedTuple):
    """What the compiled part does with the fields of a struct."""

    struct: type[Struct]
    reads: tuple[str, ...]
    carries: tuple[str, ...] = ()


class Row(NamedTuple):
    """A struct that is packed as an array, in the order of its fields."""

    known: KnownStruct
    is_written: bool
    """Whether the compiled part writes it. Then it accepts only rows of the present length: the
    core would write shorter rows, of earlier releases, at full length."""


ROWS: Final = (
    Row(
        KnownStruct(
            Account,
            reads=(
                *("version", "status", "plan", "time_zone", "locale", "activated_ms"),
                *("cycle_start_ms", "cycle_end_ms", "buckets", "overage_bytes", "charged_bytes"),
                *("history", "opted_out", "clock_ms", "rules_id", "ended", "extra"),
            ),
            carries=(
                *("next_plan", "anchor_day", "closed_ms", "grants", "next_due_ms", "held"),
                "period_bases",
            ),
        ),
        is_written=True,
    ),
    Row(
        KnownStruct(
            Bucket,
            reads=(
                *("id", "kind", "source", "granted_ms", "expires_ms", "granted_bytes"),
                *("used_bytes", "arming", "expired_bytes", "rolled_over_bytes"),
            ),
            carries=("priority",),
        ),
        is_written=True,
    ),
    Row(
        KnownStruct(
            ClosedCycle,
            reads=("start_ms", "used_bytes", "overage_bytes"),
            carries=(
                *("end_ms", "granted_bytes", "expired_bytes", "late_bytes", "rolled_over_bytes"),
                *("spend_minor", "is_unlimited", "source", "priority", "buckets", "beside"),
                "unrolled",
            ),
        ),
        is_written=False,
    ),
    Row(
        KnownStruct(
            RememberedThreshold,
            reads=("rule", "bucket", "threshold", "is_told"),
            carries=("count",),
        ),
        is_written=False,
    ),
)

EXTRA: Final = KnownStruct(
    RareState,
    reads=("alarms", "speeds", "used_ms", "boundary_ms"),
    carries=(
        *CHOSEN_BESIDE_USAGE,
        *("segments", "moves", "ends_told", "services"),
        *("questions", "questions_asked", "confirmed_charges", "roaming_zone", "located_ms"),
        *("advised_cycle_ms", "listed", "replied_ms", "helped", "left_singly", "waiting"),
        *("sent_ms", "cooling", "foretold", "boundaries"),
    ),
)
"""Packed as a map of the fields that differ from their default. Own thresholds, members and meters
are not known: the core applies the usage of such an account."""

USAGE: Final = KnownStruct(
    UsageRecorded,
    reads=(
        *("id", "source", "subscriber", "time", "total_bytes", "uplink_bytes", "downlink_bytes"),
        *("rating_group", "roaming_zone"),
    ),
    carries=("service",),
)
"""The only event that the compiled part applies. The core applies usage of a pool's member."""
KEY_FIELD: Final = "subscriber"
"""It must equal the key of an existing row, so its form was checked before."""


class Output(NamedTuple):
    """A struct that the compiled part writes as JSON.

    A field of the struct in none of the lists is not known: then the compiled part
    makes no messages.
    """

    struct: type[Struct]
    writes: tuple[str, ...]
    """Rust code sets the field."""
    as_json: tuple[str, ...] = ()
    """Those of them that Rust already has as JSON: Python wrote them once per rule or text."""
    constant: dict[str, object] = {}
    """Fields with the same value in all messages of the compiled part."""
    leaves_out: tuple[str, ...] = ()
    """Fields that messages of the compiled part never have."""


OUTPUTS: Final = (
    Output(
        BucketFigures,
        writes=(
            *("id", "kind", "granted_bytes", "used_bytes", "remaining_bytes"),
            "expires_time",
        ),
    ),
    Output(Threshold, writes=("unit", "value"), as_json=("unit",)),
    Output(
        Cause,
        writes=("event_id", "source", "topic", "partition", "offset"),
        leaves_out=("due_time",),
    ),
    Output(
        Balance,
        writes=("granted_bytes", "used_bytes", "remaining_bytes", "overage_bytes"),
    ),
    Output(
        Reminder,
        writes=(
            *("id", "kind", "rule", "subscriber", "buckets", "threshold", "cycle_start"),
            *("cycle_end", "used_bytes", "granted_bytes", "remaining_bytes", "overage_bytes"),
            *("as_of", "locale", "text", "encoding", "segments", "category", "priority"),
            *("mandatory", "not_before", "expires_time", "cause", "severity"),
        ),
        as_json=("kind", "rule", "locale", "category", "severity"),
        leaves_out=("recipient", "channel_texts", "runs_out_time", "unlimited"),
    ),
    Output(
        Audited,
        writes=(
            *("subscriber", "time", "cause", "rule", "bucket", "threshold", "category"),
            *("before", "after", "reminder"),
        ),
        as_json=("rule", "category"),
        constant={"decision": "fired", "figures": {}},
        leaves_out=("member",),
    ),
)
"""A nested struct comes before the structs that contain it."""

CONSTANTS: Final[dict[str, int | str]] = {
    "STATE_VERSION": STATE_VERSION,
    "ACTIVE": ACTIVE,
    "ALLOWANCE": ALLOWANCE,
    "UNLIMITED": UNLIMITED,
    "DUE_BYTES": DUE_BYTES,
    "LONGEST_KEY_BYTES": LONGEST,
    "SHORTEST_KEY_BYTES": SHORTEST,
    "DAY_MS": DAY_MS,
    "DAY_MINUTES": DAY_MINUTES,
    "NEVER_MS": NEVER_MS,
    "ORIGIN_HEADER": ORIGIN_HEADER,
    "TRACEPARENT": TRACEPARENT,
    "TRACESTATE": TRACESTATE,
    "BAGGAGE": BAGGAGE,
}
"""Values of the core that Rust code uses by the same name."""

VIEWS: Final[dict[str, type]] = {
    "Thresholds": Thresholds,
    "Scope": Scope,
    "AnomalyWatch": AnomalyWatch,
    "Speed": Speed,
    "Watch": Watch,
    "Tracked": Tracked,
    "Rules": Rules,
    "TaughtText": TaughtText,
}
"""Objects that Python passes as plain attributes, by the name of the struct in Rust."""
ENUMS: Final[tuple[type[IntEnum], ...]] = (LevelsAre, Figure)
"""Enums whose numbers are passed to Rust."""
RESULT: Final = NativeCrossing
"""The result of the compiled part for usage whose messages it cannot make."""
