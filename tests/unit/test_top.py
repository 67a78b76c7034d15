"""`streamproc top`: pages are read and compared, and what matters stands first, at 80 columns."""

from __future__ import annotations

import re
import signal
import socketserver
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from streamproc.cli import main
from streamproc.metrics.canary import CanaryMetrics
from streamproc.metrics.dispatch import DispatchMetrics
from streamproc.metrics.worker import WorkerMetrics
from streamproc.supervision import start_thread
from streamproc.tools.canary.beats import Beats
from streamproc.tools.canary.observing import CanaryObserver
from streamproc.tools.top import reading, showing
from streamproc.tools.top.reading import Page, PageChange, read_page, read_pages
from streamproc.tools.top.showing import COLUMNS, Screenful, whole
from tests.support.terminal import Terminal

TABLES = ("worker ", "partition ", "gateway ", "canary ")
"""How their heads begin."""


def text_of(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def worker(events: int = 0, *, lag_seconds: float = 0, partitions: int = 2) -> str:
    metrics = WorkerMetrics(CollectorRegistry())
    metrics.events.labels("applied").inc(events)
    metrics.input_partitions.set(partitions)
    metrics.partitions.labels("running").set(partitions)
    for number in range(partitions):
        metrics.rows.labels(str(number)).set(1_500_000)
        metrics.lag_seconds.labels(str(number)).set(lag_seconds if number == 1 else 0)
        metrics.lag_records.labels("events", str(number)).set(7)
    metrics.memory_limit.set(1 << 30)
    metrics.arrival_to_reminder.add(0.2, events)
    if lag_seconds:
        metrics.alarms.labels("InputBehind", "", "red").set(1)
        metrics.alarms.labels("GatewayDown", "main", "orange").set(1)
    return text_of(metrics.registry)


def dispatcher(*, is_up: bool = True) -> str:
    metrics = DispatchMetrics(CollectorRegistry())
    for name in ("main", "spare"):
        metrics.connected.labels(name).set(int(is_up or name == "spare"))
        metrics.waiting.labels(name, "urgent").set(3)
        metrics.oldest.labels(name, "urgent").set(75)
        metrics.submits.labels(name, "accepted").inc(10)
    return text_of(metrics.registry)


def canary() -> str:
    metrics = CanaryMetrics(CollectorRegistry())
    beats = Beats(1_000, "accepted")
    beats.begin("usage", 0, "m", 0)
    beats.readable("m", "r", 250)
    CanaryObserver(metrics)(beats.judge(2_000), beats)
    return text_of(metrics.registry)


def page(text: str, place: str = "h:1") -> Page:
    return read_page(place, lambda url: text)


def change(now: str, then: str = "", seconds: float = 2.0, place: str = "h:1") -> PageChange:
    return PageChange(page(now, place), page(then or now, place), seconds)


def shown(*changes: PageChange) -> str:
    out = StringIO()
    Console(file=out, width=COLUMNS, color_system=None).print(whole(list(changes), "17:55:03"))
    return out.getvalue()


def test_rates_and_quantiles_are_of_the_time_between_two_readings() -> None:
    one = change(worker(300), worker(100))

    assert one.rate("streamproc_worker_events_total") == 100.0
    assert one.quantile("streamproc_worker_arrival_to_reminder_seconds", 0.99) == 0.25
    assert one.quantile("streamproc_worker_timed_lateness_seconds", 0.99) is None


def test_after_a_restart_a_rate_is_0() -> None:
    assert change(worker(1), worker(100)).rate("streamproc_worker_events_total") == 0.0


def test_a_page_has_its_role() -> None:
    roles = [page(one).role for one in (worker(), dispatcher(), canary(), "")]

    assert roles == ["worker", "dispatch", "canary", ""]


def test_the_page_of_a_healthy_fleet() -> None:
    found = shown(change(worker(300), worker(100)), change(dispatcher(), place="h:2"))

    assert "1 worker, 1 dispatcher" in found
    assert "none is raised" in found
    assert "readable 0.25 s" in found
    assert "3.0 M" in found
    assert found.count("works") == 2


def test_what_is_wrong_stands_first() -> None:
    found = shown(
        change(worker(lag_seconds=90), place="w:1"),
        change(dispatcher(is_up=False), place="d:1"),
        change(canary(), place="c:1"),
        PageChange(read_page("x:1", _refused), read_page("x:1", _refused), 1.0),
    )
    lines = found.splitlines()

    assert "InputBehind" in lines[1]
    assert lines[1].index("InputBehind") < lines[1].index("GatewayDown main"), "red before orange"
    (behind,) = [line for line in lines if line.lstrip().startswith("1 ") and "1.5 M" in line]
    assert "90 s" in behind
    assert "no connection" in found
    assert "canary usage not accepted" in lines[1]
    assert "1 partition\n" in "\n".join(line.rstrip() for line in lines) + "\n"
    assert "…" not in found
    assert "x:1 does not answer: refused" in found


def _refused(url: str) -> str:
    raise OSError("refused")


def test_no_line_is_longer_than_80_columns() -> None:
    far = "worker-with-a-long-name.in-a-cluster.example.net:9464"
    found = shown(
        change(worker(10**9, lag_seconds=10**6, partitions=40), place=far),
        change(dispatcher(), place=far),
        change(canary(), place=far),
    )

    assert max(map(len, found.splitlines())) <= COLUMNS
    assert "and 28 that are less behind" in found


def test_every_metric_of_the_page_exists() -> None:
    """A name that does not exist would show a zero for ever."""
    homes = (WorkerMetrics, DispatchMetrics, CanaryMetrics)
    known = {one.name for home in homes for one in home(CollectorRegistry()).declared}
    used = set(re.findall(r'"(streamproc_\w+)"', Path(showing.__file__).read_text("utf-8")))

    assert len(used) > 15
    assert used <= known


def test_the_handbook_has_the_heads_of_the_tables() -> None:
    found = shown(change(worker()), change(dispatcher()), change(canary()))
    handbook = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    heads = [line.split() for line in found.splitlines() if line.startswith(TABLES)]

    assert len(heads) == len(TABLES)
    assert [one for one in heads if one not in map(str.split, handbook.splitlines())] == []


def test_no_figure_of_a_worker_is_cut_off() -> None:
    found = shown(change(worker(10**9, lag_seconds=10**6), place="192.168.100.101:9464"))
    head, row = (line for line in found.splitlines() if line.startswith(("worker ", "192.168.")))

    assert head.split()[-1] == "mem"
    assert row.split()[0] == "192.168.100.101:9464"
    assert row.split()[-1] == "%"


def test_on_a_low_screen_what_is_wrong_is_left_and_the_rest_is_counted() -> None:
    one = [change(worker(partitions=40)), change(dispatcher()), change(canary())]
    high, low = whole(one, "17:55:03", 40), Screenful(whole(one, "17:55:03", 12), 12)
    out = [StringIO(), StringIO()]
    for file, renderable in zip(out, (high, low), strict=True):
        Console(file=file, width=COLUMNS, color_system=None).print(renderable, end="")
    lines = out[1].getvalue().splitlines()

    assert "and 28 that are less behind" in out[0].getvalue()
    assert len(lines) == 12
    assert "canary usage not accepted" in lines[1]
    assert lines[-1].endswith("more lines: make the terminal higher")


def test_it_lives_on_a_terminal_of_80_columns_until_it_is_interrupted(
    server: Callable[[bytes, bool], str],
) -> None:
    text = worker(5, lag_seconds=90, partitions=40)
    place = server(b"HTTP/1.1 200 OK\r\n\r\n" + text.encode(), False)
    terminal = Terminal("top", place, "--every-seconds", "0.2", columns=COLUMNS, lines=20)
    try:
        for _ in range(2):  # it shows the page again
            terminal.wait_for("and 31 that are less behind")
        terminal.process.send_signal(signal.SIGINT)
        terminal.wait_for(r"\x1b\[\?1049l")
        assert terminal.process.wait(30) == 0
    finally:
        terminal.close()
    assert terminal.shown.startswith("\x1b[?1049h")
    screen = max(terminal.shown.split("\x1b[H"), key=len)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= COLUMNS
    assert "make the terminal higher" not in screen


def test_pages_are_read_in_order() -> None:
    texts = {"http://a:1/metrics": worker(), "http://b:2/metrics": dispatcher()}

    found = read_pages(["b:2", "a:1"], texts.__getitem__)

    assert [one.role for one in found] == ["dispatch", "worker"]


def test_nonsense_is_an_error_and_no_end() -> None:
    assert page("<html>").error


@pytest.mark.parametrize("words", [["127.0.0.1:1"], ["127.0.0.1:1,127.0.0.1:2"]])
def test_once_fails_if_nobody_answers(words: list[str]) -> None:
    found = CliRunner().invoke(main, ["top", *words, "--once", "--every-seconds", "0.2"])

    assert found.exit_code == 1
    assert "127.0.0.1:1 does not answer" in found.output
    assert found.output.splitlines()[-1] == "Error: no process answers"


ODD = {
    "no labels": "streamproc_worker_alarm_raised_state 1\nstreamproc_dispatch_connected_state 1\n"
    "streamproc_worker_lag_seconds 5\nstreamproc_worker_subscribers_rows 5\n",
    "no partitions": 'streamproc_worker_subscribers_rows{partition="x"} 5\n'
    'streamproc_worker_lag_seconds{partition="\u0663"} 5\n'
    f'streamproc_worker_lag_records{{partition="{"9" * 5_000}"}} 5\n',
    "no numbers": "streamproc_worker_lag_seconds NaN\nstreamproc_worker_events_total +Inf\n"
    "streamproc_worker_memory_limit_bytes 1e308\nprocess_resident_memory_bytes 1e308\n",
    "no bounds": 'streamproc_worker_commit_duration_seconds_bucket{le="x"} 5\n'
    'streamproc_worker_commit_duration_seconds_bucket{le="nan"} 6\n'
    "streamproc_worker_commit_duration_seconds_bucket 7\n",
    "no tier": 'streamproc_worker_alarm_raised_state{alarm="a\x1b[2J",gateway="",tier="blue"} 1\n',
    "no metrics": "\x1b]0;title\x07{{{{ = 1\n",
    "many": "".join(
        f'streamproc_worker_alarm_raised_state{{alarm="a{one}",gateway="g",tier="red"}} 1\n'
        f'streamproc_dispatch_connected_state{{gateway="g{one}"}} 1\n'
        for one in range(300)
    ),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_the_page_of_a_stranger_is_shown_or_named(text: str) -> None:
    """A port that another program listens on, or one that means harm."""
    pages = [change(text, place="h:1"), change(worker(5) + text), change(dispatcher() + text)]

    said = shown(*pages)

    assert said.replace("\n", "").isprintable()
    assert len(said.splitlines()) < 250


def test_more_figures_than_any_process_has_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_SAMPLES", 10)

    assert page(worker(5)).error == "its page has more than 10 figures"


@pytest.fixture
def server() -> Iterator[Callable[[bytes, bool], str]]:
    """Starts a server that answers with some bytes, and perhaps with one more now and then."""
    with ExitStack() as stack:

        def started(answer: bytes, drips: bool) -> str:
            class Handler(socketserver.BaseRequestHandler):
                def handle(self) -> None:
                    self.request.recv(1_000)
                    self.request.sendall(answer)
                    with suppress(OSError):
                        while drips:
                            self.request.sendall(b"#")
                            time.sleep(0.02)  # each byte within the timeout of a socket

            made = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
            made.daemon_threads = True
            stack.callback(made.server_close)
            start_thread(partial(made.serve_forever, 0.02), "server")
            stack.callback(made.shutdown)
            return f"127.0.0.1:{made.server_address[1]}"

        yield started


@pytest.mark.parametrize(
    ("answer", "drips", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True, "no whole page within 0.2 s"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + b"H", True, "no whole page within 0.2 s"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", False, "Found"),
        (b"SSH-2.0-\x1b[2J\r\n", False, "SSH"),
        (b"HTTP/1.1 200 OK\r\n\r\n\xff", False, "none of metrics"),
    ],
)
def test_a_server_that_means_harm_does_not_hold_the_page_up(
    server: Callable[[bytes, bool], str],
    answer: bytes,
    drips: bool,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "TIMEOUT_SECONDS", 0.2)

    assert why in read_page(server(answer, drips)).error
