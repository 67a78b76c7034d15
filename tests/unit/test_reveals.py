"""Commands that show numbers write that down first, and say so if they cannot."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.cli.record import RevealedToRecord
from streamproc.cli.reveals import write_down
from streamproc.kafka.errors import TopicError
from streamproc.kafka.settings import KafkaSettings
from streamproc.tools import revealing
from streamproc.tools.explain.showing import named
from streamproc.tools.explain.timeline import Decision, TimelineEntry
from tests.support.line import SUBSCRIBER
from tests.support.scheduler import reminder

BROKER = KafkaSettings("nowhere:1")
NUMBERS = ["8613800000001", "8613800000002"]


class Written:
    """Stands for the topic."""

    def __init__(self, *, is_full: bool = False) -> None:
        self.is_full = is_full
        self.found: list[tuple[str, list[str]]] = []

    def __call__(self, broker: Any, topic: str, command: str) -> Written:
        if self.is_full:
            raise TopicError("no such right")
        self._command = command
        return self

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass

    def write(self, subscribers: list[str]) -> None:
        self.found.append((self._command, sorted(subscribers)))


def test_it_is_written_before_anything_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    monkeypatch.setattr(revealing, "Reveals", written)

    write_down(BROKER, "reveals", "explain", NUMBERS)
    write_down(BROKER, "reveals", "simulate", [])

    assert written.found == [("explain", NUMBERS)]


def test_what_cannot_be_written_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revealing, "Reveals", Written(is_full=True))

    with pytest.raises(TopicError):
        write_down(BROKER, "reveals", "dead_letters_show", NUMBERS)


def test_without_a_broker_there_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    write_down(None, "reveals", "simulate", NUMBERS)

    said = capsys.readouterr().err
    assert "written down nowhere: numbers of 2 subscribers are shown" in said
    assert NUMBERS[0] not in said


def test_a_recording_is_not_refused_but_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(revealing, "Reveals", Written(is_full=True))
    taken = RevealedToRecord(BROKER, "reveals")

    for _ in range(3):
        taken({NUMBERS[0].encode()})
    taken.close()

    said = capsys.readouterr().err
    assert said.count("written down nowhere: whole numbers are recorded, and no such right") == 1


def test_a_recording_is_written_down_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    monkeypatch.setattr(revealing, "Reveals", written)
    taken = RevealedToRecord(BROKER, "reveals")

    taken(set())
    taken({NUMBERS[0].encode()})
    taken({one.encode() for one in NUMBERS})

    assert written.found == [("record", NUMBERS[:1]), ("record", NUMBERS)]


def test_all_who_stand_in_a_timeline_are_counted() -> None:
    told = reminder(1, recipient="8613800000009")
    audit: Any = type("Audit", (), {"member": "8613800000005"})()
    entry = TimelineEntry(0, None, decisions=[Decision(audit, told)])

    assert named(SUBSCRIBER, [entry]) == {SUBSCRIBER, "8613800000009", "8613800000005"}
