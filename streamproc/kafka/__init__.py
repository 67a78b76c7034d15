"""Access to Kafka: the settings and makers of all clients, record batches through kafka-python, and
recordings of them."""

from streamproc.kafka.errors import BackpressureError, DeliveryError, RunFencedError, TopicError
from streamproc.kafka.producer import BulkProducer

__all__ = ["BackpressureError", "BulkProducer", "DeliveryError", "RunFencedError", "TopicError"]
