"""The results of a log of records, calculated a second time by a different route.

It is written from the laws (docs/design.md), not from the core. Buckets are plain dicts,
thresholds are compared one by one before and after, event ids are in a dict, the calendar goes
day by day, JSON is checked by hand. It is slow and simple on purpose. From the core it only
reads the data of the rulebook.
"""

from streamproc.lab.oracle.log import expect
from streamproc.lab.oracle.results import (
    Expectation,
    ExpectedAccount,
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

__all__ = [
    "Expectation",
    "ExpectedAccount",
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
