"""What an operator can do about what a broker refuses."""

from __future__ import annotations

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidTimestampError,
    InvalidTransactionTimeout,
    KafkaError,
    MessageSizeTooLargeError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    ProducerFenced,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)

from streamproc.errors import StreamprocError

FORBIDDEN = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

PERMISSIONS = (
    "a worker needs Read on its input topics, its changelog and its group, Write on its changelog, "
    "its output topics and the transactional ids that begin with its --app-id, and Describe on all "
    "of them (docs/guarantees.md)"
)

_ADVICE: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (FORBIDDEN, PERMISSIONS),
    (
        (MessageSizeTooLargeError, RecordListTooLargeError),
        "raise max.message.bytes of changelog and output topics to 1 MiB at least",
    ),
    (
        (InvalidTimestampError,),
        "this machine's clock is wrong, or a topic's message.timestamp.*.max.ms too narrow",
    ),
    (
        (InvalidTransactionTimeout,),
        "the broker's transaction.max.timeout.ms must be a minute at least",
    ),
    (
        (NotEnoughReplicasError, NotEnoughReplicasAfterAppendError),
        "fewer replicas are in sync than min.insync.replicas asks for: bring brokers back",
    ),
    ((UnknownTopicOrPartitionError,), "a topic is missing: has somebody deleted it?"),
    ((ProducerFenced,), "another worker has opened this partition, or a transaction timed out"),
    ((OSError, TimeoutError, KafkaError), "is the broker up, and can it be reached from here?"),
)


class ForbiddenError(StreamprocError):
    """The broker does not allow this worker something, which does not change by waiting."""

    def __init__(self, error: BaseException) -> None:
        name = type(error).__name__.removesuffix("Error")
        super().__init__(f"not allowed by the broker ({name}: {_about(error)}); {PERMISSIONS}")


def advice(error: BaseException) -> str:
    """What to do about an error; empty if nobody knows."""
    for kinds, text in _ADVICE:
        if isinstance(error, kinds):
            return text
    return ""


def _about(error: BaseException) -> str:
    """What a refusal was about: topics, group or transactional id."""
    about = error.args[0] if error.args else ""
    return ", ".join(sorted(about)) if isinstance(about, set | frozenset) else str(about)
