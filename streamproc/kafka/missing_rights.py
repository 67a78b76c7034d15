"""Says in words which right (ACL) a user lacks: on which resource, and for which operation.

Brokers tell what a client may do with a topic that it can see (KIP-430). So rights are checked
before any work begins, and again while it lasts. A topic that a user may not see and one that does
not exist look the same to a client, therefore the message names both possibilities.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamproc.kafka.errors import TopicError
from streamproc.kafka.settings import Broker, settings_of

TOPIC_AUTHORIZATION_FAILED = 29
SHOWN_NAMES = 5

Needs = Mapping[str, Collection[str]]
"""Operations by topic. They are Kafka's own words, such as ``Read`` and ``DescribeConfigs``."""

_REQUEST = re.compile(r".*?Request '(\w+)Request\(")
_REFUSED_NAME = re.compile(r"name='([^']*)',[^()]*?error_code=29")
_COORDINATOR = re.compile(r"FindCoordinatorResponse error for \w+/(.*):")
_TOLD = re.compile(r"error_message='([^']*?)\.?'")

# Both libraries have these errors; kafka-python's names end with Error. The first argument of an
# error names its object, or a set of objects.
_KINDS = {
    "TopicAuthorizationFailed": ("topic", "Read or Write"),
    "GroupAuthorizationFailed": ("group", "Read"),
    "TransactionalIdAuthorizationFailed": ("transactional id", "Write"),
    "ClusterAuthorizationFailed": ("cluster", "what it is about to do"),
}
_OPERATIONS = {"CreateTopics": "Create", "DeleteTopics": "Delete"}
"""By the request of an admin client that a broker has refused."""


@dataclass(frozen=True, order=True)
class Lack:
    """Operations that are not allowed on one resource."""

    operations: str
    """As words: ``Describe and Read``."""
    resource: str
    """``topic``, ``group``, ``transactional id`` or ``cluster``."""
    name: str
    is_hidden: bool = False
    """The user may not see the topic, so it may also be missing."""


class MissingRightError(TopicError):
    """The broker does not allow something to this client's user. Waiting does not help."""

    def __init__(self, broker: Broker, lacks: Iterable[Lack]) -> None:
        self.lacks = tuple(sorted(lacks))
        super().__init__(_sentence(broker, self.lacks))


def check_rights(broker: Broker, described: Iterable[Mapping[str, Any]], needs: Needs) -> None:
    """Raise :class:`MissingRightError` if a topic may not be used as ``needs`` says.

    ``described`` are topics as kafka-python's ``describe_topics`` returns them. Brokers that do not
    tell what is allowed (before Kafka 2.3) cause no error.
    """
    lacks = []
    for one in described:
        name = one["name"]
        wanted = needs.get(name, ())
        if one["error_code"] == TOPIC_AUTHORIZATION_FAILED:
            # Each of these brings Describe with it, so none of them is there.
            words = [word for word in sorted(wanted) if word in ("Read", "Write")]
            lacks.append(Lack(_joined(["Describe", *words]), "topic", name, is_hidden=True))
        elif not one["error_code"] and one.get("authorized_operations"):
            allowed = {_plain(operation) for operation in one["authorized_operations"]}
            missing = [word for word in sorted(wanted) if _plain(word) not in allowed]
            if missing:
                lacks.append(Lack(_joined(missing), "topic", name))
    if lacks:
        raise MissingRightError(broker, lacks)


def said(
    error: BaseException, broker: Broker | None = None, operation: str = "", place: str = ""
) -> str:
    """The text of an error for users. For a missing right, it names the right.

    ``operation``: what the client was doing with topics. ``place`` says where any other error
    happened.
    """
    refused = missing_right(error, broker, operation)
    if refused is not None:
        return refused
    text = _short(str(error)) or type(error).__name__
    where = f" at {broker}" if broker is not None else ""
    return f"{place}{where}: {text}" if place else text


def missing_right(
    error: BaseException, broker: Broker | None = None, operation: str = ""
) -> str | None:
    """The right that a broker's refusal is about; None for any other error.

    ``operation``: what the client was doing with topics, if that is known.
    """
    kind = _KINDS.get(type(error).__name__.removesuffix("Error"))
    if kind is None:
        return None
    resource, usual = kind
    about = error.args[0] if error.args else ""
    request = _REQUEST.match(about) if isinstance(about, str) else None
    if request is not None:
        names = sorted(set(_REFUSED_NAME.findall(about)))
        operation = _OPERATIONS.get(request[1], operation)
    else:
        names = sorted(map(str, about)) if isinstance(about, set | frozenset) else [str(about)]
        names = [_COORDINATOR.sub(r"\1", name).strip() for name in names]
    words = operation if operation and resource == "topic" else usual
    return _sentence(broker, [Lack(words, resource, name) for name in names or [""]])


def _sentence(broker: Broker | None, lacks: Iterable[Lack]) -> str:
    """One line for all rights that a user lacks."""
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for one in lacks:
        groups.setdefault((one.operations, one.resource, one.is_hidden), []).append(one.name)
    parts = [_part(*key, names) for key, names in groups.items()]
    settings = None if broker is None else settings_of(broker)
    user = "this client's user" if settings is None else settings.user
    where = "" if settings is None else f" at {settings}"
    role = f" --role {settings.role}" if settings is not None and settings.role else ""
    return (
        f"{user} has no right to {'; and to '.join(parts)}{where}: `streamproc acls{role}` prints "
        f"the rights that it needs"
    )


def _part(operations: str, resource: str, is_hidden: bool, names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    if len(names) > SHOWN_NAMES:
        shown += f" and {len(names) - SHOWN_NAMES} more"
    many = "s" if len(names) > 1 else ""
    text = f"{operations} the {resource}{many} {shown}".rstrip()
    if is_hidden:
        text += f" (or there {'are' if many else 'is'} no such topic{many})"
    return text


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _plain(operation: str) -> str:
    """Kafka's name and kafka-python's name of an operation in one form."""
    return operation.replace("_", "").lower()


def _short(text: str) -> str:
    """A short text. kafka-python's admin client quotes the whole request and the whole answer."""
    request = _REQUEST.match(text)
    if request is None:
        return text
    told = sorted(set(_TOLD.findall(text)))
    return f"{request[1]} failed: {'; '.join(told) or 'the broker does not say why'}"
