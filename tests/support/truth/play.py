"""Plays a life: the core makes the messages, and the oracle keeps the account."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from streamproc.contracts.records.codec import decode_event
from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Audited, Effect, Rejected, Reminder
from streamproc.core.state.events import Arrival
from streamproc.core.step.transition import advance, step
from streamproc.engine.ids import SeenIds
from streamproc.lab.oracle import Expectation
from streamproc.lab.oracle.contract import Contract
from streamproc.lab.oracle.ledger import SubscriberLedger
from streamproc.lab.oracle.reading import read
from tests.property.world import rfc3339
from tests.support.amounts import wrong_amounts
from tests.support.truth.account import Snapshot
from tests.support.truth.lives import SUBSCRIBER, Entry

_INSTANTS = ("time", "expires_time", "next_charge_time")


@dataclass
class Scene:
    """The results of one event, or of time alone."""

    event: dict[str, Any] | None
    now_ms: int
    states: list[Snapshot]
    """The account at each change and each due instant, in order; the first is from before."""
    messages: list[Reminder]
    audits: list[Audited] = field(default_factory=list)
    rejected: str = ""
    past: list[Snapshot] = field(default_factory=list)
    """The account as it stood before something was bought, with late usage from then."""

    def states_at(self, at_ms: int) -> list[Snapshot]:
        """The states at an instant; else the last one before it."""
        found = [one for one in (*self.states, *self.past) if one.at_ms == at_ms]
        before = [one for one in self.states if one.at_ms < at_ms]
        return found or before[-1:] or self.states[:1]


class Player:
    """One subscriber under a rulebook."""

    def __init__(self, rules: Rulebook, name: str = SUBSCRIBER) -> None:
        self.rules = rules
        self.name = name
        self.account: Account | None = None
        self.locale = ""
        self.locale_before = ""
        """The locale before the present scene."""
        self.expectation = Expectation(watch=self._watch)
        self.ledger = SubscriberLedger(name, rules, self.expectation)
        self.ids = SeenIds()
        self.offset = 0
        self._states: list[Snapshot] = []
        self._past: list[Snapshot] = []

    def _watch(self, contract: Contract, at_ms: int) -> None:
        state = Snapshot.of(contract, at_ms, self.rules)
        state.charged_bytes = self.ledger.charged
        (self._past if contract.is_looking_back else self._states).append(state)

    def feed(self, fields: dict[str, Any], arrival_ms: int) -> Scene:
        """An event (instants in milliseconds) arrives."""
        written = {
            name: rfc3339(value) if name in _INSTANTS else value for name, value in fields.items()
        }
        value = json.dumps(written).encode()
        event: Any = decode_event(value, self.name.encode(), ())
        self.locale_before = self.locale
        arrival = Arrival(arrival_ms, "events", 0, self.offset)
        self.offset += 1
        self.account, effects = step(self.account, event, arrival, self.rules, self.ids)
        self.ledger.arrive(read(value, self.name.encode()), arrival_ms)
        if fields["type"] in ("account.activated", "account.profile_changed"):
            self.locale = self.account.locale if self.account else ""
        return self._scene(fields, arrival_ms, effects)

    def reach(self, now_ms: int) -> Scene:
        """Time passes."""
        effects: Iterable[Effect] = ()
        if self.account is not None:
            self.account, effects = advance(self.account, self.name, now_ms, self.rules, self.ids)
        self.ledger.pass_time(now_ms)
        return self._scene(None, now_ms, effects)

    def _scene(self, event: dict[str, Any] | None, now_ms: int, effects: Iterable[Effect]) -> Scene:
        if self.account is not None:
            assert not (wrong := wrong_amounts(self.account)), wrong
        states, self._states = self._states, self._states[-1:]
        past, self._past = self._past, []
        effects = list(effects)
        rejected = next((one.reason for one in effects if isinstance(one, Rejected)), "")
        messages = [one for one in effects if isinstance(one, Reminder)]
        audits = [one for one in effects if isinstance(one, Audited)]
        return Scene(event, now_ms, states, messages, audits, rejected, past)


def played(rules: Rulebook, entries: Iterable[Entry], after_ms: int = 0) -> Iterator[Scene]:
    """All scenes of a life; at the end this much time passes."""
    player = Player(rules)
    now_ms = 0
    for arrival_ms, event in entries:
        now_ms = max(now_ms, arrival_ms)
        yield player.feed(event, now_ms)
    yield player.reach(now_ms + after_ms)


__all__ = ["Player", "Scene", "played", "to_ms"]
