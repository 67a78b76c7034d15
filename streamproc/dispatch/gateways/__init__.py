"""Gateways: they send messages, each behind the protocol in ``base``."""
