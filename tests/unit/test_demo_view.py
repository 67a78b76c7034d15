"""The demo's live view and its plain lines."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from streamproc.core.instants import DAY_MS
from streamproc.lab.demo.line_view import LineView
from streamproc.lab.demo.progress import Totals
from streamproc.lab.demo.screen import fits, screen_of, sparkline
from streamproc.lab.demo.story import TITLE, ViewFrame, frame_of
from tests.unit.test_demo_phone import reminder

START_MS = 1_767_225_600_000


def figures(days: int = 15) -> Totals:
    """After some days of a month."""
    found = Totals(START_MS, sent=12_000, simulated_ms=START_MS + days * DAY_MS, applied=11_700)
    found.rejects = Counter({"empty": 3, "tombstone": 4})
    found.zones = {"8613800001234": "Asia/Shanghai"}
    for number in range(40):
        found.count_reminder(reminder("zh-CN" if number % 2 else "en", text="流量 used 80%"))
        found.phone.pick()
    return found


def frame(days: int = 15, endless: bool = False) -> ViewFrame:
    return frame_of(
        figures(days),
        place="seed 1",
        phase="usage",
        hint="hint",
        endless=endless,
        events_per_second=3000,
    )


def drawn(width: int, height: int, moment: ViewFrame) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(screen_of(moment, width, height), end="")
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(72, 20), (80, 24), (120, 40), (200, 60)])
def test_the_screen_is_filled_exactly(width: int, height: int) -> None:
    lines = drawn(width, height, frame())

    assert len(lines) == height
    assert all(cell_len(line) == width for line in lines)
    text = "\n".join(lines)
    for shown in (TITLE, "11,700", "3,000", "300", "861********34", "流量", "48%", "2 segments"):
        assert shown in text
    assert "8613800001234" not in text


def test_a_wide_screen_has_a_phone_per_language() -> None:
    wide = "\n".join(drawn(120, 40, frame()))

    assert "中文" in wide
    assert "English" in wide
    assert "what it means" in wide


def test_the_first_moment_can_be_drawn() -> None:
    empty = frame_of(
        Totals(START_MS), place="", phase="", hint="", endless=False, events_per_second=0
    )

    assert "waiting for the first SMS" in "\n".join(drawn(80, 24, empty))


def test_the_month_ends_full_and_begins_anew_only_if_others_follow() -> None:
    assert frame(31).share == frame(35).share == 1.0
    assert frame(31 + 15, endless=True).share == pytest.approx(15 / 31)


def test_lag_counts_what_is_sent_and_not_applied() -> None:
    assert figures().lag == 300
    assert Totals(START_MS, sent=1, applied=2).lag == 0


def test_sparks_show_the_largest_full_and_nothing_flat() -> None:
    assert sparkline([0, 1, 50, 100]) == "▁▂▅█"
    assert sparkline([]) == ""


def test_plain_lines_tell_the_figures_and_each_sms_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.lab.demo.line_view.LINE_EVERY_SECONDS", 0)
    console = Console(file=io.StringIO(), width=80)
    with LineView(console) as view:
        moment = frame()
        view.show(moment)
        view.show(replace(moment, applied=11_900))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()

    assert text.startswith(TITLE)
    assert "11,700 events (3,000/s, lag 300)" in text
    assert "11,900 events" in text
    assert text.count("861********34") == 1


def test_no_live_view_where_it_does_not_fit() -> None:
    def console(**settings: int | bool) -> Console:
        return Console(file=io.StringIO(), **settings)  # type: ignore[arg-type]

    assert fits(console(force_terminal=True, width=80, height=24))
    assert not fits(console(force_terminal=True, width=60, height=24))
    assert not fits(console(force_terminal=True, width=80, height=15))
    assert not fits(console(width=80, height=24))
