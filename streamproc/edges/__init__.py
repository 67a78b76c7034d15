"""The edges: what speaks to Kafka outside the engine (producer, dispatcher, replay, demo)."""
