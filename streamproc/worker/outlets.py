"""Which output topic takes which effect."""

from __future__ import annotations

from typing import NamedTuple, get_args

from streamproc.contracts.topics import WorkerTopics
from streamproc.core.state.effects import Effect


class Outlet(NamedTuple):
    """Where effects of a type go."""

    name: str
    """The field of :class:`WorkerTopics`; what they are counted as."""
    topic: str
    is_keyed: bool
    """Whether the record has the subscriber as its key."""


def outlets(topics: WorkerTopics) -> dict[type[Effect], Outlet]:
    """By type of effect. Raises ``ValueError`` if an effect has no topic, or several."""
    found: dict[type[Effect], Outlet] = {}
    for kind in get_args(Effect):
        record = str(kind.__struct_config__.tag)
        names = [name for name, one in topics.declared().items() if one.carries(record)]
        if len(names) != 1:
            raise ValueError(
                f"{record} must lie in one output topic (contracts/topics.py): {names}"
            )
        (name,) = names
        is_keyed = topics.declared()[name].key != "none"
        found[kind] = Outlet(name, getattr(topics, name), is_keyed)
    return found
