"""A play for people: the timeline of each subscriber, or what each phone shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import get_args

from msgspec import UNSET
from rich.text import Text

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Audited, Order, PolicyChanged, Rejected, Reminder
from streamproc.core.state.events import SmsReceived, UsageRecorded
from streamproc.core.texts.locales import given_in
from streamproc.core.texts.quantities import readable_bytes
from streamproc.tools.explain.decision_words import about
from streamproc.tools.explain.showing import Units, units_of
from streamproc.tools.play.balances import UNKNOWN, Balances
from streamproc.tools.play.bubbles import ASCII, ROUND, Bubble
from streamproc.tools.play.happening_words import (
    DROPPED,
    ENCODINGS,
    HELD,
    SAID_BY_THE_EVENT,
    TOLD_BY_ANOTHER,
    balance_words,
    beyond_words,
    changed_words,
    clock_of,
    day_of,
    event_words,
    instant_in,
    money,
    record_words,
    reject_words,
    together,
)
from streamproc.tools.play.playing import Played, PlayedInstant, decisions, spoken_ms
from streamproc.tools.play.reading import BadLine, EventLine
from streamproc.tools.wrapping import lines_of

SENDER = "STREAMPROC"
SHOWN_BAD = 100
MARGIN = 11
"""Cells before the description: they show the time of day."""
COUNTED = (
    (HELD, "held"),
    (TOLD_BY_ANOTHER, "covered by another message"),
    (DROPPED, "dropped"),
    (frozenset({"duplicate"}), "repeated"),
)
"""Decisions that are counted, and the words of the count."""


@dataclass(frozen=True)
class PlayLook:
    """How a play is shown."""

    width: int = 80
    is_terminal: bool = False
    """Whether it may use characters that draw lines."""
    sender: str = ""
    """Sender of the messages; empty: the rules' brand."""
    every_event: bool = False
    """Whether usage without effects is shown event by event; otherwise it is summed up."""


class PlayView:
    """How one play is shown."""

    def __init__(self, played: Played, rules: Rulebook, look: PlayLook) -> None:
        self._played = played
        self._rules = rules
        self._look = look
        self._units: Units = units_of(rules)
        self._lines = played.lines()
        self._is_one_file = len({line.file for line in self._lines.values()}) < 2
        self._frame = ROUND if look.is_terminal else ASCII
        self._rule = ("━" if look.is_terminal else "=") * look.width

    def timeline(self, subscribers: Iterable[str]) -> Iterator[Text]:
        """Everything that happened, one subscriber after the other."""
        by_subscriber = self._played.by_subscriber()
        for subscriber in subscribers:
            moments = by_subscriber[subscriber]
            yield from self._heading(subscriber, moments)
            yield from self._days(moments)
            yield from self._ending(moments[-1])
            yield Text()

    def no_events(self, bad: Sequence[BadLine]) -> Iterator[Text]:
        """Lines that no subscriber's timeline shows, because they are not events."""
        if not bad:
            return
        yield Text("Not events", "bold")
        yield Text(self._rule, "dim")
        is_one_file = self._is_one_file and len({one.file for one in bad}) == 1
        for one in bad[:SHOWN_BAD]:
            place = f"line {one.line}" if is_one_file else f"{Path(one.file).name}:{one.line}"
            yield from self._indented(f"REJECTED ({place}): {one.reason}", "bold red")
        if len(bad) > SHOWN_BAD:
            yield from self._indented(f"and {len(bad) - SHOWN_BAD:,} more", "bold red")
        yield Text()

    def phones(self, subscribers: Iterable[str]) -> Iterator[Text]:
        """What each phone shows: SMS to it, and from it."""
        wanted = set(subscribers)
        phones: dict[str, list[tuple[int, int, str, Bubble]]] = {}
        for moment in self._played.moments:
            if moment.subscriber not in wanted:
                continue
            event = moment.line.event if moment.line else None
            if isinstance(event, SmsReceived):
                mine = Bubble("me", event.text, "", is_mine=True)
                place = (moment.time_ms, len(phones), moment.time_zone, mine)
                phones.setdefault(moment.subscriber, []).append(place)
            for reminder in moment.of(Reminder):
                phone = reminder.recipient or reminder.subscriber
                bubble = self._bubble(reminder, "")
                place = (spoken_ms(reminder), len(phones), moment.time_zone, bubble)
                phones.setdefault(phone, []).append(place)
        for phone, shown in phones.items():
            yield from self._phone(phone, shown)
        if not phones:
            yield Text("No phone received or sent an SMS.")
            yield Text()

    def summary(self, bad_lines: int, left_out: int = 0) -> Iterator[str]:
        """Totals, and the end of the play, as sentences."""
        played = self._played
        parts = sum(one.segments for moment in played.moments for one in moment.of(Reminder))
        told = [
            f"{_count(played.events, 'event')} of {_count(len(played.subscribers), 'subscriber')}",
            f"{played.count(Reminder):,} SMS ({_count(parts, 'part')})",
        ]
        audits = [one for moment in played.moments for one in decisions(moment)]
        for names, words in COUNTED:
            count = sum(one.decision in names for one in audits)
            if count:
                told.append(f"{count:,} {words}")
        orders = sum(played.count(kind) for kind in ORDERS)
        for count, noun in ((played.count(PolicyChanged), "policy change"), (orders, "order")):
            if count:
                told.append(_count(count, noun))
        if played.count(Rejected):
            told.append(f"{_count(played.count(Rejected), 'event')} REJECTED")
        yield f"{', '.join(told)}."
        zone = played.moments[0].time_zone if played.moments else "UTC"
        until = f"Played until {instant_in(zone)(played.until_ms)} ({zone})"
        if played.is_default_end:
            until += ", a day after the last billing cycle that an event was in"
        yield f"{until}."
        if played.left_out:
            yield f"Left out, because they are later: {_count(played.left_out, 'event')}."
        if left_out:
            yield f"Left out by the mapping: {_count(left_out, 'record')}."
        if bad_lines:
            yield f"Bad lines: {bad_lines:,}; the rest was played."

    # One subscriber.

    def _heading(self, subscriber: str, moments: list[PlayedInstant]) -> Iterator[Text]:
        yield Text(f"{subscriber}, times in {moments[0].time_zone}", "bold")
        yield Text(self._rule, "dim")

    def _days(self, moments: list[PlayedInstant]) -> Iterator[Text]:
        day = zone = ""
        for group in self._grouped(moments):
            first = group[0]
            today = day_of(first.time_ms, first.time_zone)
            if today != day or (zone and first.time_zone != zone):
                named = f" ({first.time_zone})" if zone and first.time_zone != zone else ""
                if day:
                    yield Text()
                yield Text(f"{today}{named}", "bold")
            day, zone = today, first.time_zone
            yield from self._moments(group)

    def _grouped(self, moments: list[PlayedInstant]) -> Iterator[list[PlayedInstant]]:
        """Usage of one day without effects is one group; every other moment is a group of its
        own."""

        def key(moment: PlayedInstant) -> object:
            if self._look.every_event or not _is_quiet_usage(moment):
                return moment.number
            return day_of(moment.time_ms, moment.time_zone)

        for _, group in groupby(moments, key):
            yield list(group)

    def _moments(self, group: list[PlayedInstant]) -> Iterator[Text]:
        first, last = group[0], group[-1]
        clock = clock_of(first.time_ms, first.time_zone)
        if len(group) == 1:
            yield from self._titled(clock, self._title(first), self._source(first))
        else:
            until = clock_of(last.time_ms, last.time_zone)
            used = sum(
                one.line.event.used_bytes
                for one in group
                if one.line and isinstance(one.line.event, UsageRecorded)
            )
            title = f"{readable_bytes(used)} used by {len(group):,} events until {until}"
            yield from self._titled(clock, title, "")
        yield from self._balances(first.before, last.after, last.time_zone)
        for moment in group:
            yield from self._effects(moment)

    def _title(self, moment: PlayedInstant) -> str:
        if moment.line is None:
            return "(time passed)"
        told = event_words(moment.line.event)
        if moment.is_late:
            at = instant_in(moment.time_zone)(moment.line.time_ms)
            return f"{told}, at {at}: it arrived late"
        return told

    def _source(self, moment: PlayedInstant) -> str:
        return self._named(moment.line) if moment.line else ""

    def _named(self, line: EventLine) -> str:
        return (
            f"line {line.number}" if self._is_one_file else f"{Path(line.file).name}:{line.number}"
        )

    def _titled(self, clock: str, title: str, source: str) -> Iterator[Text]:
        room = self._look.width - MARGIN - len(source) - 2
        for number, part in enumerate(lines_of(title, max(room, 20))):
            line = Text(f"  {clock if number == 0 else '':{MARGIN - 2}}", "bold")
            line.append(part)
            if number == 0 and source:
                line.append(" " * max(self._look.width - line.cell_len - len(source), 1))
                line.append(source, "dim")
            yield line

    def _balances(
        self, before: Balances | None, after: Balances | None, zone: str
    ) -> Iterator[Text]:
        for told in changed_words(before, after, instant_in(zone)):
            yield from self._indented(told, "cyan")
        beyond = beyond_words(before, after, self._rules.currency)
        if beyond:
            yield from self._indented(beyond, "magenta")

    def _effects(self, moment: PlayedInstant) -> Iterator[Text]:
        fired = {one.reminder: one for one in moment.of(Audited) if one.decision == "fired"}
        for effect in moment.effects:
            if isinstance(effect, Reminder):
                yield from self._message(effect, moment, fired.get(effect.id))
            elif isinstance(effect, Rejected):
                yield from self._reject(effect, moment)
            elif not isinstance(effect, Audited):
                yield from self._indented(record_words(effect)[1], "magenta")
        said = SAID_BY_THE_EVENT if moment.line else frozenset()
        others = [one for one in decisions(moment) if one.decision not in said]
        for told, audit in together(others, self._units, instant_in(moment.time_zone)):
            yield from self._indented(told, _style(audit))

    def _reject(self, reject: Rejected, moment: PlayedInstant) -> Iterator[Text]:
        line = self._lines[reject.offset]
        is_here = moment.line is not None and moment.line.place == line.place
        named = "" if is_here else f" ({self._named(line)})"
        told = reject_words(reject, line.event, self._rules)
        yield from self._indented(f"REJECTED{named}: {told}", "bold red")

    def _message(
        self, reminder: Reminder, moment: PlayedInstant, audit: Audited | None
    ) -> Iterator[Text]:
        spoken = spoken_ms(reminder)
        at = "" if spoken <= moment.time_ms else instant_in(moment.time_zone)(spoken)
        bubble = self._bubble(reminder, at, audit)
        for line in bubble.lines(self._look.width - MARGIN, self._frame):
            yield Text(" " * MARGIN) + line
        others = reminder.channel_texts
        for channel, text in others.items() if others is not UNSET else ():
            yield from self._indented(f"{channel}: {text}", "green")

    def _bubble(self, reminder: Reminder, at: str, audit: Audited | None = None) -> Bubble:
        head = f"SMS from {self.sender(reminder.locale)}"
        if reminder.recipient:
            head += f" to {reminder.recipient}"
        if at:
            head += f", {at}"
        unit = reminder.threshold.unit if reminder.threshold else None
        rule = reminder.rule if audit is None else about(audit, unit)
        encoding = ENCODINGS.get(reminder.encoding, reminder.encoding)
        foot = f"{rule}, {reminder.locale}, {_count(reminder.segments, 'part')} ({encoding})"
        return Bubble(head, reminder.text, foot, reminder.locale)

    def sender(self, locale: str) -> str:
        """The sender of messages in a locale."""
        words = given_in(self._rules.wording, locale, self._rules.default_locale)
        return self._look.sender or words.get("brand", SENDER)

    def _ending(self, moment: PlayedInstant) -> Iterator[Text]:
        zone, after = moment.time_zone, moment.after
        when = instant_in(zone)(self._played.until_ms)
        yield Text()
        if after is None or after.status == UNKNOWN:
            yield Text(f"At the end ({when}): no activation is known.", "bold")
            return
        yield Text(f"At the end ({when}): {after.status}, plan {after.plan}", "bold")
        for bucket in after.buckets:
            until = (
                ""
                if bucket.expires_ms is None
                else (f", until {instant_in(zone)(bucket.expires_ms)}")
            )
            yield from self._indented(f"{bucket.id}: {balance_words(bucket)}{until}", "cyan")
        if after.overage_bytes:
            price = f" ({money(after.spend_minor, self._rules.currency)})"
            beyond = readable_bytes(after.overage_bytes)
            told = f"overage: {beyond}{price if after.spend_minor else ''}"
            yield from self._indented(told, "magenta")

    def _phone(self, phone: str, shown: list[tuple[int, int, str, Bubble]]) -> Iterator[Text]:
        shown.sort(key=lambda one: one[0])
        zone = shown[0][2]
        yield Text(f"Phone {phone}, times in {zone}", "bold")
        yield Text(self._rule, "dim")
        day = ""
        for time_ms, _, own_zone, bubble in shown:
            today = day_of(time_ms, own_zone)
            if today != day:
                yield Text(today, "bold")
                day = today
            lines = bubble.lines(self._look.width - MARGIN, self._frame)
            for number, line in enumerate(lines):
                clock = clock_of(time_ms, own_zone) if number == 0 else ""
                indent = self._look.width - MARGIN - line.cell_len if bubble.is_mine else 0
                yield Text(f"  {clock:{MARGIN - 2}}{' ' * indent}", "bold") + line
        yield Text()

    def _indented(self, told: str, style: str) -> Iterator[Text]:
        room = max(self._look.width - MARGIN - 2, 20)
        for number, part in enumerate(lines_of(told, room)):
            yield Text(" " * (MARGIN if number == 0 else MARGIN + 2) + part, style)


ORDERS = get_args(Order)
"""Records for billing."""


def _is_quiet_usage(moment: PlayedInstant) -> bool:
    return (
        moment.line is not None
        and isinstance(moment.line.event, UsageRecorded)
        and not moment.effects
        and not moment.is_late
    )


def _style(audit: Audited) -> str:
    return "yellow" if audit.decision in HELD else "dim"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
