"""The gateways file: every problem with its line, and what becomes of a right one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from structlog.testing import capture_logs

from streamproc.contracts.webhook_keys import problem_of
from streamproc.core.state.effects import Cause
from streamproc.dispatch import main
from streamproc.dispatch.assembly import backoff_of, gateways_of, in_plain_text, lanes_of, router_of
from streamproc.dispatch.config import (
    CONSOLE_ONLY,
    load_gateways,
)
from streamproc.dispatch.gateways import webhook
from streamproc.dispatch.gateways.entry import GatewaysError, Site
from streamproc.dispatch.gateways.registry import GATEWAYS
from streamproc.dispatch.gateways.smpp import KIND, SmppEntry
from streamproc.dispatch.gateways.webhook import WebhookEntry, WebhookSettings
from streamproc.dispatch.lanes import default_lanes, lane_of
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.smpp.gateway import SmppGateway
from streamproc.dispatch.smpp.session import SessionSettings
from tests.support.certificates import Authority, secret_file
from tests.support.scheduler import reminder

ROOT = Path(__file__).parents[2]
CONSOLE = "version: 1\ngateways:\n  - {name: c, kind: console}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(GatewaysError) as error:
        load_gateways(text, "g.yaml")
    return str(error.value).splitlines()


def test_the_smallest_file_and_none_at_all() -> None:
    config = load_gateways(CONSOLE, "g.yaml")
    assert config.gateways[0].name == "c"
    assert lanes_of(config) == lanes_of(CONSOLE_ONLY) == default_lanes()
    assert config.gateways[0].on_unknown == "at_most_once"


def test_every_problem_is_told_at_once_with_its_line() -> None:
    text = """version: 1
lanes:
  - {name: urgent, kinds: [usage_percent]}
  - {name: rest}
gateways:
  - name: Main
    kind: smpp
    host: h
    system_id: me
    sorce: "123"
    window: 0
    lanes: [urgent, foo]
  - name: b
    kind: webhook
    url: ftp://x
    secret_env: A
    secret_file: B
    lanes: [urgent]
  - {name: b, kind: pigeon, lanes: [urgent]}
"""
    assert problems(text) == [
        "g.yaml:5: gateways: no gateway takes the lane rest",
        "g.yaml:6: gateways[0].name: must be 1 to 64 lower-case letters, digits, dots, dashes, "
        "not 'Main'",
        "g.yaml:6: gateways[0].password_env: give either password_env or password_file",
        "g.yaml:6: gateways[0].source: is missing",
        "g.yaml:10: gateways[0].sorce: unknown field; did you mean source?",
        "g.yaml:11: gateways[0].window: must be at least 1, not 0",
        "g.yaml:12: gateways[0].lanes[1]: no such lane; known: urgent, rest",
        "g.yaml:15: gateways[1].url: must be an http:// or https:// URL, not 'ftp://x'",
        "g.yaml:16: gateways[1].secret_env: give either secret_env or secret_file",
        f"g.yaml:19: gateways[2].kind: must be one of {', '.join(GATEWAYS)}, not 'pigeon'",
        "g.yaml:19: gateways[2].name: 'b' is used twice",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "g.yaml:1: the file is empty"),
        ("- a", "g.yaml:1: must be a mapping with the fields version, gateways"),
        ("version: 1\ngateways: [", "g.yaml:2: not YAML: "),
        ("version: 2\ngateways: []\n", "g.yaml:1: version: must be 1, not 2"),
        (CONSOLE + "retry: {max_attempts: 0}\n", "g.yaml:4: retry.max_attempts: must be at least"),
        (CONSOLE.replace("c,", '"c\\n",'), "g.yaml:3: gateways[0].name: must be"),
    ],
)
def test_single_problems(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem)


def test_secrets_come_from_the_environment_or_a_file_and_never_from_the_gateways_file(
    tmp_path: Path,
) -> None:
    def secret_of(entry: WebhookEntry, environment: dict[str, str]) -> str:
        return webhook.KIND.secret.of(entry, Site(tmp_path, lambda: 0.5, environment))

    hook = WebhookEntry(name="h", url="http://x", secret_env="KEY")
    assert secret_of(hook, {"KEY": "k"}) == "k"
    with pytest.raises(GatewaysError, match="the environment has no KEY; set it"):
        secret_of(hook, {})
    in_file = WebhookEntry(name="h", url="http://x", secret_file="key")
    with pytest.raises(GatewaysError, match=r"secret_file key: cannot read .*: No such file"):
        secret_of(in_file, {})
    key = secret_file(tmp_path / "key", "from file\n")
    assert secret_of(in_file, {}) == "from file"
    secret_file(tmp_path / "key", "from an editor of Windows\r\n".encode("utf-8-sig"))
    assert secret_of(in_file, {}) == "from an editor of Windows"
    (tmp_path / "key").write_bytes(b"\xff\xfe\0k")
    with pytest.raises(GatewaysError, match=r"secret_file key: .* is not UTF-8 text"):
        secret_of(in_file, {})
    key.chmod(0o604)
    with pytest.raises(GatewaysError, match="gateway h: secret_file key: everybody on this mach"):
        secret_of(in_file, {})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            "late_response_seconds: 1",
            "late_response_seconds: late_response_seconds (1) must not be",
        ),
        ("response_seconds: 200", "response_seconds: late_response_seconds (120) must not be less"),
        ("breaker: {max_open_seconds: 1}", "breaker.max_open_seconds: max_open_seconds (1) must"),
        ("breaker: {open_seconds: 500}", "breaker.open_seconds: max_open_seconds (120) must not"),
    ],
)
def test_times_that_contradict_each_other_are_refused(fields: str, problem: str) -> None:
    smpp = "{name: s, kind: smpp, host: h, system_id: me, password_env: P, source: '1'"
    text = f"version: 1\ngateways:\n  - {smpp}, {fields}}}\n"
    assert problems(text)[0].startswith(f"g.yaml:3: gateways[0].{problem}")
    wrong = problems(CONSOLE + "retry: {base_seconds: 100}\n")
    assert wrong[0].startswith("g.yaml:4: retry.base_seconds: max_seconds (60) must not be less")


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:99999/x", "http://[::1/x", "http://:80/", "http://h:abc/", "http://?x"),
        *(f"http://{'a' * 64}.example/", "http://a..b/", "http://#x"),
    ],
)
def test_a_url_to_which_nothing_can_be_posted_is_refused(url: str) -> None:
    text = CONSOLE.replace(
        "{name: c, kind: console}",
        f"{{name: h, kind: webhook, url: {json.dumps(url)}, secret_env: KEY}}",
    )
    assert problems(text)[0].startswith("g.yaml:3: gateways[0].url: ")


@pytest.mark.parametrize("rest", ["h:abc/", ":80/", "a..b/", "[::1/x"])
def test_a_url_that_is_refused_shows_no_password(rest: str) -> None:
    said = problem_of(f"http://user:hu@sh:word@{rest}")
    assert said
    assert not [one for one in ("user", "hu@", "sh:", "word") if one in said]


@pytest.mark.parametrize(
    "url",
    ["https://ex\u00e4mple.test/", "http://[::1]:80/a?b#c", "HTTP://u:p@h.test:1/", "http://h"],
)
def test_a_url_of_any_right_form_is_taken(url: str) -> None:
    assert problem_of(url) == ""


@pytest.mark.parametrize("form", ["key", "certificate with key"])
def test_a_key_of_an_smpp_session_that_everybody_may_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    own = Authority().issue("dispatcher")
    together = own.key + own.certificate
    secret_file(tmp_path / "c.pem", own.certificate if form == "key" else together)
    secret_file(tmp_path / "k.pem", own.key)
    named = "tls: true, tls_certificate_file: c.pem"
    named += ", tls_key_file: k.pem" if form == "key" else ""
    text = CONSOLE.replace(
        "{name: c, kind: console}",
        "{name: s, kind: smpp, host: h, system_id: i, password_env: PW, source: '1', "
        + named
        + "}",
    )
    monkeypatch.setenv("PW", "hush")
    gateways_of(load_gateways(text, "g.yaml"), tmp_path, lambda: 0.5)
    (tmp_path / ("k.pem" if form == "key" else "c.pem")).chmod(0o644)
    with pytest.raises(GatewaysError, match=r"^gateway s: everybody on this machine may read"):
        gateways_of(load_gateways(text, "g.yaml"), tmp_path, lambda: 0.5)


def test_no_repr_shows_a_secret_of_a_gateway() -> None:
    session = SessionSettings("h", 1, "id", "hush")
    hook = WebhookSettings("https://u:hush@host/", (b"hush",))
    assert "hush" not in repr((session, hook))


@pytest.mark.parametrize("old", ["a2V5", "some passphrase", "whsec_a2V5 word"])
def test_a_webhook_secret_without_a_prefix_is_refused_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    text = CONSOLE.replace(
        "{name: c, kind: console}", "{name: h, kind: webhook, url: 'http://x', secret_env: KEY}"
    )
    monkeypatch.setenv("KEY", old)
    with pytest.raises(GatewaysError, match=r"^gateway h: secret_env KEY ") as refused:
        gateways_of(load_gateways(text, "g.yaml"), tmp_path, lambda: 0.5)
    assert old not in str(refused.value)


def test_the_example_of_the_documentation_is_read_and_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "dispatcher.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(version: 1\n.*?)```", page, re.DOTALL)
    config = load_gateways(example, "gateways.yaml")
    monkeypatch.setenv("SMSC_PASSWORD", "x")
    monkeypatch.setenv("WEBHOOK_SECRET", "whsec_a2V5")
    gateways = gateways_of(config, tmp_path, lambda: 0.5)
    router = router_of(config, gateways, 0)

    assert isinstance(gateways["main"], SmppGateway)
    assert list(router.lines) == [one.name for one in config.gateways]
    assert router.lines["main"].policy(mandatory=True) == "at_least_once"
    assert router.lines["main"].policy(mandatory=False) == "at_most_once"
    assert backoff_of(config).max_attempts == config.retry.max_attempts


def test_the_values_of_the_example_are_the_defaults_where_it_does_not_say_otherwise() -> None:
    page = (ROOT / "docs" / "dispatcher.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(version: 1\n.*?)```", page, re.DOTALL)
    config = load_gateways(example, "gateways.yaml")
    usual = load_gateways(
        "version: 1\ngateways:\n"
        "- {name: main, kind: smpp, host: h, system_id: s, password_env: P, source: '1'}\n"
        "- {name: backup, kind: webhook, url: 'http://h', secret_env: P}\n",
        "usual.yaml",
    )
    own = {"host", "system_id", "password_env", "source", "tls", "messages_per_second", "lanes"}
    own |= {"on_unknown_mandatory", "url", "secret_env"}
    assert (config.retry, config.patience_seconds) == (usual.retry, usual.patience_seconds)
    assert config.lanes is not None
    assert lanes_of(config) == default_lanes()
    for shown, default in zip(config.gateways, usual.gateways, strict=False):
        differing = {
            name
            for name in shown.__struct_fields__
            if getattr(shown, name) != getattr(default, name)
        }
        assert differing <= own


OF_AN_EVENT = Cause(event_id="e", source="s", topic="t", partition=0, offset=0)


@pytest.mark.parametrize(
    ("fields", "lane"),
    [
        ({"kind": "usage_percent"}, 0),
        ({"kind": "overage_started"}, 0),
        ({"kind": "zero_balance"}, 0),
        ({"kind": "spend_amount"}, 0),
        ({"kind": "expiry"}, 0),
        ({"kind": "charge_question"}, 0),
        ({"kind": "command_reply"}, 0),
        ({"kind": "roaming_welcome"}, 0),
        ({"kind": "usage_summary"}, 1),
        ({"kind": "cron"}, 1),
        ({"kind": "before_expiry"}, 1),
        ({"kind": "forecast"}, 1),
        ({"kind": "service_charged"}, 1),
        ({"kind": "before_expiry", "mandatory": True}, 0),
        ({"kind": "forecast", "severity": "critical"}, 0),
        ({"kind": "inactivity", "severity": "warning"}, 0),
        ({"kind": "a_later_one"}, 1),
        ({"kind": "a_later_one", "cause": OF_AN_EVENT}, 0),
    ],
)
def test_by_default_the_reminder_itself_says_how_urgent_it_is(
    fields: dict[str, Any], lane: int
) -> None:
    assert lane_of(reminder(**fields), default_lanes()) == lane


def test_a_file_may_divide_the_lanes_by_kind_duty_or_severity() -> None:
    text = CONSOLE + (
        "lanes:\n  - {name: first, kinds: [cron], severities: [critical]}\n"
        "  - {name: second, mandatory: true}\n  - {name: third, urgent: true}\n"
        "  - {name: last}\n"
    )
    lanes = lanes_of(load_gateways(text, "g.yaml"))
    assert lane_of(reminder(kind="cron"), lanes) == 0
    assert lane_of(reminder(kind="usage_summary", severity="critical"), lanes) == 0
    assert lane_of(reminder(kind="usage_summary", mandatory=True), lanes) == 1
    assert lane_of(reminder(kind="usage_percent"), lanes) == 2
    assert lane_of(reminder(kind="usage_summary"), lanes) == 3


SMPP = """version: 1
gateways:
  - {name: m, kind: smpp, host: h, system_id: me, password_env: P, source: "1", %s}
"""


def test_national_tables_and_names_of_sms_reach_the_gateway() -> None:
    given = "national_shift: [hindi], national_locking: [hindi, urdu], sms_id_parameter: 5377"
    (entry,) = load_gateways(SMPP % given, "g.yaml").gateways
    assert isinstance(entry, SmppEntry)
    gateway = KIND.gateway(entry, Site(ROOT, lambda: 0.5, {"P": "secret"}))
    form = gateway._settings.form
    assert (form.national, form.national_locking) == (("hindi",), ("hindi", "urdu"))
    assert gateway._settings.identity_parameter == 0x1501
    said = problems(SMPP % "national_locking: [spanish], sms_id_parameter: 0")
    assert any("spanish has no locking shift table" in one for one in said)
    said = problems(SMPP % "national_locking: [hindi], alphabet: latin1")
    assert any("needs alphabet: gsm and long_texts: udh or udh16" in one for one in said)


@pytest.mark.parametrize(
    ("host", "is_told"),
    [
        ("sms.example.com", True),
        ("10.0.0.7", True),
        ("[2001:db8::1]", True),
        ("localhost.example.com", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("[::1]", False),
        ("localhost", False),
        ("LOCALHOST", False),
        ("sms.localhost.", False),
    ],
)
def test_gateways_that_send_over_a_network_without_tls_are_found(host: str, is_told: bool) -> None:
    smpp = f"host: '{host}', system_id: me, password_env: P, source: '1'"
    config = load_gateways(
        f"""
version: 1
gateways:
  - {{name: web, kind: webhook, url: 'http://{host}:8080/x', secret_env: S}}
  - {{name: web-tls, kind: webhook, url: 'https://{host}/x', secret_env: S}}
  - {{name: sms, kind: smpp, {smpp}}}
  - {{name: sms-tls, kind: smpp, {smpp}, tls: true}}
  - {{name: con, kind: console}}
""",
        "gateways.yaml",
    )
    assert set(in_plain_text(config)) == ({"web", "sms"} if is_told else set())


def test_a_dispatcher_tells_them_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gateways.yaml"
    path.write_text(
        "version: 1\n"
        "gateways: [{name: web, kind: webhook, url: 'http://sms.example.com/', secret_env: S}]\n"
    )
    monkeypatch.setenv("S", "whsec_" + "a2V5" * 8)
    monkeypatch.setattr(main, "watched", mock.Mock(side_effect=ZeroDivisionError))
    with capture_logs() as logs, pytest.raises(ZeroDivisionError):
        main.run_dispatcher(DispatchSettings("nowhere:9092"), path)
    (told,) = [one for one in logs if "without encryption" in one["event"]]
    assert told["gateways"] == {"web": "sms.example.com"}
