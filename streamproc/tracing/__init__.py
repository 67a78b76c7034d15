"""Traces: the context of an event's trace on its way to the receiver of a reminder.

Nothing here imports OpenTelemetry unless it is installed and switched on.
"""
