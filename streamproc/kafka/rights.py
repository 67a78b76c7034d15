"""Explains in words which right (ACL) is missing, and on which object, when a broker refuses."""

from __future__ import annotations

import re

from streamproc.kafka.settings import Broker

TOPIC_AUTHORIZATION_FAILED = 29

SHOWN_NAMES = 5
_REQUEST = re.compile(r".*?Request '(\w+)Request\(")
_REFUSED_NAME = re.compile(r"name='([^']*)',[^()]*?error_code=29")
_TOLD = re.compile(r"error_message='([^']*?)\.?'")

# Both libraries have these errors; kafka-python's names end with Error. The first argument of an
# error names its object, or a set of objects.
_KINDS = {
    "TopicAuthorizationFailed": ("the topic", "Describe, and Read or Write,"),
    "GroupAuthorizationFailed": ("the group", "Describe and Read"),
    "TransactionalIdAuthorizationFailed": ("the transactional id", "Describe and Write"),
    "ClusterAuthorizationFailed": ("the cluster", "what it is about to do there"),
}


def said(error: BaseException) -> str:
    """The text of an error for users. For a missing right, it names the right."""
    return missing_right(error) or _short(str(error)) or type(error).__name__


def missing_right(error: BaseException) -> str | None:
    """The action that the broker refuses and the right to grant; None for any other error."""
    kind = _KINDS.get(type(error).__name__.removesuffix("Error"))
    if kind is None:
        return None
    resource, rights = kind
    about = error.args[0] if error.args else ""
    request = _REQUEST.match(about) if isinstance(about, str) else None
    if request is not None:
        names = sorted(set(_REFUSED_NAME.findall(about)))
        rights = {"CreateTopics": "Create", "DeleteTopics": "Delete"}.get(request[1], rights)
    else:
        names = sorted(map(str, about)) if isinstance(about, set | frozenset) else [str(about)]
    shown = ", ".join(names[:SHOWN_NAMES])
    if len(names) > SHOWN_NAMES:
        shown += f" and {len(names) - SHOWN_NAMES} more"
    return f"this client's user is not allowed to use {resource} {shown}; allow it {rights} there"


def _short(text: str) -> str:
    """A short text. kafka-python's admin client quotes the whole request and the whole answer."""
    request = _REQUEST.match(text)
    if request is None:
        return text
    told = sorted(set(_TOLD.findall(text)))
    return f"{request[1]} failed: {'; '.join(told) or 'the broker does not say why'}"


def hidden_topic(broker: Broker, topic: str) -> str:
    """The message for a topic that may exist but is hidden from this user."""
    return (
        f"the broker does not let this client's user see the topic {topic} at {broker}; allow it "
        f"Describe, and Read or Write, on that topic"
    )
