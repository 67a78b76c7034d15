"""Dispatchers as processes on a real broker, and the content of their topics."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.records.receipts import (
    DeadLetter,
    Receipt,
    decode_dead_letter,
    decode_receipt,
)
from streamproc.core.instants import from_ms
from streamproc.core.state.effects import Reminder
from tests.support.cluster import create_topic
from tests.support.committed import Committed, read_committed
from tests.support.scheduler import reminder
from tests.support.signals import stop_in_order
from tests.support.waiting import LIMIT_SECONDS, until

PARTITIONS = 2
HEAD = "version: 1\ngateways:\n"
"""The beginning of every gateways file."""


class DispatchScene:
    """Topics and gateways file of one test, and its dispatchers."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.app = f"d{uuid4().hex[:8]}"
        self.gateways = directory / "gateways.yaml"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._logged: dict[str, int] = {}
        self.partitions = PARTITIONS
        self.ignore_expiry = False
        self.log_level = "info"
        self.names = {
            name: f"{self.app}.{name}"
            for name in (
                *("reminders", "resends", "journal", "receipts", "dead-letters", "reports"),
                *("commands", "incoming-sms"),
            )
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    async def prepare(self, gateways: str, partitions: int = PARTITIONS) -> None:
        """Write the gateways file and create the topic of reminders."""
        self.gateways.write_text(gateways, encoding="utf-8")
        self.partitions = partitions
        await create_topic(self.bootstrap, self.names["reminders"], partitions)

    def options(self) -> list[str]:
        """Broker and topics, as every command takes them."""
        return ["--broker", self.bootstrap, "--group", self.app, *self.topic_options()]

    def topic_options(self) -> list[str]:
        """The names of the topics."""
        return [part for name, topic in self.names.items() for part in (f"--{name}", topic)]

    def start(self, name: str = "one") -> subprocess.Popen[bytes]:
        """A dispatcher with static membership: if it is killed and started again, it continues at
        once."""
        words = ["dispatch", *self.options(), "--gateways", str(self.gateways)]
        words += ["--instance-id", name, "--session-timeout-seconds", "6"]
        words += ["--ignore-expiry"] if self.ignore_expiry else []
        words += ["--http-port", "0", "--create-topics", "--log-level", self.log_level]
        return self.run([*words, "--stats-every-seconds", "2"], name)

    def run(self, words: list[str], name: str = "one") -> subprocess.Popen[bytes]:
        """``streamproc WORDS``; its output goes to a log."""
        log = self.directory / f"{name}.log"
        self._logged[name] = len(log.read_text()) if log.exists() else 0
        command = [sys.executable, "-m", "streamproc", *words]
        secrets = {
            "SMSC_PASSWORD": "secret",
            "HOOK_SECRET": "whsec_a2V5",
            "STREAMPROC_NUMBER_KEY": "the number key of all dispatchers",
        }
        return self.spawn(command, log, secrets)

    async def ready(self, name: str = "one") -> None:
        """Wait until the last dispatcher that was started with this name reads a partition."""
        log = self.directory / f"{name}.log"
        await self.until(lambda: "partition opened" in log.read_text()[self._logged[name] :])

    def spawn(
        self, command: list[str], out: Path, environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        with out.open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | environment
            )
        self.processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """SIGTERM; fails if the process does not end with success."""
        stop_in_order(process)
        assert process.wait(60) == 0, self.logs()

    def logs(self) -> str:
        return "\n".join(
            f"{path.name}: {line}"
            for path in sorted(self.directory.glob("*.log"))
            for line in path.read_text(errors="replace").splitlines()[-25:]
        )

    async def put(self, reminders: Iterable[Reminder]) -> None:
        """Append reminders, each to the partition of its subscriber."""
        producer: Any = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            sent = [
                await producer.send(
                    self.names["reminders"],
                    key=one.subscriber.encode(),
                    value=encode_effect(one),
                    partition=int(one.subscriber[-3:]) % self.partitions,
                )
                for one in reminders
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def receipts(self) -> list[Receipt]:
        records = await read_committed(self.bootstrap, self.names["receipts"], self.partitions)
        return [_receipt(record) for record in records]

    async def dead_letters(self) -> list[DeadLetter]:
        records = await read_committed(self.bootstrap, self.names["dead-letters"], self.partitions)
        return [decode_dead_letter(record.value) for record in records]

    async def statuses(self) -> Counter[str]:
        return Counter(one.status for one in await self.receipts())

    async def settled(self, count: int, limit_seconds: float = 80) -> dict[str, set[str]]:
        """Wait until ``count`` reminders have a first receipt; returns their statuses."""
        deadline = time.monotonic() + limit_seconds
        found: dict[str, set[str]] = {}
        async with self._following("receipts") as log:
            while len(found) < count:
                assert time.monotonic() < deadline, f"{len(found)} of {count}\n{self.logs()}"
                for one in map(_receipt, await log.more()):
                    found.setdefault(one.reminder_id, set()).add(one.status)
        return found

    async def delivered(self, count: int, limit_seconds: float = LIMIT_SECONDS) -> None:
        """Wait until this many receipts say "delivered"."""
        deadline = time.monotonic() + limit_seconds
        seen = 0
        async with self._following("receipts") as log:
            while seen < count:
                assert time.monotonic() < deadline, f"{seen} of {count}\n{self.logs()}"
                seen += sum(one.status == "delivered" for one in map(_receipt, await log.more()))

    def _following(self, name: str) -> Committed:
        return Committed(self.bootstrap, self.names[name], partitions=self.partitions)

    async def until(
        self, condition: Callable[[], Any], limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        """Wait until a plain function returns true."""
        await until(condition, limit_seconds, self.logs)

    async def until_more(
        self, count: Callable[[], int], than: int, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        """Wait until a growing number is greater than this."""
        await until(
            lambda: count() > than, limit_seconds, lambda: f"{count()} of {than}\n{self.logs()}"
        )


def _receipt(record: Any) -> Receipt:
    return decode_receipt(record.value)


def due(number: int, subscriber: int, **fields: Any) -> Reminder:
    """A reminder of now. Its text contains its number, so that a message center's log can be
    read."""
    now = from_ms(time.time_ns() // 1_000_000)
    values: dict[str, Any] = {
        "text": f"#{number} 80% used",
        "as_of": now,
        "not_before": now,
        "expires_time": now + timedelta(hours=1),
    }
    return reminder(number, f"8613800{subscriber:06}", **{**values, **fields})


def smpp_gateway(port: int, name: str = "main", **fields: Any) -> str:
    """One entry of a gateways file."""
    values = {
        "kind": "smpp",
        "host": "127.0.0.1",
        "port": port,
        "system_id": "dispatch",
        "password_env": "SMSC_PASSWORD",
        "source": '"10086"',
        "messages_per_second": 1000,
        "burst": 100,
        "window": 50,
        "response_seconds": 3,
        **fields,
    }
    lines = "".join(f"    {field}: {value}\n" for field, value in values.items())
    return f"  - name: {name}\n{lines}"
