"""One list of preferences: whatever knows all of them follows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from streamproc.contracts.rules_file.conversation import default_commands
from streamproc.core.commands.preferences import HANDLERS
from streamproc.core.rules import preferences
from streamproc.core.rules.commands import ACTIONS, REPLIES, WORDS
from streamproc.core.rules.preferences import CHOSEN, Preference
from streamproc.core.state.account import RareState, forget_choices_and_services
from streamproc.core.state.events import PreferencesSet
from streamproc.lab.oracle import choosing, reading, spelling
from streamproc.worker.native_bridge.interface.description import EXTRA
from tests.contract.contract import SCHEMAS
from tests.support.talking import Talking, talking_rules

DECLARED = {one.action: one for one in preferences.PREFERENCES}
CHANGED: dict[type, Any] = {list: [7], str: "day", int: 7}


def test_each_preference_of_the_list_has_a_module_that_does_it() -> None:
    assert list(HANDLERS) == list(DECLARED)


def test_the_oracle_knows_every_preference() -> None:
    assert choosing.CHOICES.keys() == DECLARED.keys()
    for one in DECLARED.values():
        meant = spelling.meaning(one.example, talking_rules())
        assert meant is not None
        assert meant.action == one.action


@pytest.mark.parametrize("one", DECLARED.values(), ids=list(DECLARED))
def test_commands_replies_and_words_have_packaged_texts(one: Preference) -> None:
    packaged = default_commands()

    assert one.action in ACTIONS
    assert one.action in packaged.keywords
    assert set(one.words) <= set(WORDS) <= packaged.words.keys()
    assert set(one.replies) | {f"help_{one.action}"} <= packaged.texts.keys() == REPLIES.keys()


def test_every_choice_of_the_event_belongs_to_one_preference() -> None:
    chosen = [name for one in DECLARED.values() for name in one.event]
    schema = json.loads((SCHEMAS / "account.preferences_set.v1.json").read_bytes())
    common = {"type", "id", "source", "subscriber", "time"}

    assert sorted(chosen) == sorted(PreferencesSet.choices())
    assert set(chosen) == schema["properties"].keys() - common
    assert set(chosen) == reading._EVENTS["account.preferences_set"][1].keys()


def test_every_choice_is_forgotten_with_the_contract() -> None:
    names = [one.name for one in structs.fields(RareState)]
    extra = RareState(**{name: CHANGED[type(getattr(RareState(), name))] for name in CHOSEN})
    assert all(getattr(extra, name) != getattr(RareState(), name) for name in CHOSEN)

    forget_choices_and_services(extra)

    assert set(CHOSEN) <= set(names)
    assert extra == RareState()


@pytest.mark.parametrize("one", DECLARED.values(), ids=list(DECLARED))
def test_the_compiled_part_knows_no_choice_that_bears_on_usage(one: Preference) -> None:
    for name in one.state:
        assert (name in EXTRA.carries) is not one.bears_on_usage
        assert name not in EXTRA.reads


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("ALERT 80, 50", {"own_percents": [80, 50, 80]}),
        ("ALERT DEFAULT", {"own_percents": []}),
        ("SCHEDULE DAILY 20:00", {"summary_every": "day", "summary_at": "20:00"}),
        ("SCHEDULE OFF", {"summary_every": "off"}),
        ("SCHEDULE DEFAULT", {"summary_every": "default", "summary_at": "default"}),
    ],
)
def test_a_text_and_an_event_choose_the_same(text: str, fields: dict[str, Any]) -> None:
    by_text, by_event = Talking(talking_rules()), Talking(talking_rules())
    for line in (by_text, by_event):
        line.begin()
        line.send(PreferencesSet, 0.5, own_percents=[33], summary_every="week")
    by_text.text(text, 1)
    by_event.send(PreferencesSet, 1, **fields)

    found, wanted = (
        {name: getattr(line.account.extra or RareState(), name) for name in CHOSEN}
        for line in (by_text, by_event)
    )
    assert found == wanted
