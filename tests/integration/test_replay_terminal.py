"""A replay on a terminal: its bar, and the keys that pause and stop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from streamproc.kafka.topics import topic_facts
from tests.support.commands import contents, contents_at_rest, run
from tests.support.terminal import Terminal

EVENTS = 20_000


@pytest.fixture
def terminal(bootstrap: str, tmp_path: Path) -> Iterator[tuple[Terminal, str]]:
    path, topic = tmp_path / "m.ndjson.zst", f"terminal-{uuid4().hex[:8]}"
    run("workload", "--events", str(EVENTS), "--subscribers", "500", "--out", path)
    topic_facts(bootstrap, topic, create_partitions=1)
    month_in_four_seconds = str(31 * 86_400 / 4)
    terminal = Terminal("replay", path, "--broker", bootstrap, "--to", topic, "--speed",
                        month_in_four_seconds)  # fmt: skip
    yield terminal, topic
    terminal.close()


def test_keys_pause_go_on_and_stop(bootstrap: str, terminal: tuple[Terminal, str]) -> None:
    shown, topic = terminal
    shown.wait_for(r"replay.*[1-9][0-9]? %.*records.*/s.*ETA.*0:00:0")
    shown.press("p")
    shown.wait_for(r"\(paused\)")
    assert 0 < len(contents_at_rest(bootstrap, topic, 1)[0]) < EVENTS
    shown.press(" ")
    shown.wait_for(r"replay +\S")
    shown.press("q")
    shown.wait_for("the same command continues from here")

    assert shown.process.wait(60) == 130
    assert len(contents(bootstrap, topic, 1)[0]) < EVENTS
