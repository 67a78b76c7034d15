"""A partition of a newer release is refused before it is taken; forms rise when all read them."""

from __future__ import annotations

import pytest

from streamproc.engine.changelog import (
    PROGRESS_KEY,
    PROGRESS_VERSION,
    NewerFormError,
    Progress,
    decode_progress,
    encode_progress,
)
from streamproc.engine.forms import SILENT_FORM, WRITES_FORM, agreed_form
from streamproc.engine.life import State
from tests.support.waiting import until
from tests.unit.test_partition_life import Scene, scene

__all__ = ["scene"]
NEWER = encode_progress(Progress(PROGRESS_VERSION + 1, {"in": 7}, written_by="9.0.0"))


def written(of: Scene, count: int) -> None:
    """Rows behind the last progress record, as one commit of many rows would have them."""
    for number in range(count):
        of.cluster.log.append("changelog", 0, b"k%d" % number, b"v" * 9, 0)


@pytest.mark.parametrize("after", [0, 1, 15, 16, 17, 300, 5000])
async def test_a_newer_partition_is_refused_before_its_owner_is_fenced(
    scene: Scene, after: int
) -> None:
    scene.cluster.log.append("changelog", 0, PROGRESS_KEY, NEWER, 0)
    written(scene, after)
    end = scene.cluster.log.end("changelog", 0)

    with pytest.raises(NewerFormError) as refused:
        await scene.assign(0)

    said = str(refused.value)
    assert f"version {PROGRESS_VERSION + 1}, this streamproc reads up to {PROGRESS_VERSION}" in said
    assert "run the newer release (streamproc 9.0.0 wrote it)" in said
    assert scene.cluster.started == [], "nobody was fenced"
    assert scene.cluster.log.end("changelog", 0) == end


async def test_only_the_last_commit_counts(scene: Scene) -> None:
    """Such as after a restore: what is older may have any form."""
    scene.cluster.log.append("changelog", 0, PROGRESS_KEY, NEWER, 0)
    scene.cluster.log.append("changelog", 0, PROGRESS_KEY, encode_progress(Progress(2)), 0)
    scene.cluster.log.compact("changelog")
    await scene.run(0)
    assert scene.partitions[0].state is State.RUNNING


async def test_warm_copies_of_a_newer_form_are_left(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.cluster.log.append("changelog", 1, PROGRESS_KEY, NEWER, 0)
    await scene.assign(0, standbys=(1,))
    task = scene.partitions._standbys._task
    assert task is not None
    await until(task.done)
    assert scene.partitions[0].state is State.READY, "what it has goes on"
    assert task.exception() is None
    with pytest.raises(NewerFormError):
        await scene.assign(0, 1)
    await scene.partitions.close()


async def test_a_form_is_written_from_the_assignment_on_that_says_that_all_read_it(
    scene: Scene,
) -> None:
    def form() -> int:
        last = scene.cluster.log.read("changelog", 0)[-1]
        return decode_progress(last.value or b"").version

    later = SILENT_FORM + 1
    await scene.run(0)
    await scene.deliver(0, b"1")
    await scene.partitions.finish({0})
    assert form() == SILENT_FORM

    def form_of_any() -> int:
        opened = scene.partitions[0].opened
        assert opened is not None
        return opened.progress.version

    await scene.partitions.own({0}, set(), "changelog", later)
    assert form_of_any() == later, "a partition that stayed here, too"
    await scene.partitions.own({0}, set(), "changelog", SILENT_FORM)
    assert form_of_any() == later, "what has a form keeps it"
    assert scene.partitions.form == SILENT_FORM
    await scene.partitions.close()


def test_the_form_is_the_newest_that_all_read_and_this_release_writes() -> None:
    assert agreed_form([3, 3], writes=3) == 3
    assert agreed_form([3, 2], writes=3) == 2
    assert agreed_form([4, 4], writes=3) == 3
    assert agreed_form([PROGRESS_VERSION]) == WRITES_FORM
    assert WRITES_FORM <= PROGRESS_VERSION
