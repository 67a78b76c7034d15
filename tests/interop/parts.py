"""The foreign parts that the suite runs against, each with its pinned version.

This is the only list: the page docs/interop.md has a row for each of them, which
``tests/house/test_interop_page.py`` checks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from tests.support.go_parts import module_version
from tests.support.kafka_jars import KAFKA_VERSION, NEWEST_KAFKA_VERSION, OLDEST_KAFKA_VERSION

Group = Literal["producers", "readers", "brokers", "smscs", "webhooks"]
GROUPS: dict[Group, str] = {
    "producers": "Producers",
    "readers": "Readers of reminders",
    "brokers": "Brokers",
    "smscs": "Message centers",
    "webhooks": "Webhook receivers",
}
"""The groups in the order of the page, each with its heading."""

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Part:
    """One foreign part. ``name`` is unique; ``version`` is the one that is installed."""

    name: str
    group: Group
    version: str
    source: Literal["Maven", "npm", "Go", "PyPI"]


def npm_version(package: str) -> str:
    """The version of a package of tests/interop/package-lock.json."""
    lock: Any = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    version: str = lock["packages"][f"node_modules/{package}"]["version"]
    return version


JAVA = Part("Java kafka-clients", "producers", KAFKA_VERSION, "Maven")
LIBRDKAFKA = Part("librdkafka (confluent-kafka)", "producers", version("confluent-kafka"), "PyPI")
SARAMA = Part("sarama", "producers", module_version("github.com/IBM/sarama"), "Go")
FRANZ = Part("franz-go", "producers", module_version("github.com/twmb/franz-go"), "Go")
KAFKA_GO = Part("kafka-go", "producers", module_version("github.com/segmentio/kafka-go"), "Go")
CONFLUENT_GO = Part(
    "librdkafka (confluent-kafka-go)",
    "producers",
    module_version("github.com/confluentinc/confluent-kafka-go/v2", "confluent-go"),
    "Go",
)
KAFKAJS = Part("kafkajs", "producers", npm_version("kafkajs"), "npm")
KAFKAJS_1 = Part("kafkajs 1", "producers", npm_version("kafkajs-1"), "npm")
KAFKA_PYTHON = Part("kafka-python", "producers", version("kafka-python"), "PyPI")
AIOKAFKA = Part("aiokafka", "producers", version("aiokafka"), "PyPI")
PRODUCERS = (
    *(JAVA, LIBRDKAFKA, CONFLUENT_GO, SARAMA, FRANZ, KAFKA_GO),
    *(KAFKAJS, KAFKAJS_1, KAFKA_PYTHON, AIOKAFKA),
)

SHARE_GROUP = Part("Java kafka-clients, share group", "readers", NEWEST_KAFKA_VERSION, "Maven")

OLDEST_BROKER = Part("Apache Kafka 3.9", "brokers", OLDEST_KAFKA_VERSION, "Maven")
NEWEST_BROKER = Part("Apache Kafka, newest", "brokers", NEWEST_KAFKA_VERSION, "Maven")

NODE_SMSC = Part("smpp (Node.js)", "smscs", npm_version("smpp"), "npm")
CH_SMSC = Part("ch-smpp", "smscs", "5.0.9", "Maven")
JSMPP_SMSC = Part("jsmpp", "smscs", "3.0.2", "Maven")
SMSCS = (NODE_SMSC, CH_SMSC, JSMPP_SMSC)
PYTHON_WEBHOOKS = Part("standardwebhooks (Python)", "webhooks", version("standardwebhooks"), "PyPI")
NODE_WEBHOOKS = Part(
    "standardwebhooks (JavaScript)", "webhooks", npm_version("standardwebhooks"), "npm"
)

PARTS: tuple[Part, ...] = (
    *PRODUCERS,
    SHARE_GROUP,
    *(OLDEST_BROKER, NEWEST_BROKER),
    *SMSCS,
    *(PYTHON_WEBHOOKS, NODE_WEBHOOKS),
)
