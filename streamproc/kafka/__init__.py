"""Whole record batches through kafka-python: for replay, workload and files."""

from streamproc.kafka.errors import BackpressureError, DeliveryError, FencedError, TopicError
from streamproc.kafka.producer import BulkProducer

__all__ = ["BackpressureError", "BulkProducer", "DeliveryError", "FencedError", "TopicError"]
