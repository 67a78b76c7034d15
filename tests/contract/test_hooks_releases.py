"""Workers say their release in the group's metadata, also beside those of release 0.1.0."""

from __future__ import annotations

import inspect
from typing import Any
from unittest import mock

import msgspec
import pytest
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from faust.assignor.client_assignment import ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor

from streamproc import __version__
from streamproc.engine.changelog import PROGRESS_VERSION
from streamproc.engine.faust import assignor, row_table
from streamproc.engine.faust.assignor import EARLIER, FIELD, Given, ReleaseAssignor, given_to
from streamproc.engine.forms import SILENT_FORM, WRITES_FORM

TOPICS = {"streamproc.events", "streamproc-accounts-changelog"}
CLUSTER = mock.Mock(partitions_for_topic=lambda topic: {0, 1})


def member(url: str, **told: Any) -> bytes:
    """What a worker says; without ``told`` as release 0.1.0 does."""
    said = {"assignment": {"actives": {}, "standbys": {}}, "url": url, "changelog_distribution": {}}
    return msgspec.json.encode(said | ({FIELD: told} if told else {}))


def metadata(data: bytes) -> Any:
    return ConsumerProtocolMemberMetadata(4, sorted(TOPICS), data)


def on_the_wire(assignment: Any) -> Any:
    return ConsumerProtocolMemberAssignment.decode(assignment.encode())


def test_a_worker_says_its_release_and_the_form_that_it_reads(app: Any) -> None:
    assert type(app.assignor) is ReleaseAssignor
    said = ConsumerProtocolMemberMetadata.decode(app.assignor.metadata(TOPICS).encode())
    assert sorted(said.subscription) == sorted(TOPICS)
    fields = msgspec.json.decode(said.user_data)
    assert fields[FIELD] == {"release": __version__, "reads_form": PROGRESS_VERSION}
    before = ClientMetadata.loads(said.user_data)
    assert before.url == str(app.conf.canonical_url), "release 0.1.0 reads it, too"
    assert FIELD.encode() not in before.dumps(), "and gives nothing of it back"


def test_the_leader_gives_to_all_what_all_have_said(app: Any) -> None:
    own = app.assignor.metadata(TOPICS)
    members = {
        "me": own,
        "new": metadata(member("http://new", release="7.0.0", reads_form=9)),
        "old": metadata(member("http://old")),
    }
    given = {name: on_the_wire(one) for name, one in app.assignor.assign(CLUSTER, members).items()}

    earlier = PartitionAssignor(app)
    earlier.on_assignment(given["me"])
    assert earlier.assigned_actives(), "release 0.1.0 takes it"

    app.assignor.on_assignment(given["me"])
    me = str(app.conf.canonical_url)
    assert app.assignor.given == Given(
        SILENT_FORM, {me: __version__, "http://new": "7.0.0", "http://old": EARLIER}
    )
    assert app.assignor.releases() == {__version__: 1, "7.0.0": 1, EARLIER: 1} or (
        __version__ == EARLIER
    )


def test_a_leader_of_release_0_1_0_gives_nothing(app: Any) -> None:
    earlier = PartitionAssignor(app)
    members = {"me": app.assignor.metadata(TOPICS), "old": metadata(member("http://old"))}
    app.assignor.given = Given(9, {"http://gone": "9"})
    app.assignor.on_assignment(on_the_wire(earlier.assign(CLUSTER, members)["me"]))
    assert app.assignor.given == Given(SILENT_FORM, {})
    assert app.assignor.releases() == {}


@pytest.mark.parametrize(
    ("members", "form"),
    [
        ([{"release": "a", "reads_form": 9}, {"release": "b", "reads_form": 9}], WRITES_FORM),
        ([{"release": "a", "reads_form": 9}, {"release": "b", "reads_form": 1}], 1),
        ([{"release": "a", "reads_form": 9}, {}], SILENT_FORM),
        ([{"release": "a", "reads_form": "nine"}], SILENT_FORM),
        ([{"release": 3, "reads_form": 9}], SILENT_FORM),
    ],
)
def test_the_form_is_the_least_that_a_worker_reads(members: list[Any], form: int) -> None:
    said = [member(f"http://{number}", **told) for number, told in enumerate(members)]
    assert given_to(said).form == form


def test_what_nobody_can_read_is_taken_for_the_first_release(app: Any) -> None:
    assert given_to([b"\xff", member("http://a", release="x" * 99, reads_form=9)]) == Given(
        SILENT_FORM, {"": EARLIER, "http://a": "x" * assignor.LONGEST_RELEASE}
    )


async def test_the_log_and_the_figures_say_who_runs_what(app: Any) -> None:
    accounts = app.tables["accounts"]
    told: list[Any] = []
    counted: list[Any] = []
    accounts.partitions_here = mock.Mock(own=mock.AsyncMock())
    accounts.partitions_here.observer.group_has = counted.append
    urls = ("http://one", "http://two")
    app.assignor.changelog_distribution = {url: {} for url in urls}
    with mock.patch.object(row_table.log, "info", lambda _, **said: told.append(said)):
        for releases in ({}, dict.fromkeys(urls, "0.1.0"), {urls[0]: "0.2.0", urls[1]: "0.1.0"}):
            app.assignor.given = Given(len(counted) + 2, releases)
            await accounts.on_rebalance(set(), set(), set())

    assert [one["releases"] for one in told] == [
        *({}, {"0.1.0": ["one", "two"]}, {"0.1.0": ["two"], "0.2.0": ["one"]}),
    ]
    assert counted == [{}, {"0.1.0": 2}, {"0.2.0": 1, "0.1.0": 1}]
    forms = [call.args[3] for call in accounts.partitions_here.own.call_args_list]
    assert forms == [2, 3, 4]


def test_the_bases_parts_are_there() -> None:
    for name in ("_compress", "_decompress"):
        assert callable(getattr(PartitionAssignor, name)), name
    source = inspect.getsource(PartitionAssignor)
    assert "self._compress(\n                    ClientMetadata(" in source
    assert "self._decompress(assignment.user_data)" in source
