"""The metrics of tools that run until they are stopped. ``cli/tool_pages.py`` counts them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streamproc.metrics.declaring import Metrics

TOOL = "`replay`, `record` or `send`"


class ToolMetrics(Metrics):
    """Figures of one tool."""

    subsystem = "tool"
    counted_in = "cli/tool_pages.py"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.records = self.counter(
            "streamproc_tool_records_total",
            "Records that the tool has written: to a topic (`replay`, `send`), or to its file "
            "(`record`).",
            {"tool": TOOL},
        )
        self.bad_records = self.counter(
            "streamproc_tool_bad_records_total",
            "Records of files that were no events; only of `send`.",
            {"tool": TOOL},
        )
        self.files = self.counter(
            "streamproc_tool_files_total",
            "Files of the drop folder that are done; only of `send`.",
            {"tool": TOOL, "verdict": "`done`, `duplicate` or `failed`"},
        )
        self.paused = self.gauge(
            "streamproc_tool_paused_state",
            "1 while a person has paused it, else 0.",
            {"tool": TOOL},
        )
        self.standstill = self.gauge(
            "streamproc_tool_standstill_seconds",
            "Time since the tool's loop turned last; a tool that waits for its time turns, too.",
            {"tool": TOOL},
        )
        self.broker_silent = self.gauge(
            "streamproc_tool_broker_silent_seconds",
            "Time since the broker answered this tool last, if a question failed; else 0.",
            {"tool": TOOL},
        )
        self.build = self.info(
            "streamproc_tool_build_info",
            "What runs here.",
            {"version": "of streamproc", "tool": TOOL},
        )
