"""Files that hold numbers are their owner's alone (streamproc/private_files.py)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from streamproc.cli import main
from streamproc.kafka.recording import LogRecord, RecordingWriter
from streamproc.private_files import (
    LinkError,
    make_private_directory,
    open_private,
    open_private_directory,
    passing_name,
    replace_private,
    replace_private_in,
    write_private,
)
from streamproc.producing.readers.sessions import Sessions
from streamproc.producing.spool import Spool
from streamproc.tools.pictures import DOTS_PER_INCH, save

SOURCES = Path(__file__).parents[2] / "streamproc"
OTHERWISE = {
    "private_files.py": "the module itself",
    "cli/kafka_options.py": "help of click",
    "lab/demo/parts.py": "the demo invents its subscribers",
    "lab/demo/run.py": "it copies a rules file",
    "worker/native_bridge/interface/generate.py": "source code",
}
WRITES = re.compile(
    r"""\.(?:write_text|write_bytes|mkdir|makedirs|touch|mkstemp|copyfile|copy2)\("""
    r"""|\.savefig\([^,)]*path"""
    r"""|\b(?:open|fdopen)\((?:[^()"]*, *)?"[rbt]*[wax+][a-z+]*\""""
)


@pytest.fixture(autouse=True)
def nothing_masked() -> Iterator[None]:
    """The process allows everything to everybody; so a mode is what the program asked for."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def _spool(base: Path) -> None:
    spool = Spool(base / "a" / "spool")
    spool.append(1, b"8613800000001", b"{}", 1.0)
    spool.finish(1)
    spool.close()


def _recording(base: Path) -> None:
    for name in ("a.zst", "a.gz", "a.ndjson"):
        with RecordingWriter(base / name) as writer:
            writer.write(LogRecord(b"8613800000001", b"{}", 1))


def _sessions(base: Path) -> None:
    sessions = Sessions(base / "sessions.sqlite")
    sessions.open_sessions()
    sessions._query("SELECT 1")
    sessions.close()


class Drawing:
    """Stands for a figure of matplotlib, which needs half a second for its import."""

    def savefig(self, to: BytesIO, *, format: str, dpi: int) -> None:
        to.write(f"{format} with {dpi} dots".encode())


def _picture(base: Path) -> None:
    for name in ("a.png", "b.svg"):
        save(Drawing(), base / name)
        save(Drawing(), base / name)
    assert (base / "b.svg").read_bytes() == b"svg with %d dots" % DOTS_PER_INCH


def _whole_files(base: Path) -> None:
    write_private(base / "checkpoint", b"1")
    replace_private(base / "done", b"1")
    make_private_directory(base / "x" / "y" / "z")
    folder = open_private_directory(base / "open")
    replace_private_in(folder, "done", b"1")
    replace_private_in(folder, "done", b"2")
    os.close(folder)
    assert (base / "open" / "done").read_bytes() == b"2"


@pytest.mark.parametrize("make", [_spool, _recording, _sessions, _picture, _whole_files])
def test_what_is_made_is_private(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)
    made = list(tmp_path.rglob("*"))
    assert made
    for path in made:
        assert mode_of(path) == (0o700 if path.is_dir() else 0o600), path


def test_nothing_else_opens_files_for_writing() -> None:
    """A new place that writes a file uses the module, or has its reason here."""
    found = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if WRITES.search(path.read_text(encoding="utf-8"))
    }
    assert found == OTHERWISE.keys()


@pytest.mark.parametrize("mode", ["wb", "ab", "a+b", "r+b"])
def test_a_link_is_not_followed(mode: str, tmp_path: Path) -> None:
    secret = tmp_path / "others"
    secret.write_bytes(b"kept")
    (tmp_path / "link").symlink_to(secret)
    with pytest.raises(LinkError, match="is a symbolic link; give the file itself"):
        open_private(tmp_path / "link", mode)  # type: ignore[arg-type]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe"):
        open_private(tmp_path / "pipe", mode)  # type: ignore[arg-type]
    (tmp_path / passing_name()).symlink_to(secret)
    replace_private(tmp_path / "state", b"new")
    assert secret.read_bytes() == b"kept"
    assert (tmp_path / "state").read_bytes() == b"new"


def test_several_who_write_one_file_leave_one_of_their_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of a machine that keep their last good rules in one directory."""
    path = tmp_path / "state"
    contents = [bytes([65 + number]) * 100_000 for number in range(4)]

    def write(content: bytes) -> None:
        for _ in range(25):
            replace_private(path, content)
            assert path.read_bytes() in contents

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, contents))
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(Path, "replace", mock.Mock(side_effect=OSError("no")))
    with pytest.raises(OSError, match="no"):
        replace_private(path, b"")
    assert list(tmp_path.iterdir()) == [path]


def test_several_who_write_one_file_in_an_open_directory_do_not_meet(tmp_path: Path) -> None:
    contents = [bytes([65 + number]) * 10_000 for number in range(4)]
    folder = open_private_directory(tmp_path)

    def write(content: bytes) -> None:
        for _ in range(25):
            replace_private_in(folder, "a.reason", content)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, contents))
    assert [one.name for one in tmp_path.iterdir()] == ["a.reason"]
    assert (tmp_path / "a.reason").read_bytes() in contents
    with pytest.raises(OSError, match="directory"):
        replace_private_in(folder, "no/such", b"")
    assert [one.name for one in tmp_path.iterdir()] == ["a.reason"]
    replace_private_in(folder, "b" * 255, b"a name as long as may be")
    os.close(folder)


@pytest.mark.parametrize("is_open", [False, True])
def test_what_a_killed_process_left_is_removed_when_a_directory_is_first_written(
    tmp_path: Path, is_open: bool
) -> None:
    names = [".1f-7f3a.new", ".abc-1.new", "keep.new", ".x-1.new", ".1f-7f3a.new.gz"]
    for name in names:
        (tmp_path / name).write_bytes(b"number")
    for name in (".1f-7f3a.new", *names[2:]):
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".2f-1.new").mkdir()
    os.utime(tmp_path / ".2f-1.new", (0, 0))

    def write() -> None:
        if not is_open:
            replace_private(tmp_path / "state", b"")
            return
        folder = open_private_directory(tmp_path)
        replace_private_in(folder, "state", b"")
        os.close(folder)

    write()
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
        [*names[1:], ".2f-1.new", "state"]  # .abc-1.new is new: its process may still write it
    )
    os.utime(tmp_path / ".abc-1.new", (0, 0))
    write()
    assert (tmp_path / ".abc-1.new").exists(), "a directory is looked through once"


def test_a_new_file_takes_the_place_of_a_file_alone(tmp_path: Path) -> None:
    """A rename onto /dev/null would make a file of it."""
    others, link, pipe = tmp_path / "others", tmp_path / "link", tmp_path / "pipe"
    others.write_bytes(b"kept")
    link.symlink_to(others)
    os.mkfifo(pipe)
    for place, problem in ((link, "is a symbolic link"), (pipe, "is not a regular file")):
        with pytest.raises(LinkError, match=problem):
            replace_private(place, b"new")
        done = CliRunner().invoke(main, ["workload", "--events", "5", "--out", str(place)])
        assert (done.exit_code, problem in done.output) == (1, True), done.output
    assert link.is_symlink()
    assert pipe.is_fifo()
    assert others.read_bytes() == b"kept"
    assert sorted(tmp_path.iterdir()) == [link, others, pipe]


def test_what_others_may_read_already_is_told_once_and_left_as_it_is(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch(0o640)
    folder.mkdir(0o755)
    with capture_logs() as told:
        for _ in range(2):
            open_private(file, "ab").close()
            make_private_directory(folder)
    assert [(one["path"], one["mode"]) for one in told] == [
        (str(file), "640"),
        (str(folder), "755"),
    ]
    assert [mode_of(file), mode_of(folder)] == [0o640, 0o755]


def test_a_file_of_another_user_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He who put it there reads what is written, whatever its mode."""
    file = tmp_path / "file"
    file.touch(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with capture_logs() as told:
        for _ in range(2):
            open_private(file, "ab").close()
    assert [(one["path"], one["owner"]) for one in told] == [(str(file), os.getuid())]


def test_a_file_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private_directory(tmp_path / "file")
