"""Tokens for OAUTHBEARER: kept as long as they are good, and replaced in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamproc.kafka.errors import TokenError
from streamproc.kafka.secret import Secret
from streamproc.kafka.tokens import ClientCredentials, FileTokens, OAuthClient
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


def test_a_server_that_is_not_there_is_told(server: AuthorisationServer) -> None:
    source = ClientCredentials(OAuthClient("http://127.0.0.1:9/token", "me", Secret("s")))
    with pytest.raises(TokenError, match=r"no token from http://127\.0\.0\.1:9/token"):
        source.token()


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "token", "one\n")
    source = FileTokens(path)
    assert source.token() == "one"
    secret_file(path, "two\n")
    assert source.token() == "two"
    secret_file(path, "\n")
    with pytest.raises(TokenError, match="is empty"):
        source.token()
    path.chmod(0o644)
    with pytest.raises(TokenError, match="everybody on this machine may read"):
        source.token()
