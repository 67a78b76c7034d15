"""Share groups read reminders, among them those of aborted transactions.

The commands are those of docs/dispatcher-sdk.md.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from streamproc.contracts.records.codec import encode_effect
from tests.interop.conftest import Record
from tests.interop.parts import HERE, SHARE_GROUP
from tests.support.cluster import create_topic
from tests.support.jvm_broker import JvmBroker
from tests.support.kafka_jars import QUICK_JAVA, find_java, kafka_classpath, kafka_tool
from tests.support.scheduler import reminder

PAGE = Path(__file__).parents[2] / "docs" / "dispatcher-sdk.md"
TOPIC = "streamproc.reminders"
IS_COMMITTED = [True, False, True, False, True]
"""Whether the transaction of each reminder is committed."""
LIMIT_S = 90


def documented(bootstrap: str, group: str) -> list[str]:
    """The page's command that sets a share group up."""
    (block,) = re.findall(r"```sh\n(kafka-configs\.sh .*?)```", PAGE.read_text("utf-8"), re.S)
    words = shlex.split(block.replace("\\\n", ""))
    named = {"kafka:9092": bootstrap, "GROUP": group}
    return kafka_tool("kafka-configs", *[named.get(word, word) for word in words[1:]])


def set_group(bootstrap: str, group: str, **settings: str) -> None:
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(LIMIT_S)


def write_reminders(bootstrap: str) -> list[str]:
    """One transaction for each reminder; returns all of them."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "worker"})
    producer.init_transactions(LIMIT_S)
    values = [encode_effect(reminder(number)).decode() for number in range(len(IS_COMMITTED))]
    for value, is_committed in zip(values, IS_COMMITTED, strict=True):
        producer.begin_transaction()
        producer.produce(TOPIC, value, "8613800000001")
        assert producer.flush(LIMIT_S) == 0
        (producer.commit_transaction if is_committed else producer.abort_transaction)(LIMIT_S)
    return values


def test_a_share_group_reads_committed_reminders_if_its_setting_says_so(
    record_finding: Record,
) -> None:
    with JvmBroker(version=SHARE_GROUP.version) as broker:
        asyncio.run(create_topic(broker.bootstrap, TOPIC, 1))
        values = write_reminders(broker.bootstrap)
        command = documented(broker.bootstrap, "documented")
        subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S)
        set_group(broker.bootstrap, "usual", share_auto_offset_reset="earliest")
        set_group(
            broker.bootstrap,
            "uncommitted",
            share_auto_offset_reset="earliest",
            share_isolation_level="read_uncommitted",
        )
        java = [find_java(), *QUICK_JAVA, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        java += ["-cp", kafka_classpath(SHARE_GROUP.version)]
        java += [str(HERE / "programs" / "ShareReader.java"), broker.bootstrap, TOPIC, values[-1]]
        groups = ["documented", "usual", "uncommitted"]
        done = subprocess.run([*java, *groups], capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr

    found: dict[str, list[str]] = defaultdict(list)
    for line in done.stdout.splitlines():
        group, _, value = line.partition("\t")
        found[group].append(value)
    committed = [value for value, is_it in zip(values, IS_COMMITTED, strict=True) if is_it]
    assert found == {
        "documented": committed,
        "usual": values,
        "uncommitted": values,
        "isolation.level": ["refused"],
    }
    for tried, result in (
        ("share.isolation.level=read_committed", "committed reminders alone"),
        ("share.isolation.level left out", "those of aborted transactions, too"),
        ("share.isolation.level=read_uncommitted", "those of aborted transactions, too"),
        ("isolation.level of the client", "refused by the client"),
    ):
        record_finding(SHARE_GROUP, tried, result)
