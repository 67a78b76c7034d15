"""A login by Kerberos, with MIT Kerberos's own key distribution centre.

A worker logs in (Faust and aiokafka), a dispatcher and tools (kafka-python). It needs ``krb5-kdc``,
``krb5-admin-server`` and the extra ``kerberos``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.test_rights import RULES, activation, usage
from tests.integration.test_secured_kafka import LIMIT_SECONDS, count
from tests.support.certificates import Authority, secret_file
from tests.support.jvm_broker import JvmBroker
from tests.support.ports import free_port
from tests.support.waiting import wait_until

PATH = os.pathsep.join([*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"])
NEEDED = ("krb5kdc", "kdb5_util", "kadmin.local")
REALM = "TEST.EXAMPLE"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gssapi") is None
    or any(shutil.which(one, path=PATH) is None for one in NEEDED),
    reason="needs krb5-kdc, krb5-admin-server and the extra kerberos",
)


@dataclass
class Realm:
    """A realm with a broker and a client, and the environment in which both find it."""

    directory: Path
    environment: dict[str, str]

    @property
    def keytab_of_broker(self) -> Path:
        return self.directory / "broker.keytab"


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    port = free_port()
    config = tmp_path / "krb5.conf"
    config.write_text(
        f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n rdns = false\n"
        f" dns_canonicalize_hostname = false\n[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n"
        f" }}\n[domain_realm]\n localhost = {REALM}\n"
    )
    profile = tmp_path / "kdc.conf"
    profile.write_text(
        f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n"
        f"[realms]\n {REALM} = {{\n  database_name = {tmp_path}/principal\n"
        f"  key_stash_file = {tmp_path}/stash\n  kdc_listen = 127.0.0.1:{port}\n"
        f"  kdc_tcp_listen = 127.0.0.1:{port}\n }}\n"
    )
    environment = {
        **os.environ,
        "PATH": PATH,
        "KRB5_CONFIG": str(config),
        "KRB5_KDC_PROFILE": str(profile),
        "KRB5_CLIENT_KTNAME": str(tmp_path / "app.keytab"),
        "KRB5CCNAME": f"FILE:{tmp_path}/tickets",
    }

    def tool(*words: str) -> None:
        subprocess.run(words, env=environment, check=True, capture_output=True, timeout=60)

    tool("kdb5_util", "create", "-s", "-r", REALM, "-P", "master word")
    for name, keytab in (("kafka/localhost", "broker"), ("app", "app")):
        tool("kadmin.local", "-q", f"addprinc -randkey {name}")
        tool("kadmin.local", "-q", f"ktadd -k {tmp_path}/{keytab}.keytab {name}")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Djava.security.krb5.conf={config}")
    centre = subprocess.Popen(["krb5kdc", "-n"], env=environment)
    try:
        yield Realm(tmp_path, environment)
    finally:
        centre.terminate()
        centre.wait(LIMIT_SECONDS)


class KerberosBroker(JvmBroker):
    """A broker that takes tickets, over TLS."""

    def __init__(self, realm: Realm) -> None:
        super().__init__()
        self._realm = realm
        self._port = free_port()
        self.address = f"localhost:{self._port}"
        self.authority = Authority()

    def _settings(self, data: Path) -> dict[str, str]:
        store = data.parent / "broker.pem"
        own = self.authority.issue("broker", "localhost")
        store.write_bytes(own.key + own.certificate + self.authority.certificate)
        plain = super()._settings(data)
        added = f"TICKETS://{self.address}"
        return plain | {
            "listeners": f"{plain['listeners']},{added}",
            "advertised.listeners": f"{plain['advertised.listeners']},{added}",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TICKETS:SASL_SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "listener.name.tickets.sasl.enabled.mechanisms": "GSSAPI",
            "listener.name.tickets.sasl.kerberos.service.name": "kafka",
            "listener.name.tickets.gssapi.sasl.jaas.config": (
                "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true "
                f'storeKey=true keyTab="{self._realm.keytab_of_broker}" '
                f'principal="kafka/localhost@{REALM}";'
            ),
        }


@pytest.fixture
def broker(realm: Realm) -> Iterator[KerberosBroker]:
    with KerberosBroker(realm) as broker:
        yield broker


def test_every_library_logs_in_with_a_ticket(
    broker: KerberosBroker, realm: Realm, tmp_path: Path
) -> None:
    ca = secret_file(tmp_path / "ca.pem", broker.authority.certificate)
    way = [
        "--broker",
        broker.address,
        "--kafka-tls-ca",
        str(ca),
        "--kafka-sasl-mechanism",
        "GSSAPI",
    ]
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "streamproc", words[0], *words[1:]]
        with (tmp_path / f"{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=realm.environment
            )
        started.append(process)
        return process

    def run(*words: str, given: str = "", code: int = 0) -> str:
        process = start(*words)
        process.communicate(given.encode(), timeout=LIMIT_SECONDS)
        said = (tmp_path / f"{len(started) - 1}.log").read_text()
        assert process.returncode == code, said
        return said

    try:
        run("topics", "create", *way, "--partitions", "1")
        rules = tmp_path / "rules.yaml"
        rules.write_text(RULES)
        start("worker", *way, "--rules", str(rules), "--start-empty")
        start("dispatch", *way)
        lines = f"{activation()}\n{usage('1')}\n"
        run("send", "-", "--format", "ndjson", *way, given=lines)
        wait_until(lambda: count(broker.bootstrap, "streamproc.receipts") > 0, LIMIT_SECONDS)
        said = run("receipts", *way, "--kafka-kerberos-service", "other", code=1)
        assert f"{broker.address} refuses the login of the Kerberos ticket (GSSAPI)" in said
        assert "correct --kafka-kerberos-service, the keytab (KRB5_CLIENT_KTNAME)" in said
    finally:
        for process in started:
            process.terminate()
            process.wait(LIMIT_SECONDS)
