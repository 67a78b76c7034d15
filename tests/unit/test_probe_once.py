"""A broker that does not answer is waited for once, by a command that has a time of its own."""

from __future__ import annotations

import ssl
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.kafka import probe
from streamproc.kafka.errors import ReachError
from streamproc.kafka.logins import TokenLogin
from streamproc.kafka.probe import Finding, refuse_unreachable, why_no_answer
from streamproc.kafka.settings import settings_of
from streamproc.kafka.tls import TlsSettings
from streamproc.kafka.tokens import FileTokens

BROKER = "kafka.example:9092"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Finding | None]:
    """What the next looks find; those that are left were not needed."""
    found: list[Finding | None] = []
    monkeypatch.setattr(probe, "_look", lambda _: found.pop(0))
    monkeypatch.setattr(probe, "_silent", {})
    monkeypatch.setattr(probe, "_reached", set())
    return found


def test_a_broker_that_did_not_answer_is_not_asked_again_at_once(looks: Any) -> None:
    looks += [Finding("no answer to the first question", False), None]
    for _ in range(3):
        refuse_unreachable(BROKER)
    assert "(no answer to the first question)" in why_no_answer(BROKER, OSError("timeout"))
    assert len(looks) == 1
    probe._silent[settings_of(BROKER)] = time.monotonic() - probe.FRESH_SECONDS, Finding("x", False)
    refuse_unreachable(BROKER)
    assert looks == []


def test_a_refusal_is_asked_for_each_time(looks: Any) -> None:
    looks += [Finding("refuses the login"), Finding("refuses the login")]
    for _ in range(2):
        with pytest.raises(ReachError, match="refuses the login"):
            refuse_unreachable(BROKER)


def test_send_waits_no_longer_than_it_is_told(looks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    now = [100.0]

    def slow(_: Any) -> Finding:
        now[0] += 3
        return Finding("no answer to the first question", False)

    def producer(*_: Any, **options: Any) -> Any:
        given.append(options["bootstrap_timeout_ms"])
        raise TimeoutError

    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(sys.modules["streamproc.cli.send"], "time", clock)
    monkeypatch.setattr(probe, "_look", slow)
    monkeypatch.setattr("streamproc.producer.UsageProducer", producer)
    words = ["send", "--broker", BROKER, "--subscriber", "-", "--total-bytes", "1"]
    for wait in ("5s", "60s"):
        CliRunner().invoke(main, [*words, "--wait", wait], input="8613800000001")
    assert given == [2_000, 60_000], "the second one knows that nobody answered"


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("TLSV1_ALERT_PROTOCOL_VERSION", "speaks no version or cipher of TLS"),
        ("TLSV1_ALERT_INSUFFICIENT_SECURITY", "speaks no version or cipher of TLS"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "wants a certificate of this client"),
    ],
)
def test_an_alert_about_versions_asks_for_no_certificate(reason: str, says: str) -> None:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    settings = replace(settings_of(BROKER), tls=TlsSettings())
    found = probe._refused_certificate(settings, BROKER, error)
    assert found.is_refusal
    assert says in found.text


def test_a_token_that_the_broker_refuses_is_told_as_such(looks: Any, tmp_path: Path) -> None:
    looks.append(None)  # the broker answers
    settings = replace(settings_of(BROKER), login=TokenLogin(FileTokens(tmp_path / "token")))
    said = why_no_answer(settings, OSError("Unable to bootstrap"))
    assert "no Kafka broker answers" not in said
    assert "it probably refuses the token" in said
    assert "--kafka-oauth-token-file" in said
