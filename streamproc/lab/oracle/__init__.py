"""The results of a log of records, calculated a second time by a different route.

Written from the laws (docs/design.md), not from the core: buckets are plain dicts, thresholds are
compared one by one before and after, event ids lie in a dict, the calendar walks day by day, JSON
is checked by hand. Slow and simple on purpose; of the core it reads the rulebook's data alone.
"""

from streamproc.lab.oracle.figures import (
    AccountFigures,
    Expectation,
    OrderKey,
    PlacedRecord,
    PolicyKey,
    ReminderKey,
    ShownBucket,
    differences,
    observed,
    order_key,
    policy_key,
    reminder_key,
)
from streamproc.lab.oracle.log import expect

__all__ = [
    "AccountFigures",
    "Expectation",
    "OrderKey",
    "PlacedRecord",
    "PolicyKey",
    "ReminderKey",
    "ShownBucket",
    "differences",
    "expect",
    "observed",
    "order_key",
    "policy_key",
    "reminder_key",
]
