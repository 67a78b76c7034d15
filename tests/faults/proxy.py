"""A TCP proxy between one worker and the broker that can be made a bad network.

It runs in a process of its own (``python -m tests.faults.proxy PORT:TARGET_PORT ...``), so that
the laboratory's other work does not slow it, and takes orders as JSON lines on standard input:
``{"port": PORT, "mode": MODE, "delay_ms": D, "bytes_per_second": B}`` or
``{"port": PORT, "reset": true}``. Modes: ``pass``; ``hole`` (connections stay, nothing arrives,
what was sent comes later); ``refuse`` (connections end, new ones too). Each order is answered with
an empty line once it is in force.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

READ_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One listening port and the connections made through it."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._mode = "pass"
        self._delay_s = 0.0
        self._bytes_per_second = 0
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def order(
        self, mode: str = "pass", delay_ms: float = 0, bytes_per_second: int = 0, **_: Any
    ) -> None:
        """Behave like this from now on."""
        self._mode, self._delay_s = mode, delay_ms / 1000
        self._bytes_per_second = bytes_per_second
        if mode == "hole":
            self._open.clear()
        else:
            self._open.set()
        if mode == "refuse":
            self.reset()

    def reset(self) -> None:
        """End every connection with a TCP reset."""
        for writer in list(self._writers):
            _reset(writer)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        if self._mode == "refuse":
            _reset(writer)
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(writer)
            return
        pair = {writer, there[1]}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
        finally:
            self._writers -= pair

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(READ_BYTES):
                await self._open.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)  # the delay that was ordered
                if self._bytes_per_second:
                    # The rate that was ordered.
                    await asyncio.sleep(len(data) / self._bytes_per_second)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def serve(ports: dict[int, int]) -> None:
    """Serve until standard input ends; ``ports`` maps listening to target port."""
    links = {port: Link(target) for port, target in ports.items()}
    for port, link in links.items():
        await asyncio.start_server(link.connected, "127.0.0.1", port)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    print(flush=True)
    while line := await reader.readline():
        order = json.loads(line)
        link = links[order.pop("port")]
        link.reset() if order.pop("reset", False) else link.order(**order)
        print(flush=True)


class Proxy:
    """The proxy's process, from outside. Use as a context manager."""

    def __init__(self, ports: dict[int, int]) -> None:
        command = [sys.executable, "-m", "tests.faults.proxy"]
        command += [f"{port}:{target}" for port, target in ports.items()]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._lock = threading.Lock()
        self._answer()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def order(self, port: int, **order: Any) -> None:
        """See the module's text; returns once it is in force."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"port": port, **order}).encode() + b"\n")
            self._process.stdin.flush()
            self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the proxy has ended")


if __name__ == "__main__":
    asyncio.run(serve(dict(tuple(map(int, pair.split(":"))) for pair in sys.argv[1:])))  # type: ignore[misc]
