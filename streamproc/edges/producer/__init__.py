"""Billing's side: events built, checked and brought to Kafka."""

from streamproc.edges.producer.billing import BillingProducer
from streamproc.edges.producer.client import UsageProducer
from streamproc.edges.producer.delivery import (
    Delivery,
    DeliveryFailedError,
    NotAcceptedError,
    Placed,
)
from streamproc.edges.producer.events import InvalidEventError
from streamproc.edges.producer.spool import SpoolBusyError, SpoolDamagedError, SpoolFullError

__all__ = [
    "BillingProducer",
    "Delivery",
    "DeliveryFailedError",
    "InvalidEventError",
    "NotAcceptedError",
    "Placed",
    "SpoolBusyError",
    "SpoolDamagedError",
    "SpoolFullError",
    "UsageProducer",
]
