"""The default address for metrics."""

LOOPBACK = "127.0.0.1"
"""Only this machine can read figures unless an operator allows more: they show how much traffic
there is."""
