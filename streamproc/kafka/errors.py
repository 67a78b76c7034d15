"""Errors of writing to a topic."""

from __future__ import annotations

from streamproc.errors import StreamprocError


class TopicError(StreamprocError):
    """The broker cannot be reached, or the topic is not as needed; the message says what to do."""


class MissingTopicError(TopicError):
    """There is no such topic."""


class DeliveryError(StreamprocError):
    """Records that were handed over are not in the topic."""


class BackpressureError(DeliveryError):
    """The broker takes no more: the bounded buffer stayed full for the whole time allowed."""


class RunFencedError(StreamprocError):
    """Another run with the same id took over; this one must stop."""
