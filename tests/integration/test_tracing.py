"""One trace from an event to the webhook, through a worker, a dispatcher and a broker.

At first no collector answers: nothing waits for it, and each process says so once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from kafka import KafkaProducer

from streamproc.contracts.records.codec import encode_event
from streamproc.core.instants import from_ms
from streamproc.core.state.events import AccountActivated, SubscriberEvent, UsageRecorded
from tests.driver.conftest import RULES
from tests.support.cluster import PARTITIONS, Names, WorkerProcess, create_topic
from tests.support.dispatching import HEAD, DispatchScene
from tests.support.hook import HookReceiver
from tests.support.otlp_receiver import OtlpReceiver, Received
from tests.support.ports import free_port
from tests.unit.test_tracing_context import PARENT, STATE

Headers = Sequence[tuple[str, bytes]]
FULL: Headers = [("traceparent", PARENT), ("tracestate", STATE)]
_, TRACE_ID, PRODUCER_ID, _ = PARENT.decode().split("-")
EARLY, TRACED, PLAIN = "8613800000001", "8613800000002", "8613800000003"
AWAY, BACK = "traces cannot be sent", "traces are sent again"


def put(producer: KafkaProducer, topic: str, event: SubscriberEvent, headers: Headers = ()) -> None:
    key = event.subscriber.encode()
    producer.send(topic, encode_event(event), key, list(headers)).get(20)


async def test_one_trace_from_an_event_to_the_webhook(
    bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES, encoding="utf-8")
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    async with HookReceiver(0.0) as hook:
        with DispatchScene(bootstrap, tmp_path) as scene:
            names = Names(f"{scene.app}-worker")
            scene.names["reminders"] = names.reminders
            hooked = f"  - name: hook\n    kind: webhook\n    url: {hook.url}\n"
            await scene.prepare(HEAD + hooked + "    secret_env: HOOK_SECRET\n", PARTITIONS)
            await create_topic(bootstrap, names.events)
            worker = WorkerProcess(bootstrap, names, tmp_path, "worker", "--rules", str(rules))
            worker.start()
            scene.processes.append(worker.running)
            dispatcher = scene.start()

            def said() -> str:
                return "".join(path.read_text() for path in tmp_path.glob("*.log"))

            def use(subscriber: str, headers: Headers = ()) -> None:
                now = from_ms(int(time.time() * 1000))
                active = AccountActivated(
                    f"a{subscriber}", "crm", subscriber, now, "basic", "UTC", 1
                )
                used = UsageRecorded(f"u{subscriber}", "ocs", subscriber, now, total_bytes=500_000)
                put(producer, names.events, active)
                put(producer, names.events, used, headers)

            await asyncio.to_thread(use, EARLY, FULL)
            await scene.until(lambda: EARLY in hook.traces)
            await scene.until(lambda: said().count(AWAY) == 2)
            with OtlpReceiver(port=port) as receiver:
                await asyncio.to_thread(use, PLAIN)
                await asyncio.to_thread(use, TRACED, FULL)
                await scene.until(lambda: {PLAIN, TRACED} <= hook.traces.keys())
                await scene.until(lambda: len(receiver.named("send hook")) > 0)
                scene.stop(dispatcher)
                assert worker.stop() == 0, worker.tail()
            logs = said()
    producer.close()
    assert [logs.count(words) for words in (AWAY, BACK)] == [2, 2]
    assert hook.traces[PLAIN] == (None, None)
    received = hook.traces[TRACED]
    assert received[0] is not None
    _, trace_id, last_id, _ = received[0].split("-")
    assert (trace_id, received[1]) == (TRACE_ID, STATE.decode())
    way = _way_to(receiver, last_id)
    assert [(one.name, one.kind, one.resource["service.name"]) for one in way] == [
        (f"process {names.events}", "consumer", "streamproc-worker"),
        (f"send {names.reminders}", "producer", "streamproc-worker"),
        (f"process {names.reminders}", "consumer", "streamproc-dispatcher"),
        ("send hook", "client", "streamproc-dispatcher"),
    ]
    assert {one.trace_id for one in way} == {TRACE_ID}
    assert way[0].parent_id == PRODUCER_ID
    linked = {link.span_id.hex() for one in receiver.spans for link in one.span.links}
    assert {PRODUCER_ID, way[0].span_id} <= linked
    assert TRACED not in str([one.attributes for one in receiver.spans])


def _way_to(receiver: OtlpReceiver, span_id: str) -> list[Received]:
    """The spans from the producer's one, which was not received, to this one."""
    by_id = {one.span_id: one for one in receiver.spans}
    found = []
    while span_id in by_id:
        found.append(by_id[span_id])
        span_id = by_id[span_id].parent_id
    return found[::-1]
