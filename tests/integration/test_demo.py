"""``streamproc demo`` as its users start it, on the embedded broker and on a real one.

The runs wait much and work little, so those on the embedded broker go on at the same time.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from tests.support.waiting import wait_until

SMALL = ("--events", "3000", "--subscribers", "150", "--seconds", "5")
LONG = ("--seconds", "300")
PROGRAM = [sys.executable, "-m", "streamproc"]
LIMIT_SECONDS = 120.0
"""Six demos run at once, and each takes a few seconds of its own."""

# What a broken broker would do, done to a demo that is otherwise the real one.
_BROKEN = """
import sys
from streamproc.cli import main
from streamproc.lab.demo.actual_results import SmsReader
from streamproc.producing import BillingProducer

send_record, send_sms = BillingProducer.send, SmsReader.send
counts = {"records": 0, "sms": 0}

def send_another_record(self, key, value, *rest):
    counts["records"] += 1
    send_record(self, key, None if counts["records"] == 2000 else value, *rest)

def send_fewer_sms(self, reminder):
    counts["sms"] += 1
    if counts["sms"] != 100:
        send_sms(self, reminder)

BillingProducer.send = send_another_record
SmsReader.send = send_fewer_sms
sys.argv[0] = "streamproc"
main()
"""


class Run:
    """A demo whose output goes to a file."""

    def __init__(self, output: Path, command: list[str], *options: str) -> None:
        self._output = output
        environment = {**os.environ, "TMPDIR": str(output.parent), "PYTHONUNBUFFERED": "1"}
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, "demo", *options],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal reaches all of its process group
            )

    @property
    def text(self) -> str:
        return self._output.read_text()

    def wait_for(self, words: str) -> None:
        """Return once its output has a match of these words (a regular expression)."""

        def are_there() -> bool:
            is_running = self.process.poll() is None
            found = re.search(words, self.text) is not None
            assert found or is_running, self.text
            return found

        wait_until(are_there, LIMIT_SECONDS, lambda: self.text)

    def end(self) -> int:
        """Its exit code."""
        return self.process.wait(LIMIT_SECONDS)

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def children(self) -> dict[int, str]:
        """Command lines of the two processes that it starts, by process id: the worker, and what
        computes the expectation."""
        return wait_until(
            lambda: found if len(found := self._alive()) == 2 else {}, LIMIT_SECONDS, self._alive
        )

    def _alive(self) -> dict[int, str]:
        listed = subprocess.run(
            # -ww: whole command lines, whatever width is in the environment
            ["ps", "-wweo", "pid=,ppid=,stat=,args="],
            capture_output=True,
            text=True,
            check=True,
        )
        fields = [line.split(None, 3) for line in listed.stdout.splitlines()]
        return {
            int(pid): args
            for pid, parent, state, args in fields
            if int(parent) == self.process.pid and not state.startswith("Z")
        }

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


Start = Callable[..., Run]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a demo; whatever comes, it ends with the module."""
    runs: list[Run] = []

    def start(*options: str, command: list[str] = PROGRAM) -> Run:
        output = tmp_path_factory.mktemp("demo") / "output"
        runs.append(Run(output, command, *options))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


@pytest.fixture(scope="module")
def runs(start: Start) -> dict[str, Run]:
    """All runs on the embedded broker, started together."""
    return {
        "whole": start(*SMALL),
        "broken": start(*SMALL, command=[sys.executable, "-c", _BROKEN]),
        "interrupted": start(*SMALL, *LONG),
        "terminated": start(*SMALL, *LONG),
        "killed": start(*SMALL, *LONG),
        "deserted": start(*SMALL, *LONG),
    }


def assert_nothing_is_left(run: Run, children: dict[int, str]) -> None:
    def left() -> dict[int, str]:
        return {pid: args for pid, args in children.items() if _is_running(pid, args)}

    wait_until(lambda: not left(), LIMIT_SECONDS, left)
    assert not list(run._output.parent.glob("streamproc-demo-*"))


def _is_running(pid: int, arguments: str) -> bool:
    found = subprocess.run(
        ["ps", "-wwo", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, present = found.stdout.strip().partition(" ")
    return present.strip() == arguments and not state.startswith("Z")


@pytest.mark.skipif(not Path("/proc").exists(), reason="Linux ends the children of a killed demo")
def test_a_killed_demo_leaves_no_process(runs: dict[str, Run]) -> None:
    run = runs["killed"]
    run.wait_for("usage is coming in")
    children = run.children()
    run.process.kill()

    run.end()
    # Its directory stays: nobody was there to remove it.
    for directory in run._output.parent.glob("streamproc-demo-*"):
        directory.rename(directory.with_name(f"left-{directory.name}"))
    assert_nothing_is_left(run, children)


def test_ctrl_c_ends_everything_quietly(runs: dict[str, Run]) -> None:
    run = runs["interrupted"]
    run.wait_for("usage is coming in")
    children = run.children()
    run.interrupt()

    assert run.end() == 128 + signal.SIGINT, run.text
    assert_nothing_is_left(run, children)
    assert run.text.rstrip().endswith("Interrupted; nothing was compared. Ending the parts ...")


def test_so_does_sigterm(runs: dict[str, Run]) -> None:
    run = runs["terminated"]
    run.wait_for("usage is coming in")
    children = run.children()
    run.process.terminate()

    assert run.end() == 128 + signal.SIGTERM, run.text
    assert_nothing_is_left(run, children)
    assert "Traceback" not in run.text


def test_a_dead_worker_is_named_with_the_tail_of_its_log(runs: dict[str, Run]) -> None:
    run = runs["deserted"]
    run.wait_for("usage is coming in")
    (worker,) = [pid for pid, args in run.children().items() if " worker " in args]
    os.kill(worker, signal.SIGKILL)

    assert run.end() == 1, run.text
    assert "The demo failed: the worker died: killed by SIGKILL" in run.text
    assert "partition opened" in run.text
    (logs,) = re.findall(r"Logs are in\s+(\S+)", run.text)
    assert (Path(logs) / "worker.log").read_text()


@pytest.mark.usefixtures("runs")  # they get on meanwhile
def test_months_go_on_until_ctrl_c_on_a_real_broker(start: Start, bootstrap: str) -> None:
    run = start(*SMALL, "--keep", "--broker", bootstrap)
    run.wait_for("usage is coming in")
    run.wait_for(r"2026-(02-[12]\d|03-\d\d) \d\d:\d\d UTC  [\d,]+ events")  # the second month
    run.interrupt()

    assert run.end() == 0, run.text
    assert re.search(r"All \d+ figures are equal", run.text), run.text
    (records,) = re.findall(r"events applied +([\d,]+) ", run.text)
    assert int(records.replace(",", "")) > 3_008
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        assert not [topic for topic in admin.list_topics() if topic.startswith("demo-")]
    finally:
        admin.close()


def test_all_is_equal_on_the_embedded_broker(runs: dict[str, Run]) -> None:
    run = runs["whole"]

    assert run.end() == 0, run.text
    assert re.search(r"events applied +3,008 +3,008 +equal", run.text), run.text
    assert re.search(r"All \d+ figures are equal", run.text)
    (seconds,) = re.findall(r"(\d+) s in all", run.text)
    assert int(seconds) <= LIMIT_SECONDS
    assert "usage summary" in run.text
    assert "SMS STREAMPROC to 861********" in run.text
    assert not re.search(r"86138\d{8}", run.text)


def test_a_lost_record_and_a_lost_sms_are_found(runs: dict[str, Run]) -> None:
    run = runs["broken"]

    assert run.end() == 1, run.text
    assert re.search(r"NOT EQUAL: \d+ of \d+ figures differ", run.text), run.text
    assert re.search(r"bytes charged .* WRONG", run.text)
    assert re.search(r"rejected: tombstone .* WRONG", run.text)
    assert re.search(r"reminders: .* WRONG", run.text)
    assert "reminders missing" in run.text
