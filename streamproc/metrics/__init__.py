"""Figures of running processes, for Prometheus and for the log."""
