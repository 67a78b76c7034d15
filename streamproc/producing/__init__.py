"""Billing's side: builds events, checks them and sends them to Kafka."""

from streamproc.producing.billing import BillingProducer
from streamproc.producing.client import UsageProducer
from streamproc.producing.event_results import (
    Delivery,
    DeliveryFailedError,
    NotAcceptedError,
    Placed,
)
from streamproc.producing.events import InvalidEventError
from streamproc.producing.spool import SpoolBusyError, SpoolDamagedError, SpoolFullError

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
