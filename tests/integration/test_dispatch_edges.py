"""Webhooks, dead letters, and the pages of the documentation, on a real broker."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition

from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.records.reveals import decode_reveal
from streamproc.kafka.topics import open_admin
from tests.support.cluster import create_topic
from tests.support.committed import read_committed
from tests.support.dispatching import HEAD, PARTITIONS, DispatchScene, due, smpp_gateway
from tests.support.hook import HookReceiver
from tests.support.ports import free_port
from tests.support.smsc import SmscProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scene(bootstrap: str, tmp_path: Path) -> Iterator[DispatchScene]:
    with DispatchScene(bootstrap, tmp_path) as scene:
        yield scene


async def test_a_killed_dispatcher_repeats_to_a_webhook_under_the_same_id_and_loses_nothing(
    scene: DispatchScene,
) -> None:
    count = 300
    async with HookReceiver() as receiver:
        await scene.prepare(
            f"{HEAD}  - {{name: hook, kind: webhook, url: '{receiver.url}', "
            f"secret_env: HOOK_SECRET, messages_per_second: 100, burst: 10}}\n"
        )
        await scene.put(due(n, n % 97) for n in range(1, count + 1))
        for wanted in (60, 150):
            process = scene.start()
            await scene.until_more(lambda: len(receiver.posts), wanted)
            process.kill()
            process.wait()
        last = scene.start()
        states = await scene.settled(count)
        scene.stop(last)

    assert set(receiver.posts) == {f"{n:032x}" for n in range(1, count + 1)}
    assert all(statuses == {"accepted"} for statuses in states.values())
    assert sum(often - 1 for often in receiver.posts.values()) <= 2 * 20
    assert (await scene.statuses())["accepted"] == count


def _commands(page: str) -> list[list[str]]:
    """Commands of a page's console blocks."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith("$ streamproc ") for line in lines)
    return [shlex.split(line)[2:] for line in lines]


async def test_the_commands_of_the_page_work_and_dead_letters_are_sent_again_once(
    scene: DispatchScene, tmp_path: Path
) -> None:
    names = scene.names
    with SmscProcess(tmp_path, fail_status=0x0B, fail_share=1.0, fail_prefix="86138009") as smsc:
        await scene.prepare(HEAD + smpp_gateway(smsc.port))
        text = "your data"
        await scene.put([due(1, 1), due(2, 900_002, text=text), due(3, 900_003, text=text)])
        said: dict[str, str] = {}
        reveals = f"{names['reminders']}.reveals"
        for command in _commands("dispatcher.md"):
            words = [scene.bootstrap if word == "localhost:9092" else word for word in command]
            words = [str(scene.gateways) if word == "gateways.yaml" else word for word in words]
            if words[0] == "topics":
                _run([*words, "--for", "dispatcher", *scene.topic_options()])
            elif words[0] == "dead-letters":
                topics = ["--dead-letters", names["dead-letters"], "--resends", names["resends"]]
                words[1:1] = topics
                if "--reveal" in words:
                    words += ["--reveals", reveals]
                    with pytest.raises(AssertionError, match=f"there is no topic {reveals}"):
                        _run(words)
                    await create_topic(scene.bootstrap, reveals, 1)
                said[shlex.join(command[3:])] = _run(words)
            elif words[0] == "receipts":
                said["stats"] = _run([*words, "--receipts", names["receipts"]])
            else:
                if "--gateways" not in words:  # the page's console has a test of its own
                    words += ["--gateways", str(scene.gateways)]
                process = scene.run([*words, *scene.options()])
                await scene.ready()
                await scene.settled(3)
                scene.stop(process)
        smsc.kill()
        smsc.start(fail_share=0.0)
        process = scene.start()
        await scene.until(lambda: len(smsc.messages()) >= 3)
        await scene.delivered(3)
        scene.stop(process)

    assert Counter(to for to, _ in smsc.messages()) == Counter(
        {"8613800000001": 1, "8613800900002": 1, "8613800900003": 1}
    )
    resent = {str(one.resend) for one in await scene.receipts() if one.resend}
    assert resent == {line.split()[0] for line in said["list"].splitlines()[:2]}
    first = said["list"].splitlines()
    assert len(first) == 2 + 1
    assert re.match(
        r"\d-0  2\d{3}-.*  861\*+\d\d  low  main  permanent: ESME_RINVDSTADR$", first[0]
    )
    shown = json.loads(said["show 0-0"])
    assert shown["reminder"]["topic"] == names["reminders"]
    assert text not in said["show 0-0"]
    assert json.loads(said["show 0-0 --reveal"])["reminder_record"]["text"] == text
    (written,) = await read_committed(scene.bootstrap, reveals, 1)
    revealed = decode_reveal(written.value)
    assert (revealed.command, revealed.concerned) == ("dead_letters_show", 1)
    assert said["resend 0-0 --valid-for 1h"] == "1 sent again\n"
    again = said["resend --all --reason permanent --valid-for 1h"]
    assert again == "1 sent again, 1 had been already\n"
    assert "event p50" in said["stats"]
    assert "main: 1 accepted" in said["stats"]


def _run(words: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "streamproc", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + (done.stderr if words[-1] == "list" else "")


async def test_without_a_gateways_file_reminders_are_printed_masked(scene: DispatchScene) -> None:
    await scene.prepare(HEAD)
    await scene.put([due(1, 1)])
    process = scene.run(["dispatch", *scene.options(), "--create-topics"])
    await scene.settled(1)
    scene.stop(process)

    assert "861********01  #1 80% used" in scene.logs()
    assert "8613800000001" not in scene.logs()


async def test_the_example_of_the_sdk_page_keeps_the_contract(
    scene: DispatchScene, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "dispatcher-sdk.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) <= 30
    await scene.prepare(HEAD)
    past = datetime(2026, 1, 1, tzinfo=UTC)
    await scene.put([due(1, 1), due(1, 1), due(2, 2, expires_time=past), due(3, 3)])
    await _put_and_abort(scene, due(4, 4))
    await scene.put([due(5, 5)])
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    environment = {
        "BROKER": scene.bootstrap,
        "TOPIC": scene.names["reminders"],
        "SEEN": str(tmp_path / "seen.db"),
    }
    out = tmp_path / "out"

    def sent() -> list[str]:
        return out.read_text().splitlines() if out.exists() else []

    for wanted in (3, 4):
        process = scene.spawn([sys.executable, str(script)], out, environment)
        await scene.until_more(lambda: len(sent()), wanted - 1)
        process.kill()
        process.wait()
        if wanted == 3:
            await scene.put([due(6, 6)])
    await asyncio.sleep(0.2)  # nothing more may come

    assert sorted(sent()) == sorted(f"8613800{n:06} #{n} 80% used" for n in (1, 3, 5, 6))


async def _put_and_abort(scene: DispatchScene, one: Any) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=scene.bootstrap, transactional_id=scene.app)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(scene.names["reminders"], encode_effect(one), partition=0)
    await producer.abort_transaction()
    await producer.stop()


def test_a_dispatcher_that_cannot_start_says_what_to_do(scene: DispatchScene) -> None:
    port = free_port()
    command = [sys.executable, "-m", "streamproc", "dispatch"]
    for words, message in (
        (["--broker", f"127.0.0.1:{port}"], "no Kafka broker answers at"),
        (["--broker", scene.bootstrap, "--reminders", "none"], "--reminders none (or start with"),
        (["--broker", scene.bootstrap, "--gateways", "no.yaml"], "No such file"),
    ):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr


async def test_foreign_records_in_the_dispatchers_topics_stop_nothing(
    scene: DispatchScene,
) -> None:
    await scene.prepare(HEAD + "  - {name: archive, kind: file, path: sent.ndjson}\n")
    process = scene.start()
    await scene.ready()
    async with AIOKafkaProducer(bootstrap_servers=scene.bootstrap) as producer:
        for name in ("receipts", "dead-letters", "reports", "resends"):
            await producer.send_and_wait(scene.names[name], b"nonsense", b"\xff", partition=0)
    await scene.put([due(1, 1)])
    await scene.until(lambda: (scene.directory / "sent.ndjson").exists())
    await scene.until(lambda: "a record is not a delivery report; it is ignored" in scene.logs())
    scene.stop(process)
    names, third = scene.names, due(3, 3)
    async with AIOKafkaProducer(bootstrap_servers=scene.bootstrap) as producer:
        for key in (b"nonsense", third.id.encode()):
            for partition in range(PARTITIONS):
                await producer.send_and_wait(names["journal"], b"nonsense", key, partition)
    await scene.put([third, due(2, 3)])
    process = scene.start("again")
    await scene.until(lambda: b"#2" in (scene.directory / "sent.ndjson").read_bytes())
    scene.stop(process)
    assert "holds records that no dispatcher of this release wrote" in scene.logs()
    letters = ("--dead-letters", names["dead-letters"], "--resends", names["resends"])
    for words, said in (
        (
            ["receipts", "--broker", scene.bootstrap, "--receipts", names["receipts"]],
            "-: 1 uncertain\narchive: 2 accepted",
        ),
        # The one in the resends; that in the topic itself is nobody's.
        (["dead-letters", "--broker", scene.bootstrap, *letters, "list"], "1 dead letter\n"),
    ):
        assert scene.run(words, "looking").wait(60) == 0
        assert said in (scene.directory / "looking.log").read_text()


async def test_messages_that_retention_deleted_while_it_was_down_are_told(
    scene: DispatchScene,
) -> None:
    await scene.prepare(f"{HEAD}  - {{name: archive, kind: file, path: out.ndjson}}\n", 1)
    await scene.put([due(1, 1), due(2, 2)])
    process = scene.start()
    await scene.settled(2)
    scene.stop(process)
    await scene.put(due(number, number) for number in range(3, 9))
    admin = open_admin(scene.bootstrap)
    try:
        admin.delete_records({TopicPartition(scene.names["reminders"], 0): 6})
    finally:
        admin.close()
    process = scene.start()
    await scene.settled(4)
    scene.stop(process)
    assert "messages were deleted before they were read" in scene.logs()
    assert "lost_records=4" in scene.logs()


def test_a_journal_that_retention_deletes_is_refused(scene: DispatchScene) -> None:
    for name in ("reminders", "journal"):
        asyncio.run(create_topic(scene.bootstrap, scene.names[name], PARTITIONS))
    command = [sys.executable, "-m", "streamproc", "dispatch", *scene.options()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"{scene.names['journal']} has cleanup.policy=delete" in done.stderr
    assert "--add-config cleanup.policy=compact" in done.stderr


def test_a_session_timeout_that_the_broker_refuses(scene: DispatchScene) -> None:
    command = [sys.executable, "-m", "streamproc", "dispatch", *scene.options(), "--create-topics"]
    command += ["--session-timeout-seconds", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "refuses --session-timeout-seconds 5" in done.stderr.splitlines()[-1]
