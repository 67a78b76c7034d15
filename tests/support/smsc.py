"""A message center (SMSC) on loopback, as a process: ``python -m tests.support.smsc --port N``.

The command line sets its behaviour. It appends everything that it receives to a log (NDJSON),
which tests read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.ports import free_port
from tests.support.smsc_wire import (
    BAD_PASSWORD,
    BINDS,
    DELIVER_SM,
    ENQUIRE_LINK,
    HEADER,
    INVALID_COMMAND,
    OK,
    RESPONSE,
    SUBMIT_SM,
    THROTTLED,
    UNBIND,
    Submit,
    facts,
    parse_submit,
    receipt_body,
    tlv,
)
from tests.support.waiting import wait_until


@dataclass
class Behaviour:
    """The behaviour of the message center. The defaults are those of a good one."""

    password: str = "secret"
    answer_seconds: float = 0.0
    throttle_above_per_second: float = 0.0
    fail_status: int = 0
    fail_share: float = 0.0
    fail_prefix: str = ""
    mute_share: float = 0.0
    """Submits that are accepted without an answer; then the connection is cut."""
    mute_enquire: bool = False
    receipts: str = "text"
    """``text``, ``shuffled``, ``tlv``, ``both``, ``none``, ``early`` (before the answer)."""
    receipt_ids: str = "as_is"
    """``as_is``, ``decimal`` (answers are hexadecimal), ``hex`` (answers are decimal)."""
    states: str = "DELIVRD"
    receipt_seconds: float = 0.0
    seed: int = 1


class Smsc:
    """The server."""

    def __init__(self, behaviour: Behaviour, log: Path) -> None:
        self._behaviour = behaviour
        self._chance = random.Random(behaviour.seed)
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._ids = int(time.time()) % 1_000_000 * 1000
        self._seconds: deque[float] = deque()
        self._sequence = 0
        self._bound: list[asyncio.StreamWriter] = []
        self._unacknowledged: dict[int, tuple[asyncio.StreamWriter | None, bytes]] = {}

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._session, "127.0.0.1", port)
        self._note(event="listening", port=port)
        async with server:
            await server.serve_forever()

    def _note(self, **facts: Any) -> None:
        self._log.write(json.dumps({"time": time.time(), **facts}) + "\n")

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        work: set[asyncio.Task[None]] = set()
        try:
            while True:
                length, command, status, sequence = HEADER.unpack(await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                if command in BINDS:
                    if not self._bind(writer, command, sequence, body):
                        return
                elif command == SUBMIT_SM:
                    task = asyncio.create_task(self._submit(writer, sequence, parse_submit(body)))
                    work.add(task)
                    task.add_done_callback(work.discard)
                elif command == ENQUIRE_LINK:
                    self._note(event="enquire_link")
                    if not self._behaviour.mute_enquire:
                        self._put(writer, command | RESPONSE, OK, sequence)
                elif command == UNBIND:
                    self._note(event="unbind")
                    self._put(writer, command | RESPONSE, OK, sequence)
                    return
                elif command == DELIVER_SM | RESPONSE:
                    self._note(event="receipt_acknowledged", status=status)
                    self._unacknowledged.pop(sequence, None)
                elif not command & RESPONSE:
                    self._put(writer, RESPONSE, INVALID_COMMAND, sequence)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._note(event="connection_lost")
        finally:
            writer.close()
            self._leave(writer)

    def _bind(self, writer: asyncio.StreamWriter, command: int, sequence: int, body: bytes) -> bool:
        system_id, password, _ = body.split(b"\0")[:3]
        good = password.decode() == self._behaviour.password
        self._note(event="bind", system_id=system_id.decode(), good=good)
        answer = OK if good else BAD_PASSWORD
        self._put(writer, command | RESPONSE, answer, sequence, b"simulator\0" if good else b"")
        if good:
            self._bound.append(writer)
            self._deliver_unacknowledged()
        return good

    def _leave(self, writer: asyncio.StreamWriter) -> None:
        """A session ended. Its unacknowledged receipts go to another one, or wait for one."""
        if writer in self._bound:
            self._bound.remove(writer)
        for sequence, (to, body) in self._unacknowledged.items():
            if to is writer:
                self._unacknowledged[sequence] = (None, body)
        self._deliver_unacknowledged()

    def _deliver_unacknowledged(self) -> None:
        """Receipts go to any session of the account, as with real message centers."""
        for sequence, (to, body) in list(self._unacknowledged.items()):
            if to is None and self._bound:
                chosen = self._chance.choice(self._bound)
                self._unacknowledged[sequence] = (chosen, body)
                self._put(chosen, DELIVER_SM, OK, sequence, body)

    async def _submit(self, writer: asyncio.StreamWriter, sequence: int, one: Submit) -> None:
        behaviour = self._behaviour
        if behaviour.answer_seconds:
            await asyncio.sleep(behaviour.answer_seconds)  # a slow message center
        status = self._status(one)
        if status != OK:
            self._note(event="refused", status=status, to=one.destination)
            self._put(writer, SUBMIT_SM | RESPONSE, status, sequence)
            return
        self._ids += 1
        number = self._ids
        self._note(event="accepted", id=number, **facts(one))
        if self._chance.random() < behaviour.mute_share:
            self._note(event="muted", id=number)
            writer.close()
            return
        answered = f"{number:X}" if behaviour.receipt_ids == "decimal" else str(number)
        early = behaviour.receipts == "early"
        if early:
            self._receipt(one, number)
        self._put(writer, SUBMIT_SM | RESPONSE, OK, sequence, answered.encode() + b"\0")
        if one.registered & 1 and not early and behaviour.receipts != "none":
            # The phone gets the message some time later.
            await asyncio.sleep(self._chance.uniform(0, behaviour.receipt_seconds))
            self._receipt(one, number)

    def _status(self, one: Submit) -> int:
        behaviour, now = self._behaviour, time.monotonic()
        if behaviour.throttle_above_per_second:
            while self._seconds and now - self._seconds[0] > 1:
                self._seconds.popleft()
            if len(self._seconds) >= behaviour.throttle_above_per_second:
                return THROTTLED
            self._seconds.append(now)
        chosen = not behaviour.fail_prefix or one.destination.startswith(behaviour.fail_prefix)
        if behaviour.fail_status and chosen and self._chance.random() < behaviour.fail_share:
            return behaviour.fail_status
        return OK

    def _receipt(self, one: Submit, number: int) -> None:
        behaviour = self._behaviour
        state = self._chance.choice(behaviour.states.split(","))
        shown = {"as_is": str(number), "decimal": str(number), "hex": f"{number:x}"}[
            behaviour.receipt_ids
        ]
        text, tlvs = b"", b""
        if behaviour.receipts in ("text", "both", "early"):
            text = (
                f"id:{shown} sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 "
                f"stat:{state} err:000 text:{'id:9 stat:DELETED'}"
            ).encode()
        elif behaviour.receipts == "shuffled":
            fields = [f"Stat:{state}", f"ID:{shown}", "Err:0a1", "DLVRD:001", "sub:001"]
            self._chance.shuffle(fields)
            text = " ".join(fields).encode()
        if behaviour.receipts in ("tlv", "both"):
            codes = {"ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "UNDELIV": 5, "REJECTD": 8}
            tlvs = tlv(0x001E, shown.encode() + b"\0") + tlv(0x0427, bytes((codes[state],)))
        body = receipt_body(one, text, tlvs)
        self._sequence += 1
        self._note(event="receipt", id=number, state=state)
        self._unacknowledged[self._sequence] = (None, body)
        self._deliver_unacknowledged()

    def _put(
        self,
        writer: asyncio.StreamWriter,
        command: int,
        status: int,
        sequence: int,
        body: bytes = b"",
    ) -> None:
        if not writer.is_closing():
            writer.write(HEADER.pack(16 + len(body), command, status, sequence) + body)


class SmscProcess:
    """The simulator as a process of its own, which tests can start, kill and start again."""

    def __init__(self, directory: Path, **behaviour: Any) -> None:
        self.port = free_port()
        self.log = directory / f"smsc-{self.port}.ndjson"
        self._behaviour = behaviour
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, **behaviour: Any) -> None:
        """Returns when it listens. ``behaviour`` replaces the former one."""
        self._behaviour.update(behaviour)
        before = sum(1 for _ in self.events("listening"))
        command = [sys.executable, "-m", "tests.support.smsc", "--port", str(self.port)]
        command += ["--log", str(self.log), "--behaviour", json.dumps(self._behaviour)]
        self._process = subprocess.Popen(command)
        process = self._process

        def is_listening() -> bool:
            assert process.poll() is None, "the simulator ended"
            return sum(1 for _ in self.events("listening")) > before

        wait_until(is_listening, 30)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def events(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """The entries of its log, in order."""
        if not self.log.exists():
            return
        for line in self.log.read_text(encoding="utf-8").splitlines():
            if line.endswith("}"):  # the last line may be half written
                event = json.loads(line)
                if not kinds or event["event"] in kinds:
                    yield event

    def messages(self) -> list[tuple[str, str]]:
        """Destination and whole text of accepted messages; parts are joined as a phone joins
        them."""
        whole: list[tuple[str, str]] = []
        parts: dict[tuple[str, int], dict[int, str]] = {}
        for event in self.events("accepted"):
            key = event["to"], event["reference"]
            have = parts.setdefault(key, {})
            have[event["number"]] = event["text"]
            if len(have) == event["total"]:
                whole.append((event["to"], "".join(have[n] for n in sorted(have))))
                del parts[key]
        return whole


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--behaviour", type=json.loads, default={})
    arguments = parser.parse_args()
    smsc = Smsc(Behaviour(**arguments.behaviour), arguments.log)
    asyncio.run(smsc.serve(arguments.port))


if __name__ == "__main__":
    main()
