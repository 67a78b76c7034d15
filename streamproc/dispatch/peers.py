"""Which dispatchers are in the group, by name: each rebalance tells it to all of them.

A member of a group learns only what it is given itself. So each says its name when it joins, and
the leader adds all names to what it gives to each. Members of other programs ignore both.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import structlog
from kafka.coordinator.assignors.range import RangePartitionAssignor

from streamproc.contracts.records.codec import UNREADABLE
from streamproc.printable import printable

log = structlog.get_logger(__name__)

LONGEST_NAME: Final = 64
MOST_PEERS: Final = 1_000

_decode = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode


class NamingAssignor(RangePartitionAssignor):  # type: ignore[misc]  # untyped library
    """Assigns as its base does, and logs which dispatchers came and went."""

    def __init__(self, name: str) -> None:
        self._process = name
        self._peers: set[str] = set()

    def metadata(self, topics: Any) -> Any:
        """What this member says when it joins."""
        said = super().metadata(topics)
        said.user_data = self._process.encode()
        return said

    def assign(self, cluster: Any, members: Any) -> Any:
        """What the leader gives to each member."""
        given = super().assign(cluster, members)
        names = _encode(sorted(_name_of(member) for member in members))
        for assignment in given.values():
            assignment.user_data = names
        return given

    def on_assignment(self, assignment: Any, generation: Any) -> None:
        """What this member was given."""
        try:
            names = _decode(assignment.user_data or b"[]")
            peers = {printable(name[:LONGEST_NAME]) for name in names[:MOST_PEERS]}
        except UNREADABLE:
            return  # the leader is another program
        if peers and peers != self._peers:
            log.info(
                "dispatchers of the group changed",
                joined=sorted(peers - self._peers),
                left=sorted(self._peers - peers),
                dispatchers=len(peers),
            )
            self._peers = peers


def _name_of(member: Any) -> str:
    said: bytes = member.metadata.user_data or b""
    return said[:LONGEST_NAME].decode("utf-8", "replace") or str(
        member.group_instance_id or member.member_id
    )
