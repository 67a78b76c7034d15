"""Two-way SMS and confirmations on a real broker: every reply once, though workers are killed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamproc.contracts.records.codec import decode_order, decode_reminder
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.rules.commands import ACTIONS
from streamproc.engine import crashpoints
from tests.support.cluster import Names, Record, WorkerProcess, create_topic, produce
from tests.support.expectation import (
    assert_same,
    expect_of_topics,
    observe,
    wait_for_records,
)
from tests.support.talking import RULES

START_MS = 1_767_571_200_000
MINUTE_MS = 60_000
SUBSCRIBERS = [f"8613800{number:06d}" for number in range(40)]

TEXTS = (
    *("0000", "BALANCE", "ＤＡＴＡ", "ALERT 50 80", "QUIET 22:30-7", "SCHEDULE WEEKLY 9:00"),
    *("YES", "STOP summary", "START", "HELP", "退订1", "what is this", "and this"),
)
"""A conversation with each action; the answers are to a charge that was asked for before."""
LAST_TEXTS = ("NO", "０００００", "quiet off")


class Stage:
    """Input in phases, each of one topic: what is applied in which order is known."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self.names = Names(f"sms{directory.name[-6:].replace('_', '')}")
        self.rules = directory / "rules.yaml"
        self.rules.write_text(RULES, encoding="utf-8")
        self.entries: list[tuple[str, int, int, Record]] = []
        self.ends: Counter[tuple[str, int]] = Counter()
        self.now_ms = START_MS
        self.started = 0

    def start(self, crash_at: str = "") -> WorkerProcess:
        self.started += 1
        worker = WorkerProcess(
            self.bootstrap, self.names, self.directory, f"w{self.started}",
            *("--input", self.names.commands, "--rules", str(self.rules)),
            *("--instance-id", "same"),
        )  # fmt: skip
        return worker.start(**({crashpoints.VARIABLE: crash_at} if crash_at else {}))

    async def say(self, kind: str, **fields: Any) -> None:
        """One event of each subscriber, to the topic of its kind."""
        topic = self.names.commands if kind == "sms.received" else self.names.events
        records: list[Record] = []
        for name in SUBSCRIBERS:
            self.now_ms += 10
            event = {
                "type": kind,
                "id": f"{kind}-{len(self.entries) + len(records)}",
                "source": "test",
                "subscriber": name,
                "time": _iso(self.now_ms),
                **fields,
            }
            records.append((name.encode(), json.dumps(event).encode(), self.now_ms))
        for partition, offset, record in await produce(self.bootstrap, topic, records):
            place = (topic, partition)
            self.entries.append((topic, partition, self.ends[place] + offset, record))
        for _, partition, _, _ in self.entries[-len(records) :]:
            self.ends[topic, partition] += 1
        self.now_ms += MINUTE_MS

    async def applied(self, *crashes: str) -> None:
        """Apply all of it with workers of which each but the last dies at a step of its commit."""
        for crash_at in crashes:
            worker = self.start(crash_at)
            await asyncio.to_thread(worker.running.wait, 120)
            assert not worker.is_alive
        worker = self.start()
        # Each phase ends with events that leave audit records.
        count = self.expected().audit.total()
        await wait_for_records(self.bootstrap, self.names.audit, count, [worker])
        assert worker.stop() == 0, worker.tail()

    def expected(self) -> Any:
        inputs = (self.names.events, self.names.commands)
        return expect_of_topics(self.entries, inputs, load_rulebook(RULES, "rules.yaml"))


def _iso(instant_ms: int) -> str:
    from streamproc.core.instants import from_ms

    return from_ms(instant_ms).isoformat(timespec="milliseconds")


@pytest.mark.timeout(900)
async def test_each_keyword_is_answered_once_though_the_worker_is_killed(
    bootstrap: str, tmp_path: Path
) -> None:
    stage = Stage(bootstrap, tmp_path)
    names = stage.names
    for topic in (names.events, names.commands, names.audit):
        await create_topic(bootstrap, topic)
    activation = {"plan": "small", "time_zone": "UTC", "billing_anchor_day": 1}
    await stage.say("account.activated", **activation, services=["video", "music"])
    await stage.say("usage.recorded", total_bytes=300_000_000)
    await stage.say("service.charge_requested", service="video", amount_minor=1500)
    await stage.applied()
    for text in TEXTS:
        await stage.say("sms.received", text=text)
    await stage.applied("commit:4:2", "commit:6:1")
    await stage.say("service.charge_requested", service="news", amount_minor=300)
    await stage.say("service.charged", service="video", amount_minor=1500)  # which nobody confirmed
    await stage.applied("commit:5:1")
    for text in LAST_TEXTS:
        await stage.say("sms.received", text=text)
    await stage.applied("commit:3:1", "commit:7:2")

    found = await observe(bootstrap, stage.names)
    assert_same(found, stage.expected())
    replies = Counter(
        (one.subscriber, one.rule)
        for one in map(decode_reminder, found.reminders.elements())
        if one.kind == "command_reply"
    )
    for name in SUBSCRIBERS:
        assert replies[name, "overview"] == 1
        assert replies[name, "help"] == 2  # by its keyword, and once for the unknown texts
    # Each text is answered but the second unknown one.
    assert replies.total() == len(SUBSCRIBERS) * (len(TEXTS) - 1 + len(LAST_TEXTS))
    orders = Counter(
        (type(one).__name__, one.service, getattr(one, "outcome", ""))
        for one in map(decode_order, found.orders.elements())
    )
    everybody = len(SUBSCRIBERS)
    assert orders == {
        ("ConfirmationDecided", "video", "confirmed"): everybody,
        ("ConfirmationDecided", "news", "refused"): everybody,
        ("RefundRequested", "video", ""): everybody,
        ("UnsubscriptionRequested", "video", ""): everybody,
        ("UnsubscriptionRequested", "music", ""): everybody,
    }
    actions = {
        json.loads(value).get("rule")
        for value in found.audit
        if json.loads(value)["decision"] == "command"
    }
    assert actions == set(ACTIONS)
