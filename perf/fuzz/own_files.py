"""Files that streamproc itself has written, as a crash of the machine leaves them."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec
import structlog
import zstandard

from perf.fuzz.loops import say_nothing
from perf.fuzz.places import new_folder
from perf.fuzz.target import Target
from streamproc.engine.changelog import Progress
from streamproc.producing.spool import Spool, SpoolDamagedError
from streamproc.tools.verify.checkpoint import Checkpoint, CheckpointError, load

FIRST = f"{1:020d}.spool"
SECOND = f"{3:020d}.spool"


@cache
def _folder() -> Path:
    structlog.configure(processors=[say_nothing])
    return new_folder()


def _spools() -> list[bytes]:
    """``done`` on a line, and a segment."""
    folder = new_folder()
    spool = Spool(folder, sync_seconds=1_000)
    for number in range(3):
        spool.append(number, b"8613800000001", b'{"type":"x"}' * number, 1)
    spool.close()
    return [b"1\n" + (folder / FIRST).read_bytes()]


def _spool(data: bytes) -> None:
    folder = _folder()
    for left in folder.glob("*.spool"):
        left.unlink()
    done, _, segment = data.partition(b"\n")
    (folder / "done").write_bytes(done)
    for name in (FIRST, SECOND):
        (folder / name).write_bytes(segment)
    with suppress(SpoolDamagedError):
        spool = Spool(folder, sync_seconds=1_000)
        try:
            number = spool.append(1, b"k", b"v", 1)
            assert number not in [one.number for one in spool.read(number)]
            for one in spool.read(spool.done):
                assert one.number > spool.done
        finally:
            spool.close()


def _checkpoints() -> list[bytes]:
    rows = {b"8613800000001": b"\0" * 20}
    found = Checkpoint("0123456789abcdef", positions={"in/0": 7}, rows=rows)
    return [msgspec.msgpack.encode(found), msgspec.msgpack.encode(Checkpoint("x"))]


def _checkpoint(data: bytes) -> None:
    path = _folder() / "checkpoint"
    path.write_bytes(zstandard.compress(data))
    with suppress(CheckpointError):
        load(path, "0123456789abcdef", Progress(positions={"in/0": 9}))


OWN_FILES = (
    Target("spool", "a segment of a producer's spool", _spools, _spool),
    Target("checkpoint", "a checkpoint of verify", _checkpoints, _checkpoint),
)
