"""The Apache Kafka image as a testcontainer, with the settings of the JVM broker."""

from __future__ import annotations

from testcontainers.community.kafka import KafkaContainer

from tests.support.jvm_broker import KAFKA_VERSION, START_LIMIT_S, TEST_SETTINGS

KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"


class ApacheKafkaContainer(KafkaContainer):  # type: ignore[misc] # it has no types
    """One KRaft node. The base class knows only Confluent's image, which has other scripts."""

    def __init__(self) -> None:
        super().__init__(KAFKA_IMAGE, wait_strategy_check_string=r".*Kafka Server started.*")

    def configure(self) -> None:
        """Replace the environment of the base class by that of this image."""
        settings = TEST_SETTINGS | {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"{self.listeners},CONTROLLER://localhost:9094",
            "listener.security.protocol.map": f"{self.security_protocol_map},CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": "1@localhost:9094",
        }
        self.env = {
            f"KAFKA_{key.replace('.', '_').upper()}": value for key, value in settings.items()
        }

    def tc_start(self) -> None:
        """Let the waiting container start Kafka, when its mapped port is known."""
        outside = f"{self.listener_name}://{self.get_bootstrap_server()}"
        script = (
            "#!/bin/sh\n"
            f"export KAFKA_ADVERTISED_LISTENERS={outside},BROKER://localhost:9092\n"
            "exec /etc/kafka/docker/run\n"
        )
        self.create_file(script.encode(), self.TC_START_SCRIPT)

    def start(self, timeout: int = int(START_LIMIT_S)) -> ApacheKafkaContainer:
        """Start, and wait up to ``timeout`` seconds until the broker reports that it runs."""
        super().start(timeout)
        return self
