"""The canary on a real broker with a worker and a dispatcher: it proves delivery, and names what is
broken."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from streamproc.cli.canary import RULES
from streamproc.contracts.topics import DispatchTopics
from tests.support.cluster import Names, WorkerProcess, create_topic
from tests.support.dispatching import HEAD as HEAD_OF_GATEWAYS
from tests.support.dispatching import smpp_gateway
from tests.support.edges import wait_for_words
from tests.support.signals import stop_in_order
from tests.support.smsc import SmscProcess

PHONE = "34600000009"
HEAD = "version: 1\ncurrency: EUR\ndefault_locale: en\n"


@contextmanager
def dispatcher(bootstrap: str, names: Names, directory: Path, smsc: SmscProcess) -> Iterator[None]:
    """Customers' messages have a console, those of canaries a message center and a phone."""
    gateways = directory / "gateways.yaml"
    center = smpp_gateway(smsc.port, "center", canary="true")
    gateways.write_text(
        f'{HEAD_OF_GATEWAYS}  - {{name: main, kind: console}}\n{center}canary_number: "{PHONE}"\n',
        encoding="utf-8",
    )
    topics = DispatchTopics.under(f"{names.app_id}.").by_field().items()
    named = [word for field, name in topics for word in (f"--{field.replace('_', '-')}", name)]
    command = [
        *(sys.executable, "-m", "streamproc", "dispatch", "--broker", bootstrap),
        *("--group", f"{names.app_id}-d", *named, "--create-topics"),
        *("--gateways", str(gateways)),
    ]
    with (directory / "dispatcher.log").open("ab") as log:
        environment = {**os.environ, "SMSC_PASSWORD": "secret"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield
        stop_in_order(process)
        assert process.wait(60) == 0
    finally:
        process.kill()


def canary(bootstrap: str, names: Names, deadline_seconds: float) -> tuple[int, str]:
    """Exit code and last line of a single beat."""
    topics = DispatchTopics.under(f"{names.app_id}.")
    found = subprocess.run(
        [
            *(sys.executable, "-m", "streamproc", "canary", "--once", "--broker", bootstrap),
            *("--topic", names.events, "--reminders", names.reminders),
            *("--rejects", names.rejects, "--receipts", topics.receipts),
            *("--deadline-seconds", str(deadline_seconds)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in found.stderr, found.stderr
    assert found.stdout, found.stderr
    return found.returncode, found.stdout.splitlines()[-1]


async def test_it_proves_delivery_and_names_the_stage_that_is_missing(
    bootstrap: str, tmp_path: Path
) -> None:
    names = Names(f"c{uuid4().hex[:8]}")
    rules = tmp_path / "rules.yaml"
    rules.write_text(HEAD + RULES.read_text(encoding="utf-8"), encoding="utf-8")
    for topic in (names.events, DispatchTopics.under(f"{names.app_id}.").receipts):
        await create_topic(bootstrap, topic)
    options = "--rules", str(rules), "--clock", "wall"
    worker = WorkerProcess(bootstrap, names, tmp_path, "one", *options).start()
    try:
        wait_for_words(worker, "input flows")
        with SmscProcess(tmp_path) as smsc, dispatcher(bootstrap, names, tmp_path, smsc):
            assert canary(bootstrap, names, 60) == (0, "all 4 arrived")
            # Through the message center, to the phone of the carrier, and to nobody else.
            assert [to for to, _ in smsc.messages()] == [PHONE] * 4
        assert canary(bootstrap, names, 3) == (1, "of 4: 4 usage not accepted")
        assert worker.stop() == 0
    finally:
        worker.kill()
    assert canary(bootstrap, names, 2) == (1, "of 4: 4 usage not readable")
