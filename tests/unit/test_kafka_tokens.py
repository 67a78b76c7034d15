"""Tokens for OAUTHBEARER: kept as long as they are good, and replaced in time."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from streamproc.kafka import tokens
from streamproc.kafka.errors import TokenError
from streamproc.kafka.secret import Secret
from streamproc.kafka.setting_fields import kafka_settings
from streamproc.kafka.tokens import ClientCredentials, FileTokens, MskTokens, OAuthClient
from tests.support.authorisation import AuthorisationServer, authorisation_server
from tests.support.certificates import secret_file


@pytest.fixture
def server() -> Iterator[AuthorisationServer]:
    with authorisation_server() as server:
        yield server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("streamproc.kafka.tokens.monotonic", lambda: now[0])
    return now


def credentials(server: AuthorisationServer, scope: str = "") -> ClientCredentials:
    return ClientCredentials(OAuthClient(server.url, "me:1", Secret("s%cret"), scope))


def test_a_token_is_asked_for_once_and_again_before_it_ends(
    server: AuthorisationServer, clock: list[float]
) -> None:
    source = credentials(server, "kafka write")
    assert [source.token(), source.token()] == ["token 1"] * 2
    who, form = server.asked[0]
    assert who == "me%3A1:s%25cret"  # RFC 6749, section 2.3.1
    assert form == {"grant_type": ["client_credentials"], "scope": ["kafka write"]}
    clock[0] += 79
    assert source.token() == "token 1"
    clock[0] += 2
    assert source.token() == "token 2"


def test_a_token_that_is_still_good_serves_while_the_server_is_away(
    server: AuthorisationServer, clock: list[float]
) -> None:
    source = credentials(server)
    source.token()
    server.answer = (503, b"later")
    clock[0] += 99
    assert source.token() == "token 1"
    clock[0] += 2
    with pytest.raises(TokenError, match="503"):
        source.token()
    server.answer = None
    assert source.token().startswith("token ")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (401, {"error": "invalid_client", "error_description": "bad\nsecret"}),
            "gives no token to the client me:1: 401 bad secret; correct --kafka-oauth-client-id or",
        ),
        ((400, {"error": "invalid_scope"}), "400 invalid_scope"),
        ((500, b"<html>"), "500 Internal Server Error"),
        ((200, b"<html>"), "no token from"),
        ((200, {"token": "x"}), "no token from"),
        ((200, {"access_token": 5}), "access_token is not a text"),
        ((200, [1]), "no token from"),
        ((200, b"[" * 100_000), "no token from"),
        ((200, {"access_token": "a\x01auth=other"}), "characters that no token has"),
        ((200, {"access_token": "t", "expires_in": "soon"}), "no token from"),
        ((200, {"access_token": "t", "expires_in": None}), "no token from"),
        ((200, b'{"access_token": "t", "expires_in": NaN}'), "expires_in is not a number"),
        ((302, b""), "302"),
        ((401, {"error": "\x1b]0;title\x07"}), "401 \\u001b]0;title\\u0007"),
    ],
)
def test_an_answer_without_a_token_is_told_in_one_line(
    server: AuthorisationServer, answer: tuple[int, Any], said: str
) -> None:
    server.answer = answer
    with pytest.raises(TokenError) as caught:
        credentials(server).token()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "s%cret" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_server_that_is_not_there_is_told(server: AuthorisationServer) -> None:
    source = ClientCredentials(OAuthClient("http://127.0.0.1:9/token", "me", Secret("s")))
    with pytest.raises(TokenError, match=r"no token from http://127\.0\.0\.1:9/token"):
        source.token()


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("scheme", "begin"),
    [
        ("http", b""),
        ("http", b"HTTP/1.0 200 OK\r\n"),
        ("http", b"HTTP/1.0 200 OK\r\n\r\n"),
        ("https", b"\x16\x03\x03\x40\x00"),  # the head of a record that has yet to come
    ],
)
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    scheme: str, begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "REQUEST_SECONDS", 0.2)
    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        one, _ = listening.accept()
        with one, suppress(OSError):
            one.sendall(begin)
            while True:
                one.sendall(b" ")
                time.sleep(0.02)  # far below the timeout of the socket

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/token"
    try:
        with pytest.raises(TokenError, match=r"no answer within 0\.2 s|timed out"):
            ClientCredentials(OAuthClient(url, "id", Secret("secret"))).token()
    finally:
        listening.close()
        thread.join()


@pytest.mark.parametrize("life", [1e300, float("inf"), "1e999"])
def test_no_token_is_kept_for_ever(
    server: AuthorisationServer, clock: list[float], life: object
) -> None:
    server.expires_in = life
    source = credentials(server)
    source.token()
    clock[0] += 86_400
    assert source.token() == "token 2"


def test_a_secret_that_cannot_be_read_now_leaves_the_token_in_use(
    server: AuthorisationServer, clock: list[float], tmp_path: Path
) -> None:
    file = secret_file(tmp_path / "secret", "s")
    source = ClientCredentials(OAuthClient(server.url, "me", Secret(path=file)))
    source.token()
    file.unlink()
    clock[0] += 85
    assert source.token() == "token 1"
    clock[0] += 20
    with pytest.raises(TokenError, match="cannot read"):
        source.token()


@pytest.mark.timeout(20)
def test_a_file_that_became_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token", 0o600)
    with pytest.raises(TokenError, match="is not a regular file"):
        FileTokens(tmp_path / "token").token()


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "token", "one\n")
    source = FileTokens(path)
    assert source.token() == "one"
    secret_file(path, "two\n")
    assert source.token() == "two"
    secret_file(path, "\n")
    with pytest.raises(TokenError, match="is empty"):
        source.token()
    secret_file(path, "one\ntwo\n")
    with pytest.raises(TokenError, match="does not hold one token"):
        source.token()
    path.chmod(0o644)
    with pytest.raises(TokenError, match="everybody on this machine may read"):
        source.token()


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Amazon's library as far as it is used: the real one was run with made-up credentials."""
    made = SimpleNamespace(regions=[], error=None)

    def generate_auth_token(region: str) -> tuple[str, int]:
        made.regions.append(region)
        if made.error is not None:
            raise made.error
        return f"signed {len(made.regions)}", round((time.time() + 900) * 1000)

    module = ModuleType("aws_msk_iam_sasl_signer")
    vars(module)["MSKAuthTokenProvider"] = SimpleNamespace(generate_auth_token=generate_auth_token)
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", module)
    return made


def test_amazons_library_signs_for_the_region_and_again_before_the_end(
    signer: SimpleNamespace, clock: list[float]
) -> None:
    source = MskTokens("eu-west-1")
    assert [source.token(), source.token()] == ["signed 1"] * 2
    assert signer.regions == ["eu-west-1"]
    clock[0] += 0.8 * 900 + 5
    assert source.token() == "signed 2"
    signer.error = RuntimeError("no\ncredentials")
    clock[0] += 0.8 * 900 + 5
    assert source.token() == "signed 2"  # it is still good
    clock[0] += 200
    with pytest.raises(TokenError, match="no AWS identity to sign a Kafka token with: no cred"):
        source.token()


def test_amazons_login_is_oauthbearer_for_both_libraries(signer: SimpleNamespace) -> None:
    settings = kafka_settings("b:1", sasl_mechanism="AWS_MSK_IAM", aws_region="eu-west-1")
    assert settings.client_options()["sasl_mechanism"] == "OAUTHBEARER"
    assert settings.security_protocol == "SASL_SSL"
    assert settings.login is not None
    assert isinstance(settings.login.tokens, MskTokens)
