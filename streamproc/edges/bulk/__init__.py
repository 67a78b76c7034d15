"""Whole record batches through kafka-python: for replay, workload and files."""

from streamproc.edges.bulk.errors import BackpressureError, DeliveryError, FencedError, TopicError
from streamproc.edges.bulk.producer import BulkProducer

__all__ = ["BackpressureError", "BulkProducer", "DeliveryError", "FencedError", "TopicError"]
