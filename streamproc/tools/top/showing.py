"""The page: what a person must see first stands first, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from streamproc.printable import printable
from streamproc.tools.top.reading import PageChange

COLUMNS: Final = 80
SHORT, LONG = 5, 24
"""Columns of a figure, and of a name."""
MOST_ALARMS, MOST_GATEWAYS = 20, 50
LONGEST_ERROR: Final = 200
LONGEST_NUMBER: Final = 11
"""Digits of a partition."""
MOST_PARTITIONS, LEAST_PARTITIONS = 12, 2
"""Rows of partitions; those that are furthest behind come first."""
STYLES: Final = {"red": "bold white on red", "orange": "black on yellow", "good": "green"}
_KIB: Final = 1024.0


class Screenful:
    """A page on a screen of so many lines. It says how many lines have no room."""

    def __init__(self, page: Group, lines: int) -> None:
        self._page = page
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The page, or as much of it as there is room for."""
        found = console.render_lines(self._page, options.update(height=None), new_lines=True)
        left = len(found) - self._lines
        for line in found if left <= 0 else found[: self._lines - 1]:
            yield from line
        if left > 0:
            yield Text(f"{left + 1} more lines: make the terminal higher", style="bold")


def whole(changes: list[PageChange], at: str, lines: int = 0) -> Group:
    """The whole page; ``at`` is the time of day.

    ``lines``: how many there is room for, 0 if there is no end. The less there are, the fewer
    partitions are shown.
    """
    if not lines:
        return _page(changes, at, MOST_PARTITIONS)
    # Beside its rows a table has a blank line, a head, a rule and a caption.
    room = lines - _height(_page(changes, at, 0)) - 4
    return _page(changes, at, min(max(room, LEAST_PARTITIONS), MOST_PARTITIONS))


def _height(page: Group) -> int:
    return len(Console(width=COLUMNS, file=StringIO()).render_lines(page))


def _page(changes: list[PageChange], at: str, partitions: int) -> Group:
    parts: list[RenderableType] = [_head(changes, at), _alarms(changes), _promise(changes)]
    workers = [one for one in changes if one.page.role == "worker"]
    if workers:
        parts.append(_workers(workers))
    if workers and partitions:
        parts.append(_partitions(workers, partitions))
    dispatchers = [one for one in changes if one.page.role == "dispatch"]
    if dispatchers:
        parts.append(_gateways(dispatchers))
    for one in changes:
        if one.page.role == "canary":
            parts.append(_canary(one))
    silent = [one.page for one in changes if one.page.error]
    for page in silent:
        words = f"{page.place} does not answer: {page.error[:LONGEST_ERROR]}"
        parts.append(Text(printable(words), style="bold red"))
    lines = [(Text(""), part) if isinstance(part, Table) else (part,) for part in parts]
    return Group(*(one for line in lines for one in line))


def _head(changes: list[PageChange], at: str) -> Text:
    counts = [
        f"{count} {name}{'' if count == 1 else 's'}"
        for name, role in (("worker", "worker"), ("dispatcher", "dispatch"), ("canary", "canary"))
        if (count := sum(one.page.role == role for one in changes))
    ]
    words = f"streamproc  {', '.join(counts) or 'nobody answers'}"
    return Text(f"{words}{at.rjust(COLUMNS - len(words))}", style="bold")


def _alarms(changes: list[PageChange]) -> Text:
    found = (
        tuple(labels.get(name, "") for name in ("tier", "alarm", "gateway"))
        for one in changes
        for labels, value in one.page.values("streamproc_worker_alarm_raised_state")
        if value
    )
    broken = [
        ("red", "canary", f"{labels.get('way', '')} not {labels.get('stage', '')}")
        for one in changes
        for labels, value in one.page.values("streamproc_canary_broken_partitions")
        if value
    ]
    raised = sorted([*found, *broken], key=lambda one: (one[0] != "red", one[1:]))
    line = Text("Alarms    ")
    if not raised:
        return line.append("none is raised", style=STYLES["good"])
    for number, (tier, alarm, gateway) in enumerate(raised[:MOST_ALARMS]):
        line.append("  " if number else "")
        name = printable(" ".join(filter(None, (alarm, gateway))))
        line.append(f" {name} ", style=STYLES.get(tier, STYLES["orange"]))
    if len(raised) > MOST_ALARMS:
        line.append(f"  and {len(raised) - MOST_ALARMS} more")
    return line


def _promise(changes: list[PageChange]) -> Text:
    """The way of a message, the slowest of all processes."""

    def slowest(name: str, **labels: str) -> str:
        found = [one.quantile(name, 0.99, **labels) for one in changes]
        return _seconds(max((one for one in found if one is not None), default=None))

    since = "streamproc_dispatch_since_reminder_seconds"
    return Text(
        "99 % of reminders within  "
        f"readable {slowest('streamproc_worker_arrival_to_reminder_seconds')}  "
        f"timed {slowest('streamproc_worker_timed_lateness_seconds')}  "
        f"accepted {slowest(since, status='accepted')}"
    )


def _workers(workers: list[PageChange]) -> Table:
    table = _table("worker", "parts", "rows", "events/s", "rej/s", "rem/s", "lag", "commit", "mem")
    table.padding = (0, 0, 0, 0)  # a longer name has room
    for one in workers:
        page = one.page
        used = page.sum("process_resident_memory_bytes")
        limit = page.sum("streamproc_worker_memory_limit_bytes")
        running = page.sum("streamproc_worker_partitions", state="running")
        total = page.sum("streamproc_worker_input_partitions")
        table.add_row(
            printable(page.place),
            f"{running:.0f}/{total:.0f}",
            _count(page.sum("streamproc_worker_subscribers_rows")),
            _count(one.rate("streamproc_worker_events_total")),
            _count(one.rate("streamproc_worker_events_total", outcome="rejected")),
            _count(one.rate("streamproc_worker_reminders_total")),
            _behind(page.largest("streamproc_worker_lag_seconds")),
            _seconds(one.quantile("streamproc_worker_commit_duration_seconds", 0.99)),
            f"{100 * used / limit:.0f} %" if limit else _bytes(used),
        )
    return table


def _partitions(workers: list[PageChange], most: int) -> Table:
    """Those that are furthest behind first."""
    found = []
    for one in workers:
        lags = _by_partition(one, "streamproc_worker_lag_seconds")
        dues = _by_partition(one, "streamproc_worker_due_behind_seconds")
        waiting = _by_partition(one, "streamproc_worker_lag_records")
        for number, rows in _by_partition(one, "streamproc_worker_subscribers_rows").items():
            lag, due = lags.get(number, 0.0), dues.get(number, 0.0)
            found.append((-max(lag, due), number, rows, waiting.get(number, 0.0), lag, due, one))
    found.sort(key=lambda row: row[:2])
    table = _table("partition", "rows", "records waiting", "behind", "due work", "worker")
    for _, number, rows, records, lag, due, one in found[:most]:
        table.add_row(
            str(number),
            _count(rows),
            _count(records),
            _behind(lag),
            _behind(due),
            printable(one.page.place),
        )
    if len(found) > most:
        table.caption = f"and {len(found) - most} that are less behind"
    return table


def _gateways(dispatchers: list[PageChange]) -> Table:
    table = _table("gateway", "state", "waiting", "oldest", "accepted/s", "failed/s", "answers in")
    names = sorted(
        {
            labels.get("gateway", "")
            for one in dispatchers
            for labels, _ in one.page.values("streamproc_dispatch_connected_state")
        }
    )
    if len(names) > MOST_GATEWAYS:
        table.caption = f"and {len(names) - MOST_GATEWAYS} more"
    for name in names[:MOST_GATEWAYS]:
        submits = "streamproc_dispatch_submits_total"
        accepted = sum(one.rate(submits, gateway=name, answer="accepted") for one in dispatchers)
        answers = sum(one.rate(submits, gateway=name) for one in dispatchers)
        waiting = sum(
            one.page.sum("streamproc_dispatch_waiting_messages", gateway=name)
            for one in dispatchers
        )
        oldest = max(
            one.page.sum("streamproc_dispatch_oldest_waiting_seconds", gateway=name)
            for one in dispatchers
        )
        slow = [
            one.quantile("streamproc_dispatch_submit_duration_seconds", 0.99, gateway=name)
            for one in dispatchers
        ]
        table.add_row(
            printable(name),
            _state_of(dispatchers, name),
            _count(waiting),
            _behind(oldest),
            _count(accepted),
            _count(answers - accepted),
            _seconds(max((one for one in slow if one is not None), default=None)),
        )
    return table


def _state_of(dispatchers: Iterable[PageChange], gateway: str) -> Text:
    """The worst of all dispatchers."""
    pages = [one.page for one in dispatchers]
    for page in pages:
        is_there = any(
            labels.get("gateway", "") == gateway
            for labels, _ in page.values("streamproc_dispatch_connected_state")
        )
        if is_there and not page.sum("streamproc_dispatch_connected_state", gateway=gateway):
            return Text("no connection", style=STYLES["red"])
    for state, words in (("open", "breaker open"), ("half_open", "on trial")):
        name = "streamproc_dispatch_breaker_state"
        if any(page.sum(name, gateway=gateway, state=state) for page in pages):
            return Text(words, style=STYLES["red"])
    if any(page.sum("streamproc_dispatch_throttled_state", gateway=gateway) for page in pages):
        return Text("throttled", style=STYLES["orange"])
    return Text("works", style=STYLES["good"])


def _canary(one: PageChange) -> Table:
    table = _table("canary", "stage", "median", "99 %", "failed in")
    recent = "streamproc_canary_recent_seconds"
    for way in ("usage", "timed"):
        for stage in ("sent", "readable", "accepted", "delivered"):
            labels = {"way": way, "stage": stage}
            if not any(labels.items() <= found.items() for found, _ in one.page.values(recent)):
                continue
            failed = one.page.sum("streamproc_canary_broken_partitions", **labels)
            words = f"{failed:.0f} partition{'' if failed == 1 else 's'}" if failed else "none"
            table.add_row(
                way,
                stage,
                # 0: it was never proved
                _seconds(one.page.sum(recent, **labels, quantile="0.5") or None),
                _seconds(one.page.sum(recent, **labels, quantile="0.99") or None),
                Text(words, style=STYLES["red"] if failed else STYLES["good"]),
            )
    return table


def _by_partition(one: PageChange, name: str) -> dict[int, float]:
    found: dict[int, float] = {}
    for labels, value in one.page.values(name):
        text = labels.get("partition", "")
        if not (text.isascii() and text.isdigit() and len(text) < LONGEST_NUMBER):
            continue
        number = int(text)
        found[number] = found.get(number, 0.0) + value
    return found


def _table(*names: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )
    for number, name in enumerate(names):
        is_text = number == 0 or name in ("state", "stage", "worker", "failed in")
        widest = LONG if name in ("worker", "gateway") else None
        table.add_column(
            name,
            justify="left" if is_text else "right",
            no_wrap=True,
            min_width=len(name) if is_text else max(len(name), SHORT),
            max_width=widest,
            overflow="ellipsis",
        )
    return table


def _behind(seconds: float) -> Text:
    style = STYLES["red"] if seconds > 60 else STYLES["orange"] if seconds > 10 else ""
    return Text(_seconds(seconds), style=style)


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds == float("inf"):
        return "> 1 d"
    if seconds < 10:
        return f"{seconds:.2g} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _count(number: float) -> str:
    if number >= 1e6:
        return f"{number / 1e6:.1f} M"
    if number >= 10_000:
        return f"{number / 1e3:.0f} k"
    return f"{number:.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def _bytes(number: float) -> str:
    return f"{number / _KIB / _KIB:.0f} MiB"
