"""What the three libraries take of TLS and logins is what the door gives them."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, conn
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from faust.auth import GSSAPICredentials
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.net import connection
from kafka.net.sasl import SASL_MECHANISMS
from kafka.net.sasl.oauth import SaslMechanismOAuth

from streamproc.engine.faust.credentials import security_settings
from streamproc.kafka import aio_clients, clients, probe
from streamproc.kafka.aio_connection import connection_options
from streamproc.kafka.logins import LOGINS
from streamproc.kafka.secret import Secret
from streamproc.kafka.setting_fields import OF_EVERY_CONNECTION, kafka_settings
from streamproc.kafka.settings import KafkaSettings
from tests.support.authorisation import authorisation_server
from tests.support.certificates import Authority, secret_file
from tests.support.logins import demanded_by


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there to be asked."""
    for module in (aio_clients, clients):
        monkeypatch.setattr(module, "refuse_unreachable", lambda _: None)


@pytest.fixture
def all_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, KafkaSettings]:
    """For each way to be secured, settings."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    ca = secret_file(tmp_path / "ca.pem", Authority().certificate)
    token = secret_file(tmp_path / "token", "a token")
    found = {"TLS": kafka_settings("b:1", tls_ca=ca, client_id="c")}
    for mechanism in LOGINS.keys() - {"AWS_MSK_IAM"}:  # on the wire it is OAUTHBEARER
        more = {"sasl_mechanism": mechanism, **demanded_by(mechanism, token)}
        found[mechanism] = kafka_settings("b:1", tls_ca=ca, client_id="c", **more)
        plain = {"security_protocol": "SASL_PLAINTEXT", **more}
        found[f"{mechanism} without TLS"] = kafka_settings("b:1", client_id="c", **plain)
    return found


def test_every_client_takes_every_option(all_settings: dict[str, KafkaSettings]) -> None:
    names = {name for one in all_settings.values() for name in aio_clients.aio_options(one)}
    for client in (AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient):
        assert names <= inspect.signature(client).parameters.keys()
    for client in (KafkaConsumer, KafkaProducer, KafkaAdminClient):
        assert names <= client.DEFAULT_CONFIG.keys()
    assert names - {"bootstrap_servers"} <= inspect.signature(conn.create_conn).parameters.keys()


def test_both_libraries_know_every_login(all_settings: dict[str, KafkaSettings]) -> None:
    mechanisms = {one.login.mechanism for one in all_settings.values() if one.login is not None}
    assert mechanisms <= SASL_MECHANISMS.keys()
    source = inspect.getsource(conn)
    assert all(f'"{one}"' in source for one in mechanisms)


def test_faust_gives_its_own_clients_the_same(all_settings: dict[str, KafkaSettings]) -> None:
    for name, settings in all_settings.items():
        asked = aio_clients.aio_options(settings)
        faust = security_settings(settings)
        assert faust.pop("broker_client_id") == "c"
        credentials = faust.pop("broker_credentials")
        assert not faust
        got = credentials_to_aiokafka_auth(credentials)
        wanted = {key: asked[key] for key in asked.keys() & got.keys()}
        tokens = got.get("sasl_oauth_token_provider")
        assert type(wanted.get("sasl_oauth_token_provider")) is type(tokens), name
        for one in (wanted, got):
            one.pop("sasl_oauth_token_provider", None)
            if one.get("ssl_context", 0) is None:
                one.pop("ssl_context")
        if isinstance(credentials, GSSAPICredentials):
            assert got.pop("sasl_kerberos_domain_name") is None
        assert got == wanted, name
        assert asked.keys() - {"bootstrap_servers", "client_id"} <= {
            *got,
            "sasl_oauth_token_provider",
        }, name


@pytest.mark.parametrize("name", [one for one in OF_EVERY_CONNECTION if one != "security-protocol"])
def test_a_setting_of_every_connection_reaches_every_client(name: str) -> None:
    settings = kafka_settings("b:1", **{name.replace("-", "_"): "7"})
    options = settings.client_options()

    assert options.keys() <= aio_clients.aio_options(settings).keys()
    assert options.keys() <= KafkaConsumer.DEFAULT_CONFIG.keys()
    assert list(options.values()) == list(security_settings(settings).values()) != []


def test_a_faust_app_without_security_is_told_nothing() -> None:
    assert security_settings("b:1") == {}


async def test_each_library_asks_for_a_token_in_its_own_form(
    all_settings: dict[str, KafkaSettings],
) -> None:
    settings = all_settings["OAUTHBEARER"]
    aio = connection_options(settings)["sasl_oauth_token_provider"]
    assert await aio.token() == "a token"
    python = clients._reaching(settings)["sasl_oauth_token_provider"]
    login = SaslMechanismOAuth(sasl_oauth_token_provider=python)
    assert login.auth_bytes() == b"n,,\x01auth=Bearer a token\x01\x01"


async def test_aiokafka_tries_again_when_there_is_no_token(
    all_settings: dict[str, KafkaSettings], tmp_path: Path
) -> None:
    """Any other error than aiokafka's own would end the task of the worker that connects."""
    settings = all_settings["OAUTHBEARER"]
    (tmp_path / "token").unlink()
    tokens = connection_options(settings)["sasl_oauth_token_provider"]
    with pytest.raises(KafkaConnectionError, match="cannot read"):
        await tokens.token()
    source = inspect.getsource(AIOKafkaClient._get_conn)
    assert "except (OSError, asyncio.TimeoutError, KafkaError)" in source


def test_the_libraries_log_again_when_the_last_thread_has_connected() -> None:
    import logging

    logger = logging.getLogger("kafka")
    before = logger.level
    with probe.told_by_us("kafka"):
        with probe.told_by_us("kafka"):
            assert logger.level == logging.CRITICAL
        assert logger.level == logging.CRITICAL
    assert logger.level == before


PASSWORDS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@pytest.fixture
def changing(tmp_path: Path) -> Path:
    return secret_file(tmp_path / "password", "first")


def login_by(mechanism: str, changing: Path, user: str = "u") -> KafkaSettings:
    secret = Secret(path=changing)
    return kafka_settings("b:1", sasl_mechanism=mechanism, sasl_username=user, sasl_password=secret)


@pytest.mark.parametrize("mechanism", PASSWORDS)
async def test_a_changed_password_counts_for_the_next_login_of_each_library(
    mechanism: str, changing: Path
) -> None:
    settings = login_by(mechanism, changing)
    credentials = security_settings(settings)["broker_credentials"]
    faust = credentials_to_aiokafka_auth(credentials)
    aio = {**connection_options(settings), "security_protocol": "SASL_PLAINTEXT"}
    python = clients._reaching(settings)

    def used() -> list[str]:
        """What a connection of each library that is made now logs in with."""
        own = conn.AIOKafkaConnection("h", 1, **aio)._sasl_plain_password
        engine = conn.AIOKafkaConnection("h", 1, **{**aio, **faust})._sasl_plain_password
        login = SASL_MECHANISMS[mechanism](host="h", **python)
        scram = login.__dict__.get("_scram_client")
        return [own, engine, login.password if scram is None else scram.password.decode()]

    assert used() == ["first"] * 3
    secret_file(changing, "second")
    assert used() == ["second"] * 3
    # A file that is no good changes nothing: open for all, empty, gone.
    changing.chmod(0o644)
    assert used() == ["second"] * 3
    secret_file(changing, "")
    assert used() == ["second"] * 3
    changing.unlink()
    assert used() == ["second"] * 3
    secret_file(changing, "third")
    assert used() == ["third"] * 3


async def test_the_clients_make_their_connections_so(changing: Path) -> None:
    """aiokafka looks its connection up at each ``create_conn``, kafka-python its login."""
    assert "conn = AIOKafkaConnection(" in inspect.getsource(conn.create_conn)
    assert conn.AIOKafkaConnection.__module__ == "streamproc.kafka.aio_connection"
    source = inspect.getsource(connection.KafkaConnection._sasl_authenticate)
    assert "get_sasl_mechanism(self.config['sasl_mechanism'])(" in source


def test_a_password_is_shown_by_nobody(changing: Path) -> None:
    settings = login_by("PLAIN", changing)
    options = settings.client_options()
    assert "first" not in f"{options!r} {settings!r} {settings.login!r}"
    assert "first" not in repr(security_settings(settings))


def test_a_user_with_signs_of_scram_is_written_as_the_standard_says(changing: Path) -> None:
    python = clients._reaching(login_by("SCRAM-SHA-512", changing, "a=b,c"))
    login = SASL_MECHANISMS["SCRAM-SHA-512"](host="h", **python)
    assert login.auth_bytes().startswith(b"n,,n=a=3Db=2Cc,r=")


@pytest.mark.parametrize("problem", ["unreadable secret", "no HTTP", "deep", "redirect"])
async def test_whatever_an_authorisation_server_does_aiokafka_tries_again(
    tmp_path: Path, problem: str
) -> None:
    secret = secret_file(tmp_path / "secret", "s")
    with authorisation_server() as server:
        settings = kafka_settings(
            "b:1",
            sasl_mechanism="OAUTHBEARER",
            oauth_token_url=server.url,
            oauth_client_id="me",
            oauth_client_secret=Secret(path=secret),
        )
        tokens = connection_options(settings)["sasl_oauth_token_provider"]
        if problem == "unreadable secret":
            secret.unlink()
        elif problem == "no HTTP":
            server.raw = b"\x00\x01nothing\r\n"
        elif problem == "deep":
            server.answer = (200, b"[" * 200_000)
        else:
            server.answer = (302, b"")
            server.location = server.url
        with pytest.raises(KafkaConnectionError):
            await tokens.token()
        # Nobody followed the redirect with the secret.
        assert len(server.asked) <= 1
