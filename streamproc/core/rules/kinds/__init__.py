"""The kinds of rules. One module holds everything about a kind.

To add a kind, write a module here and add one line to the list below; see
docs/recipes/rule-kind.md. Packages of other people add kinds without a change here
(docs/extending.md).
"""

from __future__ import annotations

from typing import Final

from streamproc.core.rules.kinds import (
    access_limited,
    after_activation,
    anomaly,
    before_cycle_end,
    before_expiry,
    cron,
    cycle_end,
    every_bytes,
    expiry,
    forecast,
    inactivity,
    once,
    overage_started,
    remaining_bytes,
    remaining_percent,
    resolved,
    spend_amount,
    spend_percent,
    usage_corrected,
    usage_percent,
    usage_summary,
    used_bytes,
    velocity,
    zero_balance,
)
from streamproc.core.rules.kinds.base import RuleKind
from streamproc.core.rules.kinds.registry import (
    BUCKET_KINDS,
    CHECK_KINDS,
    KINDS,
    TIMED_KINDS,
    WATCH_KINDS,
    add,
    kind_of,
    with_placeholder,
)

__all__ = [
    "BUCKET_KINDS",
    "BUILT_IN",
    "CHECK_KINDS",
    "KINDS",
    "TIMED_KINDS",
    "WATCH_KINDS",
    "RuleKind",
    "add",
    "kind_of",
    "with_placeholder",
]

BUILT_IN: Final[tuple[RuleKind, ...]] = (
    usage_percent.KIND,
    remaining_percent.KIND,
    remaining_bytes.KIND,
    used_bytes.KIND,
    spend_amount.KIND,
    spend_percent.KIND,
    overage_started.KIND,
    every_bytes.KIND,
    velocity.KIND,
    anomaly.KIND,
    zero_balance.KIND,
    access_limited.KIND,
    resolved.KIND,
    usage_summary.KIND,
    cron.KIND,
    once.KIND,
    before_cycle_end.KIND,
    cycle_end.KIND,
    before_expiry.KIND,
    expiry.KIND,
    after_activation.KIND,
    forecast.KIND,
    inactivity.KIND,
    usage_corrected.KIND,
)
"""The kinds that come with streamproc, in the order of tables and error messages."""

for _kind in BUILT_IN:
    add(_kind)
