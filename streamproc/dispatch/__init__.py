"""``streamproc dispatch``: reminders from Kafka to gateways, at most once each, with receipts.

``scheduler`` decides (pure: time and chance are arguments), ``runner`` and the Kafka modules do the
work, ``gateways`` send. docs/dispatcher.md describes the guarantees.
"""
