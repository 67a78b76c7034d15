"""The clients of Kafka are made in one place, so that they all get the same settings."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import streamproc

PACKAGE = Path(streamproc.__file__).parent
DOORS = {"kafka/clients.py", "kafka/aio_clients.py"}
CLIENTS = {
    "kafka": {"KafkaProducer", "KafkaConsumer", "KafkaAdminClient"},
    "aiokafka": {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaClient"},
    "confluent_kafka": {"Producer", "Consumer", "AdminClient", "SerializingProducer"}
    | {"DeserializingConsumer", "AIOProducer", "AIOConsumer"},
}
#: The embedded broker is librdkafka's mock cluster, which a producer carries. It reaches no Kafka.
EXCEPTIONS = {("lab/embedded_broker.py", "Producer")}


def client_names(source: str) -> set[str]:
    """The client classes that a module takes from the three libraries, by any form of import."""
    found = set()
    tree = ast.parse(source)
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = CLIENTS.get(node.module.partition(".")[0], set())
            found |= {one.name for one in node.names if one.name in names}
        elif isinstance(node, ast.Import):
            for one in node.names:
                library = one.name.partition(".")[0]
                modules[one.asname or library] = library
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                root = root.value
            library = modules.get(root.id, "") if isinstance(root, ast.Name) else ""
            if node.attr in CLIENTS.get(library, set()):
                found.add(node.attr)
    return found


def test_no_client_is_made_beside_the_door() -> None:
    made = {
        (name, client)
        for path in sorted(PACKAGE.rglob("*.py"))
        if (name := path.relative_to(PACKAGE).as_posix()) not in DOORS
        for client in client_names(path.read_text())
    }
    assert made == EXCEPTIONS


@pytest.mark.parametrize(
    "source",
    [
        "from kafka import KafkaConsumer as Consumer",
        "from aiokafka.admin import AIOKafkaAdminClient",
        "def later():\n    import aiokafka as library\n    return library.AIOKafkaProducer()",
        "import confluent_kafka.admin\nconfluent_kafka.admin.AdminClient({})",
        "import kafka.producer.kafka as inner\ninner.KafkaProducer",
    ],
)
def test_each_way_around_the_door_is_found(source: str) -> None:
    assert client_names(source)


def test_the_door_makes_the_clients() -> None:
    made = {one for name in DOORS for one in client_names((PACKAGE / name).read_text())}
    not_needed = {"AIOKafkaClient", "AIOKafkaAdminClient"}
    assert made == CLIENTS["kafka"] | CLIENTS["aiokafka"] - not_needed
