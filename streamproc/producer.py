"""The client for billing systems; docs/producer.md shows how to use it.

>>> from streamproc.producer import UsageProducer, usage
>>> with UsageProducer("127.0.0.1:9092") as producer:        # doctest: +SKIP
...     producer.send(usage("8613800000001", source="ocs-1", id="cdr-1", total_bytes=1_000_000))
"""

from streamproc.contracts.numbers import Numbering
from streamproc.core.state.events import (
    AccountActivated,
    AccountClosed,
    OptedIn,
    OptedOut,
    PlanChanged,
    PreferencesSet,
    ProfileChanged,
    ToppedUp,
    UsageRecorded,
)
from streamproc.kafka.errors import KafkaSettingsError, ReachError, TopicError
from streamproc.kafka.setting_fields import kafka_settings
from streamproc.kafka.settings import KafkaSettings
from streamproc.producing import (
    Delivery,
    DeliveryFailedError,
    InvalidEventError,
    NotAcceptedError,
    Placed,
    SpoolBusyError,
    SpoolDamagedError,
    SpoolFullError,
    UsageProducer,
)
from streamproc.producing.events import build, usage

__all__ = [
    "AccountActivated",
    "AccountClosed",
    "Delivery",
    "DeliveryFailedError",
    "InvalidEventError",
    "KafkaSettings",
    "KafkaSettingsError",
    "NotAcceptedError",
    "Numbering",
    "OptedIn",
    "OptedOut",
    "Placed",
    "PlanChanged",
    "PreferencesSet",
    "ProfileChanged",
    "ReachError",
    "SpoolBusyError",
    "SpoolDamagedError",
    "SpoolFullError",
    "TopicError",
    "ToppedUp",
    "UsageProducer",
    "UsageRecorded",
    "build",
    "kafka_settings",
    "usage",
]
