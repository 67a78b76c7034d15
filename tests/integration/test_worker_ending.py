"""A worker ends when it is told to, whatever the broker does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from streamproc.lab.embedded_broker import EmbeddedBroker
from tests.support.cluster import Names
from tests.support.waiting import wait_until

LIMIT_SECONDS = 60


def test_a_worker_whose_broker_is_gone_ends_on_sigterm(tmp_path: Path) -> None:
    names = Names("ending")
    command = [
        *(sys.executable, "-m", "streamproc", "worker", "--embedded", "--app-id", names.app_id),
        *names.worker.arguments(),
        *("--clock", "event"),
        *("--datadir", str(tmp_path / "data")),
    ]
    log = (tmp_path / "worker.log").open("wb")
    with EmbeddedBroker() as broker:
        broker.make_topics((*names.worker.inputs, *names.worker.outputs, names.changelog))
        worker = subprocess.Popen([*command, "--broker", broker.bootstrap], stdout=log, stderr=log)
        _wait_for(tmp_path / "worker.log", "input flows")
    time.sleep(1)  # into the midst of its work
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(LIMIT_SECONDS)
    finally:
        worker.kill()
        log.close()


def _wait_for(log: Path, words: str) -> None:
    def written() -> str:
        return log.read_text(errors="replace")

    wait_until(lambda: words in written(), LIMIT_SECONDS, written)
