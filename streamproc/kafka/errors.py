"""Errors of writing to a topic."""

from __future__ import annotations

from streamproc.errors import StreamprocError


class TopicError(StreamprocError):
    """The broker cannot be reached, or the topic does not fit. The message says what to do."""


class MissingTopicError(TopicError):
    """There is no such topic."""


class DeliveryError(StreamprocError):
    """Records that were accepted are not in the topic."""


class BackpressureError(DeliveryError):
    """The broker accepts no more records: the bounded buffer stayed full for the allowed time."""


class RunFencedError(StreamprocError):
    """Another run with the same id has started. This one must stop."""


class KafkaSettingsError(StreamprocError):
    """A setting of the connection to Kafka is wrong or contradicts another. The message names
    it."""


class TokenError(StreamprocError):
    """There is no token for the login."""


class ReachError(StreamprocError):
    """A broker answers, but not to a client with these settings; the message names the setting."""
