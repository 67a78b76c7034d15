"""Metrics and probes of tools that run until they are stopped."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from streamproc.cli.tool_pages import STANDSTILL_SECONDS, ToolPages, tool_pages
from streamproc.kafka import topic_watch
from streamproc.tools.replay.pace import Control


class Tool:
    """A tool and its pages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.silent = 0.0
        self.records = 0
        self.control = Control()
        self.registry = CollectorRegistry()
        monkeypatch.setattr(topic_watch, "silent_seconds", lambda broker: self.silent)
        self.pages = ToolPages(
            "replay", "", self.control, lambda: self.records, self.registry, lambda: self.now
        )

    def value(self, name: str, **labels: str) -> float | None:
        self.pages.refresh()
        labels = {"tool": "replay", **labels}
        return self.registry.get_sample_value(f"streamproc_tool_{name}", labels)


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    return Tool(monkeypatch)


def test_records_grow_and_never_shrink(tool: Tool) -> None:
    tool.records = 7
    assert tool.value("records_total") == 7
    tool.records = 5  # such as a slice that is written again
    assert tool.value("records_total") == 7
    tool.records = 9
    assert tool.value("records_total") == 9


def test_files_and_bad_records_are_counted(tool: Tool) -> None:
    tool.pages.file_done("done", 2)
    tool.pages.file_done("failed", 0)
    assert tool.value("files_total", verdict="done") == 1
    assert tool.value("files_total", verdict="failed") == 1
    assert tool.value("bad_records_total") == 2


def test_a_pause_is_shown_and_is_no_standstill(tool: Tool) -> None:
    tool.control.pause(True)
    assert tool.value("paused_state") == 1
    for _ in range(3):
        tool.now += STANDSTILL_SECONDS - 1
        tool.control.sleep(0)  # as a tool that waits does
        assert tool.pages.failing() == ""


def test_a_tool_that_neither_turns_nor_writes_is_not_alive(tool: Tool) -> None:
    tool.now += STANDSTILL_SECONDS - 1
    assert tool.pages.failing() == ""
    tool.now += 1
    assert tool.pages.failing() == "the replay has made no progress for 60 s"
    assert tool.value("standstill_seconds") == 60
    tool.records += 1
    assert tool.pages.failing() == ""


def test_a_silent_broker_is_told_apart(tool: Tool) -> None:
    tool.silent = 99.0
    for _ in range(3):
        tool.now += STANDSTILL_SECONDS
        assert tool.pages.failing() == ""
    assert tool.pages.waiting() == "the broker has not answered for 99 s"
    assert tool.value("broker_silent_seconds") == 99


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_pages_are_served_while_the_tool_runs_and_not_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent: dict[Any, float] = {}
    monkeypatch.setattr(topic_watch, "silent_seconds", lambda broker: silent.get(broker, 0.0))
    before = set(threading.enumerate())
    with capture_logs() as logs, tool_pages("record", "b", Control(), lambda: 3, ("127.0.0.1", 0)):
        (url,) = (one["url"] for one in logs if "url" in one)
        status, text = _get(url)
        assert status == 200
        assert 'streamproc_tool_records_total{tool="record"} 3.0' in text
        assert _get(url.replace("metrics", "livez")) == (200, "ok\n")
        silent["b"] = 12.0
        waits = "the broker has not answered for 12 s"
        assert _get(url.replace("metrics", "livez")) == (200, f"ok: {waits}\n")
        assert _get(url.replace("metrics", "readyz")) == (503, f"{waits}\n")
    assert {one for one in threading.enumerate() if one.name == "metrics"} <= before
    with pytest.raises(urllib.error.URLError):
        _get(url)


def test_without_a_port_nothing_is_served() -> None:
    with (
        capture_logs() as logs,
        tool_pages("record", "b", Control(), lambda: 0, ("127.0.0.1", None)) as pages,
    ):
        assert pages is None
    assert logs == []
