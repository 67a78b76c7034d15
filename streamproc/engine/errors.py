"""Errors of the engine about answers of the broker."""

from __future__ import annotations

from streamproc.errors import StreamprocError
from streamproc.kafka.missing_rights import said
from streamproc.kafka.settings import Broker


class TakenOverError(StreamprocError):
    """Another worker has opened this partition. This worker must not use it any more."""


class ForbiddenError(StreamprocError):
    """The broker does not allow something to this worker. Waiting does not help."""

    def __init__(self, error: BaseException, broker: Broker, operation: str = "") -> None:
        """``operation``: what the worker was doing with topics, in Kafka's words."""
        super().__init__(f"not allowed by the broker: {said(error, broker, operation)}")


class GroupError(StreamprocError):
    """This worker cannot be a member of its group. Waiting does not help."""

    def __init__(self, error: BaseException, advice: str) -> None:
        name = type(error).__name__.removesuffix("Error")
        super().__init__(f"cannot be a member of the group ({name}: {error}); {advice}")
