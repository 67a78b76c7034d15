"""Access to Kafka: the settings and makers of all clients, record batches through kafka-python, and
recordings of them."""
