"""Value-added services, roaming and SMS from subscribers, as stories from a seed.

A story is a few records that belong together: an order with its answer, a charge with its result, a
list and the numbers chosen from it, a trip. Stories overlap. So a subscriber can get two questions
at once, and answer the wrong one, too late, or not at all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from heapq import heappop, heappush, merge
from typing import Any, Literal, NamedTuple

import orjson

from streamproc.core.instants import DAY_MS, HOUR_MS, from_ms, to_ms
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.preferences import PREFERENCES
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.workload import WorkloadRecord, WorkloadSettings, generate

Channel = Literal["events", "commands"]
MINUTE_MS = 60_000


class Said(NamedTuple):
    """A record, and its input topic."""

    channel: Channel
    record: WorkloadRecord


def talk(settings: WorkloadSettings, rulebook: Rulebook, stories: int) -> Iterator[Said]:
    """The records of ``stories`` stories of the workload's subscribers, in order of arrival.

    Raises ValueError if the rulebook has no commands, services or zones for them.
    """
    return _Stories(settings, rulebook).records(stories)


def mixed(settings: WorkloadSettings, rulebook: Rulebook, stories: int) -> Iterator[WorkloadRecord]:
    """The month of usage with stories in between, for one topic that has both."""
    said = (one.record for one in talk(settings, rulebook, stories))
    yield from merge(generate(settings, rulebook), said, key=lambda one: one.timestamp_ms)


_LOOSE_TEXTS = (
    "hello",
    "谢谢",
    "STOP it now",
    "TD one",
    "",
    "1",
    "😀",
    "YZ 0",
    "MDR 25-7",
    "Y.",
    "no!",
)
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


class _Stories:
    def __init__(self, settings: WorkloadSettings, rulebook: Rulebook) -> None:
        self._settings = settings
        self._rules = rulebook
        self._random = random.Random(f"talk-{settings.seed}")
        self._services = sorted(rulebook.services)
        self._zones = [*sorted(rulebook.zones), "nowhere"]
        self._start_ms = to_ms(settings.start)
        self._waiting: list[tuple[int, int, Said]] = []
        self._serial = 0
        kinds = [self._trip] if rulebook.zones else []
        if rulebook.commands is not None:
            kinds += [self._question, self._question, self._choice, self._nonsense]
        if rulebook.services:
            kinds += [self._order, self._charge, self._charge, self._end]
        if not kinds:
            raise ValueError("the rules have no commands, services or roaming zones for stories")
        self._kinds = kinds

    def records(self, stories: int) -> Iterator[Said]:
        chance, settings = self._random, self._settings
        span_ms = settings.days * DAY_MS - HOUR_MS
        begins = sorted(chance.randrange(span_ms) for _ in range(stories))
        for offset_ms in begins:
            now_ms = self._start_ms + HOUR_MS + offset_ms
            yield from self._until(now_ms)
            name = f"86138{chance.randrange(settings.subscribers):08d}"
            chance.choice(self._kinds)(name, now_ms)
        yield from self._until(self._start_ms + (settings.days + 30) * DAY_MS)

    def _until(self, now_ms: int) -> Iterator[Said]:
        while self._waiting and self._waiting[0][0] <= now_ms:
            yield heappop(self._waiting)[2]

    # Stories

    def _order(self, name: str, now_ms: int) -> None:
        service = self._random.choice(self._services)
        self._event(name, now_ms, "service.requested", "vas", service=service)
        answered_ms = self._answer(name, now_ms)
        if answered_ms is not None:
            fields: dict[str, Any] = {"service": service}
            if self._random.random() < 0.7:
                days = self._random.randrange(1, 20)
                fields["next_charge_time"] = _iso(answered_ms + days * DAY_MS)
            at_ms = answered_ms + self._random.randrange(HOUR_MS)
            self._event(name, at_ms, "service.subscribed", "vas", **fields)

    def _charge(self, name: str, now_ms: int) -> None:
        """Usually correct, sometimes without confirmation, too much, or twice."""
        chance = self._random
        service = chance.choice(self._services)
        amount = self._rules.services[service].price_minor
        request = self._event(
            name, now_ms, "service.charge_requested", "billing",
            service=service, amount_minor=amount,
        )  # fmt: skip
        answered_ms = self._answer(name, now_ms)
        if answered_ms is None and chance.random() < 0.7:
            return
        at_ms = (answered_ms or now_ms) + chance.randrange(2 * HOUR_MS)
        charged = amount + (chance.random() < 0.1)
        for _ in range(2 if chance.random() < 0.1 else 1):
            self._event(
                name, at_ms, "service.charged", "billing",
                service=service, amount_minor=charged, request_id=request,
            )  # fmt: skip
            at_ms += chance.randrange(1, HOUR_MS)
        if chance.random() < 0.3:
            self._event(
                name, at_ms + DAY_MS, "service.refunded", "billing",
                service=service, amount_minor=2 * charged, charged_minor=charged,
            )  # fmt: skip

    def _end(self, name: str, now_ms: int) -> None:
        chance = self._random
        if self._rules.commands is not None:
            self._say(name, now_ms, chance.choice(("overview", "unsubscribe")))
            at_ms = now_ms + chance.randrange(5 * MINUTE_MS)
            if chance.random() < 0.2:
                self._say(name, at_ms, "unsubscribe_all")
            else:
                self._say(name, at_ms, "unsubscribe", f" {chance.randrange(1, 4)}")
        service = chance.choice(self._services)
        if chance.random() < 0.5:
            at_ms = now_ms + chance.randrange(DAY_MS)
            self._event(name, at_ms, "service.unsubscribed", "vas", service=service)

    def _trip(self, name: str, now_ms: int) -> None:
        chance = self._random
        for _ in range(chance.randrange(1, 4)):
            late_ms = chance.choice((0, 0, 0, 2 * HOUR_MS))
            zone = chance.choice(self._zones)
            self._event(name, now_ms, "location.updated", "hlr", late_ms, roaming_zone=zone)
            now_ms += chance.randrange(3 * DAY_MS)
        self._event(name, now_ms, "location.updated", "hlr", roaming_zone="home")

    def _question(self, name: str, now_ms: int) -> None:
        action = self._random.choice(("overview", "balance", "data_left", "help"))
        # Some subscribers ask again and again, until no reply comes any more.
        for _ in range(15 if self._random.random() < 0.05 else 1):
            self._say(name, now_ms, action)
            now_ms += self._random.randrange(1, MINUTE_MS)

    def _choice(self, name: str, now_ms: int) -> None:
        chance = self._random
        category = chance.choice(("", *(f" {one}" for one in self._rules.categories)))
        action, argument = chance.choice(
            (
                *((one.action, chance.choice(one.tries)) for one in PREFERENCES),
                ("stop", category),
                ("start", category),
            )
        )
        self._say(name, now_ms, action, argument)

    def _nonsense(self, name: str, now_ms: int) -> None:
        for _ in range(self._random.randrange(1, 4)):
            self._text(name, now_ms, self._random.choice(_LOOSE_TEXTS))
            now_ms += self._random.randrange(1, HOUR_MS)

    # Records

    def _answer(self, name: str, asked_ms: int) -> int | None:
        """Possibly an answer; returns its time if it is a yes."""
        chance = self._random
        if self._rules.commands is None or chance.random() < 0.25:
            return None
        at_ms = asked_ms + int(chance.expovariate(1 / (2 * HOUR_MS)))
        number = "" if chance.random() < 0.7 else str(chance.randrange(1, 5))
        is_yes = chance.random() < 0.75
        self._say(name, at_ms, "confirm" if is_yes else "refuse", number)
        return at_ms if is_yes else None

    def _say(self, name: str, at_ms: int, action: str, argument: str = "") -> None:
        commands = self._rules.commands
        assert isinstance(commands, Commands)
        text = f"{self._random.choice(commands.keywords[action])}{argument}"
        form = self._random.random()
        if form < 0.15:
            text = text.translate(_FULL_WIDTH)
        elif form < 0.3:
            text = f" {text.lower()}  "
        # Some SMS are delayed, so that they arrive after a question that they do not answer.
        late_ms = self._random.randrange(HOUR_MS) if self._random.random() < 0.05 else 0
        self._text(name, at_ms, text, late_ms)

    def _text(self, name: str, at_ms: int, text: str, late_ms: int = 0) -> None:
        event: dict[str, object] = {"type": "sms.received", "source": "smsc", "text": text}
        self._put("commands", name, at_ms, event, late_ms)

    def _event(
        self, name: str, at_ms: int, kind: str, source: str, late_ms: int = 0, **fields: Any
    ) -> str:
        event = {"type": kind, "source": source, **fields}
        return self._put("events", name, at_ms, event, late_ms)

    def _put(
        self, channel: Channel, name: str, at_ms: int, event: dict[str, object], late_ms: int = 0
    ) -> str:
        """Queue a record for its arrival; returns its event id."""
        self._serial += 1
        identity = f"t{self._serial}"
        event |= {"id": identity, "subscriber": name, "time": _iso(at_ms - late_ms)}
        record = WorkloadRecord(name.encode(), orjson.dumps(event), at_ms)
        heappush(self._waiting, (at_ms, self._serial, Said(channel, record)))
        if self._random.random() < self._settings.duplicate_share:
            again_ms = at_ms + self._random.randrange(1, HOUR_MS)
            again = Said(channel, record._replace(timestamp_ms=again_ms))
            heappush(self._waiting, (again_ms, self._serial, again))
        return identity


def _iso(instant_ms: int) -> str:
    text = from_ms(instant_ms).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"{text}Z"
