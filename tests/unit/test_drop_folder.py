"""A drop folder into which strangers write: each odd thing is set aside, and the rest is sent."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from streamproc.kafka.exactly_once import ExactlyOnceProducer
from streamproc.producing.readers.dropfolder import DropFolder, state_directory
from streamproc.producing.readers.files import FileReading
from streamproc.producing.readers.formats import FORMS, InputForm, add
from streamproc.producing.readers.held import HeldFile
from streamproc.producing.readers.record_results import Read, UnreadableFileError

EVENT = (
    '{{"type":"usage.recorded","id":"{0}","source":"s","subscriber":"8613800000001",'
    '"time":"2026-01-05T08:30:00Z","total_bytes":5}}\n'
)


class Producer:
    """Keeps the values of committed events."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.bulk = SimpleNamespace(partition_for=len, append=self._append)

    def _append(self, _partition: int, _key: bytes, value: bytes, _at_ms: int) -> None:
        self.sent.append(value)

    def position(self, _kind: type) -> None:
        return None

    def commit(self, progress: object) -> None:
        msgspec.json.encode(progress)

    def settle(self) -> None:
        pass


class Scene:
    def __init__(self, base: Path) -> None:
        self.folder = base / "drop"
        self.folder.mkdir()
        self.producer = Producer()
        self.watch = self.again()

    def again(self, **reading: Any) -> DropFolder:
        return DropFolder(
            self.folder,
            FileReading(**reading),
            cast(ExactlyOnceProducer, self.producer),
            state_directory(self.folder, None),
            settle_seconds=0,
            clock_ms=lambda: 7,
        )

    def put(self, name: str, content: bytes | None = None) -> Path:
        path = self.folder / name
        path.write_bytes(EVENT.format(abs(hash(name))).encode() if content is None else content)
        return path

    def reasons(self) -> dict[str, str]:
        return {
            one.name.removesuffix(".reason"): one.read_text()
            for one in (self.folder / "failed").glob("*.reason")
        }

    def verdicts(self) -> dict[str, str]:
        return {one.path.name: one.verdict for one in self.watch.hand_over()}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def a_link(scene: Scene) -> None:
    (scene.folder.parent / "secret").write_text(EVENT.format("secret"))
    (scene.folder / "bad").symlink_to(scene.folder.parent / "secret")


def a_hard_link(scene: Scene) -> None:
    secret = scene.folder.parent / "secret"
    secret.write_text(EVENT.format("secret"))
    os.link(secret, scene.folder / "bad")


def a_socket(scene: Scene) -> None:
    here = os.getcwd()
    os.chdir(scene.folder)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("bad")
    finally:
        os.chdir(here)


def content(data: bytes) -> Callable[[Scene], object]:
    return lambda scene: scene.put("bad", data)


ODD: dict[str, tuple[Callable[[Scene], object], str]] = {
    "link": (a_link, "is a symbolic link, not a file"),
    "hard link": (a_hard_link, "has a second name"),
    "pipe": (lambda scene: os.mkfifo(scene.folder / "bad"), "is a pipe, not a file"),
    "socket": (a_socket, "is a socket, not a file"),
    "broken gzip": (content(gzip.compress(b"x" * 99)[:-9]), "damaged or cut off"),
    "damaged gzip": (content(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xff"), "damaged or cut off"),
}


@pytest.mark.parametrize(("make", "reason"), ODD.values(), ids=ODD)
def test_an_odd_file_is_set_aside_with_its_reason_and_the_next_is_sent(
    scene: Scene, make: Callable[[Scene], object], reason: str
) -> None:
    make(scene)
    scene.put("good")

    assert scene.verdicts() == {"bad": "failed", "good": "done"}
    assert reason in scene.reasons()["bad"]
    assert len(scene.producer.sent) == 1
    assert b"secret" not in scene.producer.sent[0]
    assert scene.verdicts() == {}


def test_a_name_that_steers_a_terminal_is_escaped(scene: Scene) -> None:
    scene.put("\x1b[2Jab\u202ecd\n", b"\x1f\x8b")
    assert list(scene.verdicts()) == ["\\u001b[2Jab\\u202ecd\\u000a"]
    (reason,) = scene.reasons().values()
    assert "\x1b" not in reason
    assert reason.count("\n") == 1


def test_a_name_as_long_as_names_can_be_is_shortened(scene: Scene) -> None:
    scene.put("x" * 255, b"\x1f\x8b")
    (name,) = scene.verdicts()
    assert name == "x" * 200
    assert list(scene.reasons()) == [name]


def test_a_file_that_cannot_be_read_is_set_aside(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refused(path: Path, *more: int, **options: int) -> int:
        if path == bad:
            raise PermissionError(13, "Permission denied")
        return opened(path, *more, **options)

    bad = scene.put("bad")
    monkeypatch.setattr("streamproc.producing.readers.held.os.open", refused)
    assert scene.verdicts() == {"bad": "failed"}
    assert not bad.exists()
    assert "cannot be read: Permission denied" in scene.reasons()["bad"]


def test_a_file_that_vanishes_is_passed_over(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.put("a")
    scene.put("b")
    ready = scene.watch._ready()
    monkeypatch.setattr(scene.watch, "_ready", lambda: ready)
    (scene.folder / "a").unlink()
    assert scene.verdicts() == {"b": "done"}


def test_a_file_that_cannot_be_moved_is_left_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.put("bad", b"\x1f\x8b")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "rename", refused)
    assert scene.verdicts() == {"bad": "failed"}
    assert scene.verdicts() == {}


def test_a_directory_stays_where_it_is(scene: Scene) -> None:
    (scene.folder / "archive").mkdir()
    scene.put("good")
    assert scene.verdicts() == {"good": "done"}
    assert (scene.folder / "archive").is_dir()


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(EVENT.format(1))
    file = HeldFile(path)
    with path.open("a") as more:
        more.write(EVENT.format(2))
    os.utime(path, ns=(0, 0))
    with pytest.raises(UnreadableFileError, match="changed while it was read"):
        file.check()
    file.close()


def test_a_file_that_is_replaced_while_it_is_read_is_not_taken_for_sent(scene: Scene) -> None:
    path = scene.put("a")
    watch = scene.watch
    taken = watch._one

    def replaced(*given: Any) -> Any:
        outcome = taken(*given)
        scene.put("other", EVENT.format("other").encode()).replace(path)
        return outcome

    watch._one = replaced  # type: ignore[method-assign, assignment]
    list(watch.hand_over())
    watch._one = taken  # type: ignore[method-assign]
    assert path.exists()
    assert scene.verdicts() == {"a": "done"}
    assert b"other" in scene.producer.sent[-1]


def test_a_fault_of_a_reader_stops_nothing(scene: Scene) -> None:
    def broken(_content: object, _identity: str) -> Iterator[Read]:
        raise LookupError("a fault of a package")

    add(InputForm("broken", "", lambda _: broken, (".broken",)))
    try:
        scene.put("a.broken")
        scene.put("good")
        assert scene.verdicts() == {"a.broken": "failed", "good": "done"}
    finally:
        del FORMS["broken"]
    assert "its reader has a fault (LookupError)" in scene.reasons()["a.broken"]


def test_a_subfolder_that_becomes_a_link_stops_nothing_and_is_not_followed(scene: Scene) -> None:
    outside = scene.folder.parent / "outside"
    outside.mkdir()
    (scene.folder / "failed").rmdir()
    (scene.folder / "failed").symlink_to(outside)
    scene.put("bad", b"\x1f\x8b")
    scene.put("good")
    assert scene.verdicts() == {"bad": "failed", "good": "done"}
    assert scene.verdicts() == {}
    assert (scene.folder / "bad").exists()
    assert list(outside.iterdir()) == []
    with pytest.raises(OSError, match="must be a directory"):
        scene.again()


def test_a_link_that_is_made_between_look_and_move_is_not_followed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = scene.folder.parent / "outside"
    outside.mkdir()
    scene.put("bad", b"\x1f\x8b")
    rename = os.rename

    def late(*given: Any, **options: Any) -> None:
        if not (scene.folder / "failed").is_symlink():
            rename(scene.folder / "failed", scene.folder / ".before")
            (scene.folder / "failed").symlink_to(outside)
        rename(*given, **options)

    monkeypatch.setattr(os, "rename", late)
    assert scene.verdicts() == {"bad": "failed"}
    assert list(outside.iterdir()) == []
    assert [one.name for one in (scene.folder / ".before").iterdir()] == ["bad"]


def test_subfolders_that_somebody_removed_are_made_again(scene: Scene) -> None:
    for name in ("done", "failed"):
        (scene.folder / name).rmdir()
    scene.put("bad", b"\x1f\x8b")
    scene.put("good")
    assert scene.verdicts() == {"bad": "failed", "good": "done"}
    assert (scene.folder / "done" / "good").exists()
    assert "damaged" in scene.reasons()["bad"]


def test_a_full_disk_makes_no_sent_file_a_failed_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    scene.put("a", EVENT.format("a").encode() + b"no event\n")
    with monkeypatch.context() as patch:
        patch.setattr("streamproc.producing.readers.dropfolder.open_private", full)
        patch.setattr("streamproc.producing.readers.outgoing.replace_private_in", full)
        assert scene.verdicts() == {"a": "done"}
    scene.put("again", EVENT.format("a").encode() + b"no event\n")
    assert scene.verdicts() == {"again": "duplicate"}
    assert len(scene.producer.sent) == 1


def test_a_name_that_is_not_utf_8_is_sent_and_remembered(scene: Scene) -> None:
    scene.put(os.fsdecode(b"caf\xe9.ndjson"))
    assert scene.verdicts() == {"caf\\udce9.ndjson": "done"}
    assert scene.again()._known == scene.watch._known


@pytest.mark.parametrize("left", [b'{"digest":"\xff"}', b'{"x":' + b"[" * 100_000, b"\0\0"])
def test_a_damaged_line_of_the_memory_is_passed_over(scene: Scene, left: bytes) -> None:
    scene.put("a")
    scene.verdicts()
    memory = state_directory(scene.folder, None) / "done.ndjson"
    memory.write_bytes(left + b"\n" + memory.read_bytes())
    assert scene.again()._known == scene.watch._known


def test_names_that_are_cut_to_the_same_one_replace_nothing(scene: Scene) -> None:
    for ending in "abc":
        scene.put("x" * 230 + ending)
    scene.verdicts()
    assert len(list((scene.folder / "done").iterdir())) == 3


def test_the_state_is_outside_the_folder_and_an_old_one_is_moved_there(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    (folder / ".streamproc").mkdir(parents=True, mode=0o700)
    (folder / ".streamproc" / "done.ndjson").write_text("x")
    state = state_directory(folder, None)
    assert state == tmp_path / "drop.streamproc"
    assert (state / "done.ndjson").read_text() == "x"
    assert not (folder / ".streamproc").exists()
    assert state_directory(folder, tmp_path / "other" / "state").is_dir()
    for within in (folder, folder / "state"):
        with pytest.raises(UnreadableFileError, match="must not be in"):
            state_directory(folder, within)


def test_an_old_state_that_others_may_have_written_is_not_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    (folder / ".streamproc").mkdir(parents=True)
    (folder / ".streamproc").chmod(0o777)
    with pytest.raises(UnreadableFileError, match="may be written by others"):
        state_directory(folder, None)
