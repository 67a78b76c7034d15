"""Exact quota tables and timely usage reminders on Kafka and Faust."""

__version__ = "0.1.0"
