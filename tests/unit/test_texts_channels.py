"""Other words for other channels: rendered with the reminder, sent by a channel's gateways."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from streamproc.contracts.records.codec import decode_reminder, encode_effect
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.effects import Reminder
from streamproc.dispatch.assembly import gateways_of
from streamproc.dispatch.config import load_gateways
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.channel import ChannelGateway, in_words_of
from streamproc.dispatch.gateways.entry import GatewaysError
from streamproc.dispatch.model import Accepted, Origin, Outcome, Outgoing, message_of
from tests.support.line import Line
from tests.support.rules import YAML, edited

RULES = edited(
    YAML,
    ('{en: "{percent}% used"}', '{en: {text: "{percent}% used", channels: {push: "{used}!"}}}'),
)


def reminder(rules: str) -> Reminder:
    line = Line(load_rulebook(rules, "r.yaml"))
    line.activate()
    found = [one for one in line.use(900_000, 1) if isinstance(one, Reminder)]
    assert len(found) == 1
    return found[0]


def test_a_reminder_brings_its_other_words_along() -> None:
    found = reminder(RULES)
    assert (found.text, found.channel_texts) == ("90% used", {"push": "900 kB!"})
    assert decode_reminder(encode_effect(found)) == found


def test_without_other_words_the_record_says_nothing_of_them() -> None:
    found = reminder(YAML)
    assert found.channel_texts is UNSET
    assert "channel_texts" not in msgspec.json.decode(encode_effect(found))


def test_a_channel_has_its_words_and_their_size() -> None:
    found = msgspec.structs.replace(reminder(RULES), channel_texts={"push": "长" * 80})
    changed = in_words_of("push", found)
    assert (changed.text, changed.encoding, changed.segments) == ("长" * 80, "ucs2", 2)
    assert in_words_of("mail", found) is found
    assert in_words_of("push", reminder(YAML)).text == "90% used"


class Inner:
    idempotent = True
    reports = False

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.calls: list[str] = []

    async def start(self, events: Events) -> None:
        self.calls.append("start")

    async def send(self, message: Outgoing) -> Outcome:
        self.sent.append(message)
        return Accepted()

    async def close(self) -> None:
        self.calls.append("close")


async def test_the_gateway_of_a_channel_changes_the_words_alone() -> None:
    inner = Inner()
    gateway = ChannelGateway(inner, "push")
    message = message_of(reminder(RULES), Origin("t", 0, 0, 0), 0, 1)
    await gateway.start(None)  # type: ignore[arg-type]
    assert await gateway.send(message) == Accepted()
    await gateway.close()
    assert (gateway.idempotent, gateway.reports, inner.calls) == (True, False, ["start", "close"])
    (sent,) = inner.sent
    assert (sent.id, sent.reminder.text, message.reminder.text) == (
        message.id,
        "900 kB!",
        "90% used",
    )


CONFIG = "version: 1\ngateways:\n  - {name: app, kind: file, path: out.jsonl, channel: push}\n"


def test_a_gateway_of_the_file_has_a_channel(tmp_path: Path) -> None:
    gateways = gateways_of(load_gateways(CONFIG, "g.yaml"), tmp_path, lambda: 0.5)
    assert isinstance(gateways["app"], ChannelGateway)
    plain = CONFIG.replace(", channel: push", "")
    assert not isinstance(
        gateways_of(load_gateways(plain, "g.yaml"), tmp_path, lambda: 0.5)["app"], ChannelGateway
    )


def test_sms_is_no_channel_to_choose() -> None:
    smpp = CONFIG.replace(
        "kind: file, path: out.jsonl", "kind: smpp, host: h, system_id: s, source: x"
    )
    with pytest.raises(GatewaysError, match="channel: unknown field"):
        load_gateways(smpp, "g.yaml")
