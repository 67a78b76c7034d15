"""Alarms that workers decide themselves, without Prometheus (docs/alarms.md)."""
