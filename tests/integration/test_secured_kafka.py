"""All commands on a Kafka with TLS, logins and rights; and what they say if they cannot get in."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from streamproc.cli import main
from streamproc.kafka import probe
from tests.support.authorisation import authorisation_server, unsigned_token
from tests.support.certificates import Authority, secret_file
from tests.support.commands import run, start
from tests.support.secured_broker import (
    PASSWORD,
    POOR_PASSWORD,
    POOR_USER,
    USER,
    SecuredAddresses,
)
from tests.support.signals import stop_in_order
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
LIMIT_SECONDS = 120.0
EVENTS = "streamproc.events"


class Access:
    """Files and options of one who may get in."""

    def __init__(self, broker: SecuredAddresses, directory: Path) -> None:
        self.broker = broker
        self.directory = directory
        self.ca = secret_file(directory / "ca.pem", broker.authority)
        self.password = secret_file(directory / "password", PASSWORD)

    def login(self, mechanism: str) -> list[str]:
        """By user and password, over TLS."""
        return [
            *("--broker", self.broker.sasl, "--kafka-tls-ca", str(self.ca)),
            *("--kafka-sasl-mechanism", mechanism, "--kafka-sasl-username", USER),
            *("--kafka-sasl-password-file", str(self.password)),
        ]

    def certificate(self) -> list[str]:
        """By a certificate with an encrypted key."""
        client = self.broker.client
        cert = secret_file(self.directory / "client.pem", client.certificate)
        key = secret_file(self.directory / "client.key", client.encrypted_key(b"key word"))
        word = secret_file(self.directory / "key-password", "key word\n")
        return [
            *("--broker", self.broker.mutual, "--kafka-tls-ca", str(self.ca)),
            *("--kafka-tls-cert", str(cert), "--kafka-tls-key", str(key)),
            *("--kafka-tls-key-password-file", str(word)),
        ]

    def java_properties(self) -> list[str]:
        """SCRAM, as a producer in Java has it, with a key store for a trust store."""
        store = self.broker.client.pkcs12(self.broker.authority, b"store word")
        trusted = secret_file(self.directory / "trusted.jks", store)
        quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\\\"')
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        file = secret_file(
            self.directory / "client.properties",
            f"bootstrap.servers={self.broker.sasl}\n"
            "security.protocol=SASL_SSL\n"
            "sasl.mechanism=SCRAM-SHA-512\n"
            f'sasl.jaas.config={module} required username="{USER}" password="{quoted}";\n'
            f"ssl.truststore.location={trusted}\n"
            "ssl.truststore.password=store word\n"
            "acks=all\n",
        )
        return ["--kafka-properties", str(file)]


@pytest.fixture
def access(secured: SecuredAddresses, tmp_path: Path) -> Access:
    return Access(secured, tmp_path)


def lag(bootstrap: str, group: str, topic: str) -> int:
    """How many records a group has not committed yet; it looks past the door."""
    admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap)
    consumer: Any = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = consumer.end_offsets(places)
        found = admin.list_group_offsets({group: places})[group]
        have = {place: found[place].offset if place in found else 0 for place in places}
        return sum(end - max(have[place], 0) for place, end in ends.items())
    finally:
        consumer.close()
        admin.close()


def count(bootstrap: str, topic: str) -> int:
    consumer: Any = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        numbers = consumer.partitions_for_topic(topic) or set()
        ends = consumer.end_offsets([TopicPartition(topic, number) for number in numbers])
        return sum(ends.values())
    finally:
        consumer.close()


def test_the_whole_chain_gets_in_by_every_login(
    secured: SecuredAddresses, access: Access, processes: list[subprocess.Popen[bytes]]
) -> None:
    """Two workers share the partitions, each with its own way in: the engine's clients, too."""
    month = ("--events", "600", "--subscribers", "20", "--partitions", str(PARTITIONS))
    run("workload", *access.login("PLAIN"), *month, "--advance-clock", "--create-topics")
    run("topics", "create", *access.login("SCRAM-SHA-512"), "--clock", "event")

    ways = (access.java_properties(), access.certificate())
    for number, way in enumerate(ways):
        options = ("--clock", "event", "--instance-id", str(number), "--log-level", "warning")
        processes.append(start("worker", *way, *options))
    admin: Any = KafkaAdminClient(bootstrap_servers=secured.bootstrap)

    def members() -> int:
        found = admin.describe_groups(["streamproc"])["streamproc"]
        return len(found.get("members", ()))

    wait_until(lambda: count(secured.bootstrap, "streamproc.reminders") > 0, LIMIT_SECONDS)
    wait_until(lambda: members() == 2, LIMIT_SECONDS)
    wait_until(lambda: lag(secured.bootstrap, "streamproc", EVENTS) == 0, LIMIT_SECONDS)
    admin.close()

    with authorisation_server() as server:
        server.token, server.expires_in = lambda: unsigned_token(USER), 2
        oauth = ["--broker", secured.sasl, "--kafka-tls-ca", str(access.ca)]
        oauth += ["--kafka-sasl-mechanism", "OAUTHBEARER", "--kafka-oauth-token-url", server.url]
        oauth += ["--kafka-oauth-client-id", "dispatcher"]
        variables = {**os.environ, "STREAMPROC_KAFKA_OAUTH_CLIENT_SECRET": "s"}
        dispatcher = start("dispatch", *oauth, "--ignore-expiry", env=variables)
        processes.append(dispatcher)
        wait_until(lambda: count(secured.bootstrap, "streamproc.receipts") > 5, LIMIT_SECONDS)
        # The broker lets nobody stay for more than 3 s without a new login.
        wait_until(lambda: len(server.asked) > 3, LIMIT_SECONDS)
        for process in processes:
            stop_in_order(process)
        for process in processes:
            said = process.communicate(timeout=60)[0].decode()
            assert process.returncode == 0, said
            assert "Traceback" not in said

    sms = "--subscriber", "8613800000001", "--total-bytes", "1048576"
    assert "streamproc.events/" in run("send", *access.login("SCRAM-SHA-256"), *sms)
    run("verify", *access.certificate(), "--clock", "event", "--quiet")
    said = run("explain", "8613800000001", *access.java_properties())
    assert "audit records" in said
    again = ("topic:streamproc.events", "--to", "again", "--create-topics", "--partitions", "2")
    run("replay", *again, "--quiet", *access.certificate())
    assert count(secured.bootstrap, "again") >= 601
    run("dead-letters", *access.login("SCRAM-SHA-512"), "list")
    span = ("--source", "ocs-0", "--from-time", "2026-01-01T00:00Z", "--dry-run")
    run("retract", *access.login("PLAIN"), *span, "--to-time", "2026-01-02T00:00Z")


SUBSCRIBER = "8613800000001"
COMMANDS: dict[str, tuple[str, ...]] = {
    "canary": ("--once",),
    "dead-letters": ("list",),
    "demo": ("--seconds", "5"),
    "dispatch": (),
    "explain": (SUBSCRIBER,),
    "receipts": (),
    "record": ("streamproc.events", "--out", "out.ndjson.zst", "--to-end"),
    "replay": ("topic:streamproc.events", "--to", "other", "--partitions", "1"),
    "retract": (
        *("--source", "s", "--from-time", "2026-01-01T00:00Z"),
        *("--to-time", "2026-01-02T00:00Z"),
    ),
    "rules approve": ("1",),
    "rules diff": ("1", "2"),
    "rules list": (),
    "rules publish": (str(ROOT / "examples" / "first" / "rules.yaml"),),
    "rules revert": (),
    "rules show": ("1",),
    "rules status": (),
    "send": ("--subscriber", SUBSCRIBER, "--total-bytes", "1"),
    "simulate": ("--from", "topic:streamproc.events"),
    "topics create": (),
    "topics plan": (),
    "verify": (),
    "verify-outputs": ("streamproc.events",),
    "worker": (),
    "workload": ("--events", "10"),
}


def refusal(command: str, way: list[str]) -> str:
    """The one line of a command that cannot get in, without its first word."""
    more = COMMANDS[command]
    if command == "simulate":
        more = (*more, "--rules", str(ROOT / "examples" / "first" / "rules.yaml"))
    arguments = [*command.split(), *way, *more]
    with (
        patch("streamproc.cli.worker.configure"),
        patch("streamproc.cli.dispatch.configure"),
        patch("streamproc.cli.canary.configure"),
        patch.object(probe, "_reached", set()),
    ):
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code not in (0, 2), result.output
    # A worker and a dispatcher say first that they start.
    said = re.sub(r"^.* \[info +\] (worker|dispatcher) starts .*\n", "", result.output)
    assert said.startswith("Error: "), result.output
    assert said.count("\n") == 1, result.output
    return said


def test_no_command_that_talks_to_kafka_is_left_out() -> None:
    commands = dict(main.commands)
    for name, command in main.commands.items():
        if isinstance(command, click.Group):
            commands |= {f"{name} {inner}": one for inner, one in command.commands.items()}
    with_broker = {
        name
        for name, command in commands.items()
        if any("--broker" in param.opts for param in command.params)
    }
    assert with_broker == COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_in_one_line_why_it_cannot_get_in(
    secured: SecuredAddresses, access: Access, tmp_path: Path, command: str
) -> None:
    good = access.login("SCRAM-SHA-512")
    other = secret_file(tmp_path / "other.pem", Authority("other").certificate)
    wrong_ca = refusal(command, [*good, "--kafka-tls-ca", str(other)])
    assert f"the certificate of {secured.sasl} is refused" in wrong_ca
    assert "--kafka-tls-ca" in wrong_ca
    wrong = secret_file(tmp_path / "wrong", "guess")
    said = refusal(command, [*good, "--kafka-sasl-password-file", str(wrong)])
    assert f"{secured.sasl} refuses the login of user {USER} (SCRAM-SHA-512)" in said
    assert "--kafka-sasl-password-file" in said
    assert "guess" not in said
    said = refusal(command, ["--broker", secured.tls])
    assert f"{secured.tls} expects TLS" in said
    assert "--kafka-security-protocol SSL" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_its_user_is_not_allowed(
    secured: SecuredAddresses, access: Access, tmp_path: Path, command: str
) -> None:
    # Topics that nobody made would be missing for all.
    admin: Any = KafkaAdminClient(bootstrap_servers=secured.bootstrap)
    names = ("streamproc.events", "streamproc.reminders", "streamproc.audit")
    missing = set(names) - set(admin.list_topics())
    if missing:
        admin.create_topics({name: {"num_partitions": PARTITIONS} for name in missing})
    admin.close()
    word = secret_file(tmp_path / "poor", POOR_PASSWORD)
    way = ["--kafka-sasl-username", POOR_USER, "--kafka-sasl-password-file", str(word)]
    said = refusal(command, [*access.login("SCRAM-SHA-512"), *way])
    assert f"user {POOR_USER} has no right to " in said
    assert "`streamproc acls" in said
    assert re.search(r"streamproc[.-]\w+|demo-\w+\.events|the cluster", said), said


def test_what_else_can_be_wrong_is_told_with_its_setting(
    secured: SecuredAddresses, access: Access
) -> None:
    trust = ["--kafka-tls-ca", str(access.ca)]
    login = access.login("SCRAM-SHA-512")[2:]
    address = secured.sasl.replace("localhost", "127.0.0.1")
    cases = [
        (
            ["--broker", secured.mutual, *trust],
            "wants a certificate of this client; give --ka",
        ),
        (["--broker", secured.sasl, *trust], "expects a login (PLAIN, SCRAM-SHA-"),
        (["--broker", secured.tls, *login], "expects no login; set --kafka-security-protocol SSL"),
        (["--broker", secured.bootstrap, *trust], "speaks without TLS"),
        (["--broker", address, *login], "--no-kafka-tls-check-hostname"),
        (
            ["--broker", "127.0.0.1:9"],
            "no Kafka broker answers at 127.0.0.1:9; start it or",
        ),
        (["--broker", "no.invalid:9"], "no Kafka broker answers at no.invalid:9"),
    ]
    for way, said in cases:
        assert said in refusal("dead-letters", way)


def test_a_certificate_of_another_authority_is_refused_by_the_broker(
    secured: SecuredAddresses, access: Access, tmp_path: Path
) -> None:
    foreign = Authority("other").issue("client.example")
    own = secret_file(tmp_path / "own.pem", foreign.key + foreign.certificate)
    way = ["--broker", secured.mutual, "--kafka-tls-ca", str(access.ca), "--kafka-tls-cert"]
    said = refusal("dead-letters", [*way, str(own)])
    assert "refuses the certificate of this client" in said
    assert "--kafka-tls-cert" in said
