"""Message centers made with libraries of others, as processes: tests/interop/smsc.

Such a program gets words ``name=value`` on its command line and says one line for each thing that
happens, an event and its facts as ``name=value``:

- ``listening port=``, ``bind mode=``, ``closed``
- ``submit id= to= from= ton= npi= coding= esm= registered= udh= sar=`` and the text as the library
  reads it (``text=``, UTF-8 in hexadecimal) or the octets behind the header (``body=``)
- ``answer status=`` to what it sent; ``unbound status=``; ``nack``

Its settings: ``answer_ms=`` before a submit is answered, ``receipts=yes``, and for the Node.js one
``key= cert= ca=``, the files of TLS. It obeys lines on its
standard input, and ends with it:

- ``deliver command=deliver_sm|data_sm from= to= esm= coding= hex= sar=REFERENCE/TOTAL/NUMBER``
- ``lose from= to= hex=``: the answer to this one gets lost, and the connection with it
- ``unbind``, ``cut`` (the connection), ``alert from= to=``
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.smsc_wire import text_of

LIMIT_S = 30.0

Event = dict[str, str]


class ForeignSmsc:
    """One of them, running. ``events`` is all that it said, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self.port = 0

    async def listen(self) -> None:
        """Take what it says until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            name, *words = line.decode().split()
            facts = dict(word.split("=", 1) for word in words)
            self.events.append({"event": name, **facts})
            self._changed.set()

    async def said(self, name: str, count: int = 1) -> list[Event]:
        """Wait until it has said so often that something happened."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.all(name)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.all(name)

    def all(self, name: str) -> list[Event]:
        return [event for event in self.events if event["event"] == name]

    def obey(self, name: str, /, **facts: Any) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        words = [name, *(f"{one}={value}" for one, value in facts.items())]
        self._process.stdin.write(" ".join(words).encode() + b"\n")

    async def deliver(self, body: bytes, command: str = "deliver_sm", **facts: Any) -> int:
        """Have it send a message; returns the status of our answer."""
        given = {"from": "8613800000001", "to": "10086", **facts, "hex": body.hex()}
        before = len(self.all("answer"))
        self.obey("deliver", command=command, **given)
        return int((await self.said("answer", before + 1))[-1]["status"])


def text_in(event: Event) -> str:
    """The text of a submitted part, read by the foreign library, or by the tests' own reader."""
    if "text" in event:
        return bytes.fromhex(event["text"]).decode()
    body = bytes.fromhex(event["body"])
    coding = int(event["coding"])
    return body.decode("latin-1") if coding == 3 else text_of(coding, body)


@asynccontextmanager
async def foreign_smsc(
    command: list[str], environment: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[ForeignSmsc]:
    """Run one of the programs."""
    pipe = asyncio.subprocess.PIPE
    words = [f"{name}={value}" for name, value in settings.items()]
    process = await asyncio.create_subprocess_exec(
        *command, *words, stdin=pipe, stdout=pipe, env=os.environ | (environment or {})
    )
    smsc = ForeignSmsc(process)
    listening = asyncio.create_task(smsc.listen())
    try:
        smsc.port = int((await smsc.said("listening"))[0]["port"])
        yield smsc
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(LIMIT_S):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
