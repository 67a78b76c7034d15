"""The live view: figures on the left, phones on the right, the month below."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.align import Align
from rich.box import HEAVY, ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streamproc.core.texts.quantities import readable_bytes
from streamproc.lab.demo.phone import SENDER, ShownSms
from streamproc.lab.demo.story import EXPLANATION, LEGEND, SHORT_LEGEND, TITLE, ViewFrame
from streamproc.lab.demo.summary import KINDS
from streamproc.tools.wrapping import lines_of

LEAST_WIDTH, LEAST_HEIGHT = 72, 20
TWO_PHONES_WIDTH = 112
TALL_HEIGHT = 36
FIGURES_HEIGHT = 17
_FIGURES_WIDTH = 38
_WIDE_FIGURES_WIDTH = 42
_SPARKS = "▁▂▃▄▅▆▇█"


def fits(console: Console) -> bool:
    """Whether the live view can be shown here. Plain lines can be shown everywhere."""
    return (
        console.is_terminal
        and not console.is_dumb_terminal
        and console.width >= LEAST_WIDTH
        and console.height >= LEAST_HEIGHT
    )


class LiveView:
    """Redraws the whole terminal. At the end the terminal looks as before."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, frame: ViewFrame) -> None:
        """Draw a frame in the present size of the terminal."""
        size = self._console.size
        self._live.update(screen_of(frame, size.width, size.height), refresh=True)


def screen_of(frame: ViewFrame, width: int, height: int) -> Layout:
    """Everything on the screen at one moment."""
    is_wide, is_tall = width >= TWO_PHONES_WIDTH, height >= TALL_HEIGHT
    figures_width = _WIDE_FIGURES_WIDTH if is_wide else _FIGURES_WIDTH
    left = Layout(size=figures_width)
    left.split_column(
        Layout(_figures(frame, figures_width), size=FIGURES_HEIGHT if is_tall else None)
    )
    if is_tall:
        left.add_split(Layout(_legend()))
    phones = (
        [Layout(_Phone("中文", frame.chinese)), Layout(_Phone("English", frame.english))]
        if is_wide
        else [Layout(_Phone("SMS", frame.messages))]
    )
    screen = Layout()
    screen.split_column(
        Layout(_header(frame, width), size=3),
        Layout(name="body"),
        Layout(_footer(frame, with_legend=not is_tall), size=2 if is_tall else 3),
    )
    screen["body"].split_row(left, *phones)
    return screen


def _header(frame: ViewFrame, width: int) -> Group:
    title = Text(f" {TITLE}", "bold white on blue", no_wrap=True)
    place = f"{frame.place} "
    title.pad_right(max(width - len(title) - len(place), 1))
    title.append(place)
    return Group(title, *(Text(line, overflow="ellipsis", no_wrap=True) for line in EXPLANATION))


def _footer(frame: ViewFrame, *, with_legend: bool) -> Group:
    when = datetime.fromtimestamp(frame.simulated_ms / 1000, UTC)
    month = Table.grid(padding=(0, 1), expand=True)
    month.add_column(no_wrap=True)
    month.add_column(ratio=1)
    month.add_column(no_wrap=True, justify="right")
    month.add_row(
        Text(f" {when:%a} {when.day:2} {when:%b %Y  %H:%M} UTC", "bold cyan"),
        Align(
            ProgressBar(100, frame.share * 100, complete_style="cyan", finished_style="green"),
            vertical="middle",
        ),
        Text(f"{frame.share:4.0%}  {frame.phase} ", "cyan"),
    )
    lines = [SHORT_LEGEND, frame.hint] if with_legend else [frame.hint]
    return Group(
        month, *(Text(f" {line}", "dim", no_wrap=True, overflow="ellipsis") for line in lines)
    )


def _figures(frame: ViewFrame, width: int) -> Panel:
    inner = width - 4
    totals = Table.grid(expand=True)
    totals.add_column(no_wrap=True)
    totals.add_column(no_wrap=True, justify="right")
    totals.add_row("usage events applied", Text(f"{frame.applied:,}", "bold"))
    totals.add_row("  per second", f"{frame.events_per_second:,}")
    totals.add_row("  waiting (lag)", f"{frame.lag:,}")
    totals.add_row("data charged", Text(readable_bytes(frame.charged_bytes), "bold"))
    totals.add_row("records rejected", f"{frame.rejected:,}")
    kinds = Table.grid(expand=True, padding=(0, 1))
    kinds.add_column(no_wrap=True)
    kinds.add_column(no_wrap=True, justify="right")
    kinds.add_column(ratio=1)
    most = max(frame.reminders.values(), default=0)
    for kind in [*KINDS, *sorted(frame.reminders.keys() - KINDS.keys())]:
        count = frame.reminders.get(kind, 0)
        bar = ProgressBar(max(most, 1), count, complete_style="magenta", finished_style="magenta")
        kinds.add_row(KINDS.get(kind, kind), f"{count:,}", bar)
    sent = Table.grid(expand=True)
    sent.add_column(no_wrap=True)
    sent.add_column(no_wrap=True, justify="right")
    total = sum(frame.reminders.values())
    sent.add_row(Text("reminders sent", "bold magenta"), Text(f"{total:,}", "bold magenta"))
    days = Text(sparkline(frame.by_day[-inner:]), "magenta", no_wrap=True)
    content = Group(totals, "", sent, kinds, "", Text("reminders per day", "dim"), days)
    return Panel(content, title="so far", box=ROUNDED, border_style="blue", padding=(0, 1))


def _legend() -> Panel:
    words = Table.grid(padding=(0, 1))
    words.add_column(no_wrap=True)
    words.add_column(style="dim")
    for word, meaning in LEGEND.items():
        words.add_row(word, meaning)
    return Panel(words, title="what it means", box=ROUNDED, border_style="blue", padding=(0, 1))


def sparkline(counts: Sequence[int]) -> str:
    """A bar for each count; the largest has full height."""
    most = max(counts, default=0)
    steps = len(_SPARKS) - 1
    return "".join(_SPARKS[-(-count * steps // most)] if count else "▁" for count in counts)


class _Phone:
    """A phone with as many of the newest SMS as fit."""

    def __init__(self, title: str, messages: Sequence[ShownSms]) -> None:
        self._title = title
        self._messages = messages

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        room = (options.height or console.height) - 2
        lines: list[Text] = []
        for number, message in enumerate(reversed(self._messages)):
            bubble = _bubble(message, width - 4, is_new=number == 0)
            # The newest SMS is at the bottom; older ones that have no room are left out.
            if len(bubble) + len(lines) + 1 > room:
                break
            lines = [*bubble, Text(), *lines]
        if not lines:
            lines = [Text("waiting for the first SMS ...", "dim", justify="center")]
        lines = [Text()] * (room - len(lines)) + lines
        yield Panel(
            Group(*lines),
            title=f"● {SENDER} · {self._title}",
            box=HEAVY,
            border_style="white",
            padding=(0, 1),
            height=room + 2,
        )


def _bubble(message: ShownSms, width: int, *, is_new: bool) -> list[Text]:
    head = Text(f"{message.when} {message.city}", "bold green" if is_new else "green")
    head.truncate(width, overflow="ellipsis")
    paper = "white on grey23" if is_new else "grey78 on grey15"
    body = []
    for line in lines_of(message.text, width - 3):
        text = Text("▌ ", f"green {paper[paper.index('on') :]}", no_wrap=True)
        text.append(line, paper)
        text.append(" " * (width - text.cell_len), paper)
        body.append(text)
    foot = Text(f"to {message.to} · {message.parts}", "dim", no_wrap=True)
    return [head, *body, foot]
