"""Kafka's classes are read once and kept; no test needs that they are."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.support import kafka_jars
from tests.support.kafka_jars import (
    KAFKA_VERSION,
    OLDEST_KAFKA_VERSION,
    QUICK_JAVA,
    can_make_archive,
    class_archive,
    make_archive,
    quick_java,
)


@pytest.fixture
def jcmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool that writes what a broker of any number has read, in place of Java's."""
    tool = tmp_path / "bin" / "jcmd"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\n[ "$2 $3" = "VM.cds dynamic_dump" ] && echo $1 > $4\n')
    tool.chmod(0o755)
    (tmp_path / "streamproc").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kafka_jars, "_java", lambda: (str(tool.with_name("java")), "version 17"))
    monkeypatch.setenv("PATH", "/nowhere")
    return tool


def test_the_first_broker_writes_them_and_the_next_ones_read_them(jcmd: Path) -> None:
    assert quick_java() == QUICK_JAVA
    assert can_make_archive(KAFKA_VERSION)
    assert not can_make_archive(OLDEST_KAFKA_VERSION), "no test starts many of them"

    make_archive(KAFKA_VERSION, 7)

    assert class_archive().read_text() == "7\n"
    assert f"-XX:SharedArchiveFile={class_archive()}" in quick_java()
    assert quick_java(OLDEST_KAFKA_VERSION) == QUICK_JAVA
    assert not can_make_archive(KAFKA_VERSION)


def test_of_several_processes_one_writes_them(jcmd: Path) -> None:
    with class_archive().with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_archive(KAFKA_VERSION, 7)

    assert quick_java() == QUICK_JAVA
    assert can_make_archive(KAFKA_VERSION)


@pytest.mark.parametrize("words", ["exit 1", "sleep 60", "echo half > $4; sleep 60"])
def test_without_them_everything_works(
    jcmd: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_jars, "DUMP_LIMIT_S", 0.2)
    jcmd.write_text(f"#!/bin/sh\n{words.replace('sleep', 'exec /bin/sleep')}\n")

    make_archive(KAFKA_VERSION, 7)

    assert quick_java() == QUICK_JAVA
    assert sorted(one.suffix for one in class_archive().parent.iterdir()) == [".lock"]


def test_a_java_without_the_tool_writes_none(jcmd: Path) -> None:
    jcmd.unlink()

    assert not can_make_archive(KAFKA_VERSION)
