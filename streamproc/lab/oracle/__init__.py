"""The results of a log of records, calculated a second time by a different route.

Written from the laws (docs/design.md), not from the core: buckets are plain dicts, thresholds are
compared one by one before and after, event ids lie in a dict, the calendar walks day by day, JSON
is checked by hand. Slow and simple on purpose; of the core it reads the rulebook's data alone.
"""

from streamproc.lab.oracle.figures import (
    AccountFigures,
    BucketFigures,
    Expectation,
    LogRecord,
    OrderKey,
    PolicyKey,
    ReminderKey,
    differences,
    observed,
    order_key,
    policy_key,
    reminder_key,
)
from streamproc.lab.oracle.log import expect

__all__ = [
    "AccountFigures",
    "BucketFigures",
    "Expectation",
    "LogRecord",
    "OrderKey",
    "PolicyKey",
    "ReminderKey",
    "differences",
    "expect",
    "observed",
    "order_key",
    "policy_key",
    "reminder_key",
]
