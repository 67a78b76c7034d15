"""``streamproc dispatch``: reminders from Kafka to gateways, at most once each, with receipts.

``desk`` decides (pure: time and chance are arguments), ``runner`` and ``kafka_io`` do, ``gateways``
speak to the outside. docs/dispatcher.md says what is promised.
"""
