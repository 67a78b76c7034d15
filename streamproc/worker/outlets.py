"""The output topic of each kind of effect."""

from __future__ import annotations

from typing import NamedTuple, get_args

from streamproc.contracts.topics import WorkerTopics
from streamproc.core.state.effects import Effect


class Outlet(NamedTuple):
    """The destination of effects of one type."""

    name: str
    """The field of :class:`WorkerTopics`; effects are counted under this name."""
    topic: str
    is_keyed: bool
    """Whether the record has the subscriber as its key."""


def outlets(topics: WorkerTopics) -> dict[type[Effect], Outlet]:
    """Outlets by type of effect. Raises ``ValueError`` if an effect has no topic, or several."""
    found: dict[type[Effect], Outlet] = {}
    for kind in get_args(Effect):
        record = str(kind.__struct_config__.tag)
        names = [name for name, one in topics.declared().items() if one.carries(record)]
        if len(names) != 1:
            raise ValueError(
                f"{record} must belong to exactly one output topic (contracts/topics.py): {names}"
            )
        (name,) = names
        is_keyed = topics.declared()[name].key != "none"
        found[kind] = Outlet(name, getattr(topics, name), is_keyed)
    return found
