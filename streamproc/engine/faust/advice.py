"""What an operator can do when a broker refuses something."""

from __future__ import annotations

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
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

from streamproc.engine.faust.group_watch import GroupMaxSizeReachedError, InstanceTakenError

FORBIDDEN = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

NO_MEMBER = (InconsistentGroupProtocolError, InvalidGroupIdError, InvalidSessionTimeoutError)
"""Refusals of a group whose causes are options."""

TRANSIENT = (KafkaError, OSError, TimeoutError)
"""Errors that can disappear without action: the broker is down, slow, or elects a leader."""

_ADVICE: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (FORBIDDEN, "a right is missing: docs/security-kafka.md#rights"),
    (
        (InvalidSessionTimeoutError,),
        "--session-timeout-seconds must lie between the broker's group.min.session.timeout.ms and "
        "group.max.session.timeout.ms (6 s and 1800 s by default)",
    ),
    (
        (InconsistentGroupProtocolError,),
        "the group has members of another kind: another program uses this --app-id",
    ),
    (
        (InstanceTakenError,),
        "another worker has joined with the same --instance-id: give each worker one of its own",
    ),
    (
        (GroupMaxSizeReachedError,),
        "the group has as many members as the broker's group.max.size allows",
    ),
    ((InvalidGroupIdError,), "--app-id is no name that a group may have"),
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
        "fewer replicas are in sync than min.insync.replicas requires: start the missing brokers",
    ),
    ((UnknownTopicOrPartitionError,), "a topic is missing: was it deleted?"),
    ((ProducerFenced,), "another worker has opened this partition, or a transaction timed out"),
    ((OSError, TimeoutError, KafkaError), "is the broker up, and can it be reached from here?"),
)


def advice(error: BaseException) -> str:
    """What to do about an error; empty if unknown."""
    for kinds, text in _ADVICE:
        if isinstance(error, kinds):
            return text
    return ""
