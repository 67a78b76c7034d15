"""Dispatchers as processes on a real broker, and what their topics hold."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from streamproc.contracts.codec import encode_effect
from streamproc.contracts.receipts import DeadLetter, Receipt, decode_dead_letter, decode_receipt
from streamproc.core.effects import Reminder
from tests.support.cluster import create_topic, read_committed

PARTITIONS = 2


class DispatchScene:
    """Topics and gateways file of one test, and its dispatchers."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.app = f"d{uuid4().hex[:8]}"
        self.gateways = directory / "gateways.yaml"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.names = {
            name: f"{self.app}.{name}"
            for name in ("reminders", "resends", "journal", "receipts", "dead-letters", "reports")
        }

    async def prepare(self, gateways: str) -> None:
        """Write the gateways file and create the topic of reminders."""
        self.gateways.write_text(gateways, encoding="utf-8")
        await create_topic(self.bootstrap, self.names["reminders"], PARTITIONS)

    def options(self) -> list[str]:
        """Broker and topics, as every command takes them."""
        topics = [part for name, topic in self.names.items() for part in (f"--{name}", topic)]
        return ["--broker", self.bootstrap, "--group", self.app, *topics]

    def start(self, name: str = "one", **environment: str) -> subprocess.Popen[bytes]:
        """A dispatcher with static membership: killed and started again it goes on at once."""
        command = [sys.executable, "-m", "streamproc", "dispatch", *self.options()]
        command += ["--gateways", str(self.gateways), "--instance-id", name]
        command += ["--session-timeout-seconds", "6", "--stats-every-seconds", "2"]
        variables = os.environ | {"SMSC_PASSWORD": "secret", "HOOK_SECRET": "key"} | environment
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        self.processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """SIGTERM; fails if it does not end well."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(25) == 0, self.logs()

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

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
                    partition=int(one.subscriber[-3:]) % PARTITIONS,
                )
                for one in reminders
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def receipts(self) -> list[Receipt]:
        records = await read_committed(self.bootstrap, self.names["receipts"], PARTITIONS)
        return [decode_receipt(record.value) for record in records]

    async def dead_letters(self) -> list[DeadLetter]:
        records = await read_committed(self.bootstrap, self.names["dead-letters"], PARTITIONS)
        return [decode_dead_letter(record.value) for record in records]

    async def statuses(self) -> Counter[str]:
        return Counter(one.status for one in await self.receipts())

    async def settled(self, count: int, limit_seconds: float = 40) -> dict[str, set[str]]:
        """Wait until ``count`` reminders have a first receipt; returns their statuses."""
        deadline = time.monotonic() + limit_seconds
        while True:
            found: dict[str, set[str]] = {}
            for one in await self.receipts():
                found.setdefault(one.reminder_id, set()).add(one.status)
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count}\n{self.logs()}"
            await asyncio.sleep(0.3)

    async def delivered(self, count: int, limit_seconds: float = 30) -> None:
        """Wait until so many receipts say so."""
        deadline = time.monotonic() + limit_seconds
        while (seen := (await self.statuses())["delivered"]) < count:
            assert time.monotonic() < deadline, f"{seen} of {count}\n{self.logs()}"
            await asyncio.sleep(0.3)

    async def until(self, condition: Callable[[], Any], limit_seconds: float = 30) -> None:
        """Wait for something that a plain function can see."""
        deadline = time.monotonic() + limit_seconds
        while not condition():
            assert time.monotonic() < deadline, self.logs()
            await asyncio.sleep(0.1)


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
