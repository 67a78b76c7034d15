"""Kafka records to events, and effects to Kafka records."""
