"""The spool keeps what it took, in order, whatever ends the process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streamproc.producing import spool as spool_module
from streamproc.producing.spool import (
    Spool,
    SpoolBusyError,
    SpoolDamagedError,
    SpoolFullError,
)


def put(spool: Spool, *numbers: int) -> None:
    for number in numbers:
        spool.append(number, b"k%d" % number, b"v" * 50, 1.0)


def fill(spool: Spool) -> None:
    for number in range(1, 100):
        spool.append(number, b"k", b"v" * 50, 0.05)


def held(spool: Spool, after: int | None = None) -> list[int]:
    return [entry.timestamp_ms for entry in spool.read(spool.done if after is None else after)]


def test_entries_come_back_in_order_and_only_until_they_are_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    put(spool, 10, 20, 30)

    assert held(spool) == [10, 20, 30]
    spool.finish(2)
    assert held(spool) == [30]
    assert spool.waiting == 1


def test_a_new_process_finds_what_was_not_done(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    put(first, 1, 2, 3)
    first.finish(1)
    first.close()

    second = Spool(tmp_path)
    assert held(second) == [2, 3]
    put(second, 4)
    assert held(second) == [2, 3, 4]
    assert [entry.number for entry in second.read(1)] == [2, 3, 4]


def test_numbers_go_on_after_everything_was_done(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    put(first, 1, 2)
    first.finish(2)
    first.close()

    second = Spool(tmp_path)
    put(second, 3)
    assert [entry.number for entry in second.read(second.done)] == [3]


@pytest.mark.parametrize("left", [b"", b"\0" * 8, b"two", b"\xff", b"9" * 5_000, b"-3"])
def test_a_spool_that_forgot_what_was_sent_sends_it_again(tmp_path: Path, left: bytes) -> None:
    first = Spool(tmp_path)
    put(first, 1, 2, 3)
    first.finish(2)
    first.close()
    (tmp_path / "done").write_bytes(left)

    with capture_logs() as logs:
        second = Spool(tmp_path)
    assert held(second) == [1, 2, 3]
    put(second, 4)
    assert [entry.number for entry in second.read(2)] == [3, 4]
    assert [one["log_level"] for one in logs] == ["warning"]


def test_files_of_others_in_the_spool_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.spool", "-5.spool", "7.spool"):
        (tmp_path / name).write_bytes(b"x")
    spool = Spool(tmp_path)
    put(spool, 1)
    assert held(spool) == [1]
    assert (tmp_path / "7.spool").read_bytes() == b"x"


def test_a_torn_last_entry_is_cut_off(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    put(first, 1, 2)
    first.close()
    (path,) = tmp_path.glob("*.spool")
    whole = path.read_bytes()

    for cut in range(1, 40):
        path.write_bytes(whole[:-cut])
        again = Spool(tmp_path)
        assert held(again) == [1]
        put(again, 3)
        assert held(again) == [1, 3]
        again.close()


@pytest.mark.parametrize("zeros", [3, 8, 4_096])
def test_zeros_at_the_end_are_cut_off(tmp_path: Path, zeros: int) -> None:
    """A crash of the machine can leave them: the file had its new length, but not its content."""
    first = Spool(tmp_path)
    put(first, 1, 2)
    first.close()
    (segment,) = tmp_path.glob("*.spool")
    with segment.open("ab") as file:
        file.write(b"\0" * zeros)

    second = Spool(tmp_path)
    put(second, 3)
    assert held(second) == [1, 2, 3]


def test_damage_in_the_middle_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 200)
    first = Spool(tmp_path)
    put(first, *range(1, 10))
    first.close()
    oldest = min(tmp_path.glob("*.spool"))
    data = bytearray(oldest.read_bytes())
    data[-1] ^= 1
    oldest.write_bytes(data)

    with pytest.raises(SpoolDamagedError, match=oldest.name):
        held(Spool(tmp_path))


def test_segments_go_when_they_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 500)
    spool = Spool(tmp_path)
    put(spool, *range(1, 101))
    before = len(list(tmp_path.glob("*.spool")))

    spool.finish(90)

    assert before > 10
    assert len(list(tmp_path.glob("*.spool"))) <= 3
    assert held(spool) == list(range(91, 101))


def test_no_segment_goes_that_holds_what_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a segment's last entry is the only one that is left of it."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 500)
    spool = Spool(tmp_path)
    put(spool, *range(1, 31))
    for number in range(1, 30):
        spool.finish(number)
        assert held(spool) == list(range(number + 1, 31))


def test_a_full_spool_refuses_and_takes_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 300)
    spool = Spool(tmp_path, max_bytes=1_000)
    with pytest.raises(SpoolFullError, match="of 1,000 bytes"):
        fill(spool)
    last = spool.last
    threading.Timer(0.2, lambda: spool.finish(last)).start()

    spool.append(500, b"k", b"v", 5.0)

    assert held(spool)[-1] == 500
    assert spool.last == last + 1


def test_two_processes_cannot_share_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolBusyError, match="a spool of its own"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_threads_lose_and_swap_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, sync_seconds=10)
    threads = [
        threading.Thread(target=lambda base=base: put(spool, *range(base, base + 300)))
        for base in (1_000, 2_000, 3_000)
    ]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    while any(thread.is_alive() for thread in threads) or spool.last > len(seen):
        seen += [entry.timestamp_ms for entry in spool.read(len(seen))]

    assert sorted(seen) == [*range(1_000, 1_300), *range(2_000, 2_300), *range(3_000, 3_300)]
    for base in (1_000, 2_000, 3_000):
        own = [one for one in seen if base <= one < base + 300]
        assert own == sorted(own)
