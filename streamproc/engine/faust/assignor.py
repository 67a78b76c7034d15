"""Which worker runs which release, and the form of the state that all of them read.

A member of a group learns only what it is given itself. So each worker says its release and the
newest form that it reads when it joins, in the metadata of Faust's assignor. The leader adds what
all said to what it gives to each. Release 0.1.0 says nothing, and ignores what others say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from faust.assignor.partition_assignor import PartitionAssignor
from msgspec import Struct

from streamproc.engine.changelog import PROGRESS_VERSION
from streamproc.engine.forms import SILENT_FORM, agreed_form

FIELD: Final = "streamproc"
"""Ours in the metadata of Faust's assignor."""
EARLIER: Final = "0.1.0"
"""The release of workers that say none."""
LONGEST_RELEASE: Final = 40


class Told(Struct):
    """What a worker says when it joins."""

    release: str = EARLIER
    reads_form: int = SILENT_FORM


class Given(Struct):
    """What the leader gives to each worker."""

    form: int = SILENT_FORM
    """The form that is written from now on."""
    releases: dict[str, str] = {}
    """The release of each worker, by its URL."""


class _Told(Struct):
    url: str = ""
    streamproc: Told = msgspec.field(default_factory=Told)


class _Given(Struct):
    streamproc: Given = msgspec.field(default_factory=Given)


_decode_told = msgspec.json.Decoder(_Told).decode
_decode_given = msgspec.json.Decoder(_Given).decode


class ReleaseAssignor(PartitionAssignor):
    """Assigns as its base does, and passes on who runs what."""

    given: Given = Given()
    """As of the last assignment. A leader of release 0.1.0 gives none."""

    def metadata(self, topics: Any) -> Any:
        """What this worker says when it joins."""
        said = super().metadata(topics)
        told = Told(self.app.engine.settings.release or EARLIER, PROGRESS_VERSION)
        return type(said)(said.version, said.subscription, _with_field(said.user_data, told))

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        """What the leader gives to each worker."""
        assignments = super().assign(cluster, member_metadata)
        given = given_to(member.user_data for member in member_metadata.values())
        return {
            member: type(one)(
                one.version,
                one.assignment,
                self._compress(_with_field(self._decompress(one.user_data), given)),
            )
            for member, one in assignments.items()
        }

    def on_assignment(self, assignment: Any) -> None:
        """What this worker was given."""
        super().on_assignment(assignment)
        try:
            self.given = _decode_given(self._decompress(assignment.user_data)).streamproc
        except msgspec.MsgspecError:
            self.given = Given()

    def releases(self) -> dict[str, int]:
        """How many workers of the group run each release; empty if nobody said it."""
        return dict(Counter(self.given.releases.values()))


def given_to(user_data: Iterable[bytes]) -> Given:
    """What follows from what all workers have said."""
    told = [_told(one) for one in user_data]
    form = agreed_form(one.streamproc.reads_form for one in told)
    return Given(form, {one.url: one.streamproc.release[:LONGEST_RELEASE] for one in told})


def _told(user_data: bytes) -> _Told:
    try:
        return _decode_told(user_data)
    except msgspec.MsgspecError:
        return _Told()  # nobody knows what it reads, so it is taken for the first release


def _with_field(data: bytes, value: Struct) -> bytes:
    said: dict[str, Any] = msgspec.json.decode(data)
    return msgspec.json.encode(said | {FIELD: value})
