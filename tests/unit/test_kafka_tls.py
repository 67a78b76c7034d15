"""TLS of Kafka's clients: what is trusted, what is shown, and files that change."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamproc.kafka import probe, python_tls, wire
from streamproc.kafka.errors import KafkaSettingsError, TopicError
from streamproc.kafka.secret import Secret
from streamproc.kafka.setting_fields import kafka_settings
from streamproc.kafka.tls import RotatingContext, TlsSettings
from streamproc.kafka.topics import open_admin
from tests.support.certificates import Authority, Issued, secret_file


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def client(authority: Authority) -> Issued:
    return authority.issue("client")


class Server:
    """Takes TLS connections, and knows whom the last one was from."""

    def __init__(self, directory: Path, authority: Authority, wants_client: bool) -> None:
        self.peer = ""
        self._directory, self._authority = directory, authority
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2  # refusals come in the handshake
        if wants_client:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(cadata=authority.certificate.decode())
        self.renew(authority)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def renew(self, authority: Authority) -> None:
        """Have a certificate of another authority."""
        own = authority.issue("server", "localhost")
        path = secret_file(self._directory / "server.pem", own.key + own.certificate)
        self._context.load_cert_chain(path)

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                try:
                    with self._context.wrap_socket(plain, server_side=True) as secured:
                        shown = secured.getpeercert() or {}
                        (name,) = [str(one[0][1]) for one in shown.get("subject", ())] or ["-"]
                        secured.sendall(name.encode())
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def serving(directory: Path, authority: Authority, wants_client: bool) -> Iterator[Server]:
    server = Server(directory, authority, wants_client)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def connect(context: ssl.SSLContext, server: Server) -> str:
    """Whom the server takes this client for."""
    with (
        socket.create_connection(("localhost", server.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return secured.recv(100).decode()


def put(path: Path, content: bytes) -> None:
    """As everything that rotates files does: write another one, and put it in its place."""
    other = secret_file(path.with_suffix(".new"), content)
    other.replace(path)


def test_files_that_change_are_taken_over_by_the_next_connection(
    tmp_path: Path, authority: Authority
) -> None:
    ca = secret_file(tmp_path / "ca.pem", authority.certificate)
    first, second = authority.issue("first"), authority.issue("second")
    own = secret_file(tmp_path / "own.pem", first.key + first.certificate)
    context = RotatingContext(TlsSettings(ca=ca, cert=own))
    with serving(tmp_path, authority, wants_client=True) as server:
        assert connect(context, server) == "first"
        put(own, second.key + second.certificate)
        assert connect(context, server) == "second"
        put(own, second.key[:50])  # half written
        assert connect(context, server) == "second"
        put(own, second.key + second.certificate)
        other = Authority("other")
        server.renew(other)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(context, server)
        put(ca, other.certificate)
        assert connect(context, server) == "second"
        # Whom the operator no longer names is no longer trusted.
        server.renew(authority)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(context, server)


async def test_so_are_they_by_asyncio(tmp_path: Path, authority: Authority) -> None:
    """aiokafka's connections: the handshake is asyncio's."""
    ca = secret_file(tmp_path / "ca.pem", authority.certificate)
    first, second = authority.issue("first"), authority.issue("second")
    own = secret_file(tmp_path / "own.pem", first.key + first.certificate)
    context = RotatingContext(TlsSettings(ca=ca, cert=own))
    with serving(tmp_path, authority, wants_client=True) as server:
        for issued, name in ((first, b"first"), (second, b"second")):
            put(own, issued.key + issued.certificate)
            reader, writer = await asyncio.open_connection("localhost", server.port, ssl=context)
            assert await reader.read(100) == name
            writer.close()


def test_a_link_to_other_files_is_a_change(tmp_path: Path, authority: Authority) -> None:
    """So Kubernetes changes a secret: a link in the path leads to another directory."""
    for name, owner in (("1", Authority("other")), ("2", authority)):
        (tmp_path / name).mkdir()
        secret_file(tmp_path / name / "ca.pem", owner.certificate)
    (tmp_path / "data").symlink_to(tmp_path / "1")
    context = RotatingContext(TlsSettings(ca=tmp_path / "data" / "ca.pem"))
    with serving(tmp_path, authority, wants_client=False) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(context, server)
        (tmp_path / "new").symlink_to(tmp_path / "2")
        (tmp_path / "new").replace(tmp_path / "data")
        assert connect(context, server) == "-"


@pytest.mark.parametrize("form", ["two files", "encrypted key", "key store"])
def test_a_client_shows_who_it_is(
    tmp_path: Path, authority: Authority, client: Issued, form: str
) -> None:
    ca = secret_file(tmp_path / "ca.pem", authority.certificate)
    certificate = secret_file(tmp_path / "client.pem", client.certificate)
    password = Secret(path=secret_file(tmp_path / "password", "key word\n"))
    if form == "two files":
        key = secret_file(tmp_path / "client.key", client.key)
        settings = TlsSettings(ca=ca, cert=certificate, key=key)
    elif form == "encrypted key":
        key = secret_file(tmp_path / "client.key", client.encrypted_key(b"key word"))
        settings = TlsSettings(ca=ca, cert=certificate, key=key, key_password=password)
    else:
        content = client.pkcs12(authority.certificate, b"key word")
        store = secret_file(tmp_path / "client.jks", content)  # so Java calls it since long
        settings = TlsSettings(ca=store, ca_password=password, cert=store, key_password=password)
    with serving(tmp_path, authority, wants_client=True) as server:
        assert connect(RotatingContext(settings), server) == "client"


@pytest.mark.parametrize("case", range(9))
def test_files_that_are_no_good_are_told_by_name(
    tmp_path: Path, authority: Authority, client: Issued, case: int
) -> None:
    text = secret_file(tmp_path / "text", "nothing")
    ca = secret_file(tmp_path / "ca.pem", authority.certificate)
    key = secret_file(tmp_path / "client.key", client.key)
    cert = secret_file(tmp_path / "client.pem", client.certificate)
    other = secret_file(tmp_path / "other.key", authority.issue("other").key)
    locked = secret_file(tmp_path / "locked.key", client.encrypted_key(b"word"))
    store = secret_file(tmp_path / "store.p12", client.pkcs12(authority.certificate, b"word"))
    java = secret_file(tmp_path / "store.jks", b"\xfe\xed\xfe\xed\x00\x00\x00\x02")
    settings, said = [
        (TlsSettings(ca=text), f"{text} (--kafka-tls-ca) holds no certificate in PEM"),
        (TlsSettings(cert=cert), "must hold a certificate and its key in PEM"),
        (TlsSettings(cert=cert, key=other), f"the key in {other} (--kafka-tls-key) does not belo"),
        (TlsSettings(cert=cert, key=locked), f"the key in {locked} is encrypted; give its passw"),
        (
            TlsSettings(cert=cert, key=locked, key_password=Secret("wrong")),
            f"the key in {locked} cannot be decrypted; correct the password",
        ),
        (TlsSettings(cert=store), f"cannot open {store} (--kafka-tls-cert): give its password"),
        (
            TlsSettings(ca=store, ca_password=Secret("wrong")),
            f"cannot open {store} (--kafka-tls-ca): its password is wrong",
        ),
        (TlsSettings(ca=java), "-deststoretype pkcs12"),
        (TlsSettings(ca=ca, cert=cert, key=tmp_path / "gone"), f"cannot read {tmp_path / 'gone'}"),
    ][case]
    assert key.exists()
    with pytest.raises(KafkaSettingsError) as caught:
        RotatingContext(settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["key", "certificate with key", "key store"])
def test_a_key_that_everybody_may_read_is_refused(
    tmp_path: Path, authority: Authority, client: Issued, form: str
) -> None:
    cert = secret_file(tmp_path / "client.pem", client.certificate)
    if form == "key":
        open_file = secret_file(tmp_path / "client.key", client.key)
        settings = TlsSettings(cert=cert, key=open_file)
    elif form == "certificate with key":
        open_file = secret_file(cert, client.certificate + client.key)
        settings = TlsSettings(cert=cert)
    else:
        open_file = secret_file(cert, client.pkcs12(authority.certificate, b"word"))
        settings = TlsSettings(cert=cert, key_password=Secret("word"))
    settings.load()
    open_file.chmod(0o644)
    with pytest.raises(KafkaSettingsError, match=f"everybody on this machine may read {open_file}"):
        settings.load()


def test_no_key_is_written_to_disk(
    tmp_path: Path, authority: Authority, client: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = secret_file(tmp_path / "store.p12", client.pkcs12(authority.certificate, b"word"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = set(os.listdir(tmp_path))
    TlsSettings(cert=store, key_password=Secret("word")).load()
    assert set(os.listdir(tmp_path)) == before


def test_a_host_that_takes_connections_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a bound kafka-python would wait for the handshake for ever."""
    monkeypatch.setattr(python_tls, "HANDSHAKE_SECONDS", 0.05)
    monkeypatch.setattr(probe, "ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(TopicError, match=f"no Kafka broker answers at {address}; .*to TLS"):
            open_admin(kafka_settings(address, security_protocol="SSL"), bootstrap_timeout_ms=100)
        assert time.monotonic() - began < 20


def test_a_broker_that_sends_a_byte_now_and_then_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    done = threading.Event()

    def drip() -> None:
        theirs.sendall(struct.pack(">i", 10_000))
        while not done.wait(0.02):
            theirs.sendall(b" ")

    with ours, theirs:
        ours.settimeout(0.2)
        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(TimeoutError):
            wire.api_keys(ours)
        done.set()
        thread.join()
        assert ours.gettimeout() == 0.2


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0",
        struct.pack(">hih", 0, 2**31 - 1, -2),
        struct.pack(">hih", 0, 900, -2),
        struct.pack(">hih", 0, -1, 5),
        struct.pack(">hih", 0, 2, 30_000),
        struct.pack(">hih", 0, 1, 2) + b"\xff\xfe",
    ],
)
def test_a_broker_that_answers_nonsense_is_given_up(body: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.sendall(struct.pack(">ii", 4 + len(body), 1) + body)
        with pytest.raises(ValueError, match=r"not an answer of Kafka|utf-8"):
            wire.sasl_handshake(ours, "PLAIN")


def test_the_logins_that_a_broker_names_steer_no_terminal() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        name = b"A\n\x1b[31m"
        body = struct.pack(">ihih", 1, 33, 1, len(name)) + name
        theirs.sendall(struct.pack(">i", len(body)) + body)
        assert wire.sasl_handshake(ours, "PLAIN").mechanisms == ("A\\u000a\\u001b[31m",)


def test_old_tls_is_not_spoken(tmp_path: Path, authority: Authority) -> None:
    ca = secret_file(tmp_path / "ca.pem", authority.certificate)
    assert TlsSettings(ca=ca).load().minimum_version == ssl.TLSVersion.TLSv1_2
