"""Parts of ``streamproc verify``: samples, checkpoints, and the rules of a progress record."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamproc.engine.changelog import (
    KEPT_EPOCHS,
    UNKNOWN_EPOCH,
    Progress,
    decode_progress,
    encode_progress,
)
from streamproc.engine.cluster import Place
from streamproc.tools.verify.checkpoint import Checkpoint, CheckpointError, load, made_for, save
from streamproc.tools.verify.losses import Missing, MissingOffsets, in_words
from streamproc.tools.verify.sample import Sample


def test_a_progress_record_names_what_its_rows_were_calculated_under() -> None:
    progress = Progress()
    for epoch in (7, 7, 8, 7):
        progress.note(epoch)
    assert progress.epochs == [7, 8, 7]
    assert decode_progress(encode_progress(progress)) == progress


def test_what_an_earlier_release_did_not_note_is_unknown() -> None:
    progress = decode_progress(encode_progress(Progress(positions={"in": 3})))
    progress.note(7)
    assert progress.epochs == [UNKNOWN_EPOCH, 7]


def test_the_list_of_epochs_is_bounded() -> None:
    progress = Progress()
    for epoch in range(1, 100):
        progress.note(epoch)
    assert len(progress.epochs) == KEPT_EPOCHS  # type: ignore[arg-type]
    assert progress.epochs[0] == UNKNOWN_EPOCH  # type: ignore[index]
    assert progress.epochs[-1] == 99  # type: ignore[index]


def test_a_sample_is_the_same_each_time_and_as_large_as_said() -> None:
    keys = [b"86138%08d" % number for number in range(5_000)]
    taken = [key for key in keys if Sample(share=0.1).takes(key)]
    assert 400 < len(taken) < 600
    assert set(taken) <= {key for key in keys if Sample(share=0.2).takes(key)}
    assert all(Sample().takes(key) for key in keys)
    assert not Sample().takes(None)
    named = Sample(frozenset(keys[:2]))
    assert [key for key in keys if named.takes(key)] == keys[:2]
    assert (Sample().is_all, named.is_all, Sample(share=0.5).is_all) == (True, False, False)


def test_a_checkpoint_counts_for_what_it_was_made_for(tmp_path: Path) -> None:
    path = tmp_path / "new" / "app-0.checkpoint"
    wanted = made_for(7, "event", ("in",), Sample())
    made = Checkpoint(wanted, positions={"in": 10}, marks={"in": 3}, rows={b"k": b"row"})
    now = Progress(positions={"in": 12})
    assert load(path, wanted, now) == (Checkpoint(wanted), "")

    save(path, made)

    assert load(path, wanted, now) == (made, "")
    for other in (
        made_for(8, "event", ("in",), Sample()),
        made_for(7, "wall", ("in",), Sample()),
        made_for(7, "event", ("in", "more"), Sample()),
        made_for(7, "event", ("in",), Sample(share=0.5)),
    ):
        found, why = load(path, other, now)
        assert (found.rows, found.positions) == ({}, {})
        assert why.startswith("it is of other rules")
    found, why = load(path, wanted, Progress(positions={"in": 9}))
    assert (found.rows, why) == ({}, "it is ahead of the state")
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load(path, wanted, now)


def test_each_missing_offset_of_a_span_is_counted_once() -> None:
    place = Place("in", 0)
    missing = MissingOffsets()
    missing.watch("in", 5, 20)
    tell = missing.mark.missing
    tell(Place("other", 0), 0, 100)
    for span in ((0, 4), (3, 7), (10, 12), (6, 12), (18, 30), (10, 12)):
        tell(place, *span)
    assert missing.found == {"in": Missing(2 + 2 + 2, 5, 20)}

    later = MissingOffsets({"in": Missing(3, 5, 12)})
    later.watch("in", 10, 20)  # the last records before the checkpoint were missing, too
    later.mark.missing(place, 10, 14)
    assert later.found == {"in": Missing(5, 5, 14)}
    assert "5 records of in are missing from offset 5 on" in in_words("in", later.found["in"])
