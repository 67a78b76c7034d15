"""Gateways: what sends an SMS, each behind the protocol in ``base``."""
