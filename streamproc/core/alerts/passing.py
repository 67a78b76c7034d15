"""Which recipient gets which of several messages at one instant, and which messages wait (law 16).

Recipients are processed one by one, the most urgent message first, so that a cap lets the most
important message through. A message can be sent if nothing delays it, or if nothing delays another
one about the same thing; of such messages the most urgent is sent. Cool-downs begin after the whole
pass: messages of one rule about different buckets that are due together count as one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from streamproc.core.alerts.audit_records import cause_of_release, of_waiting
from streamproc.core.alerts.delays import Delay, earliest, note_cooling, note_sent
from streamproc.core.alerts.judging import forget, judge, lower_marks
from streamproc.core.alerts.message import Candidate, Speakers, entry_of, recipients_left
from streamproc.core.alerts.sameness import are_told_together, is_same_telling
from streamproc.core.rules.sending import Spoken, urgency
from streamproc.core.state.account import rare_state_of
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment

_SAY: Final = "say"


class _Outcome(NamedTuple):
    """The result for a message: it is sent (``_SAY``), or an audit record with this decision."""

    decision: str
    until_ms: int = 0
    """End of the delay if the message is held; else 0."""


class Pass:
    """Messages of one instant during their pass through the gate."""

    def __init__(self, moment: Moment, wall_ms: int, speakers: Speakers, out: list[Effect]) -> None:
        self.moment = moment
        self.account = moment.account
        self.wall_ms = wall_ms
        self.rules = moment.rules
        self.speakers = speakers
        self.out = out
        self.entries: list[Candidate] = []
        self.taken_along: dict[int, Candidate | None] = {}
        """Messages that waited for later and were checked, by the identity of their state; None:
        dropped."""
        self.plan: dict[tuple[int, _Outcome], tuple[Candidate, list[str]]] = {}
        """The result for each message and its recipients, in the order of the decisions."""
        self.told: dict[int, list[str]] = {}
        """The recipients that have got a message, or another one in place of it."""
        self.cooling: list[tuple[str, Spoken]] = []
        self.cooling_ms: dict[tuple[str, str, str], int] = {}
        """End of a cool-down that begins now, by recipient, rule and bucket."""

    def run(self, entries: list[Candidate]) -> None:
        """Send or hold the messages."""
        joined = [self._joined(one) for one in sorted(entries, key=_urgency)]
        # Several new messages can have replaced the same waiting one.
        self.entries = list({id(one.waiting): one for one in joined}.values())
        # Each recipient has caps and cool-downs of their own, so each is decided separately.
        everybody: dict[str, list[Candidate]] = {}
        for entry in self.entries:
            for to in recipients_left(entry, self.moment):
                everybody.setdefault(to, []).append(entry)
        for to, own in everybody.items():
            self._tell(to, own)
        # After all recipients, so that messages of one rule about different buckets do not
        # delay one another.
        for to, rule in self.cooling:
            note_cooling(self.account, to, rule, self.moment.now_ms)
        for entry in self.entries:
            self._keep_or_forget(entry)
        for other in self.taken_along.values():
            if other is not None:
                self._keep_or_forget(other)
        self._carry_out()

    def _joined(self, entry: Candidate) -> Candidate:
        """A new message replaces a waiting one about the same thing."""
        if entry.is_held or self.account.extra is None:
            return entry
        speaker, rule, waiting, _ = entry
        mark = waiting.mark
        to = speaker.recipients(self.moment, rule, mark)
        for held in self.account.extra.waiting:
            if (held.speaker, held.rule, held.mark.bucket) != (speaker.name, rule.id, mark.bucket):
                continue
            # Only a message with the same recipients that none of them has got is replaced.
            # Otherwise a recipient could lose one of the two messages.
            if held.told or speaker.recipients(self.moment, rule, held.mark) != to:
                continue
            cause = waiting.cause
            self.out.append(of_waiting(self.moment.because(cause), "superseded", held, to))
            if speaker.order is not None:
                held.lower = lower_marks([*held.lower, held.mark, *waiting.lower], mark.threshold)
            held.marks = [mark]
            held.cycle_start_ms, held.cause = waiting.cycle_start_ms, cause
            return Candidate(speaker, rule, held, False)
        return entry

    def _tell(self, to: str, own: list[Candidate]) -> None:
        """Decide all messages of one recipient, the most urgent first."""
        pending = own
        while pending:
            first = pending[0]
            free, delay = self._free_one(to, pending)
            if free is None:
                self._plan(first, _Outcome(*delay), to)
                pending = pending[1:]
                continue
            # First all messages that this one can stand for, then the most urgent of them. The most
            # urgent one need not be the free one: its own delay does not matter if another message
            # about the same thing may be sent.
            near = [*pending, *self._waiting_near(to, free)]
            leader = min(
                (one for one in near if one is free or self._is_near(one, free)), key=_urgency
            )
            # "About the same thing" is not transitive, so compare with the leader again: it also
            # stands for messages that are not about the same thing as the free one.
            told = [one for one in near if one is leader or self._is_near(one, leader)]
            self._say(to, leader, told)
            pending = [one for one in pending if not any(one is other for other in told)]

    def _free_one(self, to: str, pending: list[Candidate]) -> tuple[Candidate | None, Delay]:
        """The first message that can be sent, or one that is merged with it; and the delay of the
        first if there is none."""
        first = pending[0]
        delay = self._delay(to, first)
        if delay.until_ms <= self.wall_ms:
            return first, delay
        for one in pending[1:]:
            if self._is_near(one, first) and self._delay(to, one).until_ms <= self.wall_ms:
                return one, delay
        return None, delay

    def _delay(self, to: str, entry: Candidate) -> Delay:
        rule = entry.rule
        cool_ms = self.cooling_ms.get((to, rule.id, entry.bucket), 0)
        since_ms = entry.waiting.since_ms
        return earliest(self.account, to, rule, since_ms, self.wall_ms, self.rules, cool_ms)

    def _is_near(self, one: Candidate, other: Candidate) -> bool:
        return are_told_together(one, other, self.account, self.rules)

    def _waiting_near(self, to: str, free: Candidate) -> list[Candidate]:
        """Messages about the same thing that wait for later. They are merged now if they are
        true."""
        if self.account.extra is None:
            return []
        now = {id(one.waiting) for one in self.entries}
        found = []
        for waiting in self.account.extra.waiting.copy():
            # A message can be near several free ones, but the recipient gets it once.
            if id(waiting) in now or to in self.told.get(id(waiting), ()):
                continue
            entry = entry_of(waiting, self.rules, self.speakers)
            if entry is None or not self._is_near(entry, free):
                continue
            if to in recipients_left(entry, self.moment) and self._is_true(entry):
                found.append(entry)
        return found

    def _is_true(self, entry: Candidate) -> bool:
        """Whether a message is true. It is checked once, and dropped if it is not true."""
        number = id(entry.waiting)
        if number not in self.taken_along:
            self.taken_along[number] = judge(self.moment, entry, self.out)
        return self.taken_along[number] is not None

    def _say(self, to: str, leader: Candidate, told: list[Candidate]) -> None:
        """Among messages of one rule, the one with the highest mark is sent; of summaries, which
        have no order, the latest."""
        order = leader.speaker.order or _latest
        same = [one for one in told if one is leader or is_same_telling(one, leader)]
        # A rule can have several marks at once. Only its highest may be sent, even if another
        # entry was first.
        leader = max(same, key=lambda one: order(one.rule, one.waiting.mark))
        for one in told:
            if one is not leader:
                decision = "superseded" if is_same_telling(one, leader) else "merged"
                self._plan(one, _Outcome(decision), to)
        self._plan(leader, _Outcome(_SAY), to)
        note_sent(self.account, to, self.moment.now_ms, self.rules)
        for one in told:
            self.told.setdefault(id(one.waiting), []).append(to)
            self.cooling.append((to, one.rule))
            cool_ms = one.rule.policy.cool_down_ms
            if cool_ms:
                self.cooling_ms[to, one.rule.id, one.bucket] = self.moment.now_ms + cool_ms

    def _plan(self, entry: Candidate, outcome: _Outcome, to: str) -> None:
        self.plan.setdefault((id(entry.waiting), outcome), (entry, []))[1].append(to)

    def _keep_or_forget(self, entry: Candidate) -> None:
        """Keep a message for the recipients that have not got it."""
        account, waiting = self.account, entry.waiting
        heard = self.told.get(id(waiting), [])
        left = [to for to in recipients_left(entry, self.moment) if to not in heard]
        if not left:
            forget(account, waiting)
            return
        waiting.told = [*waiting.told, *heard]
        delays = [
            until_ms for number, (_, until_ms) in self.plan if number == id(waiting) and until_ms
        ]
        # The earliest delay of any recipient: the message is looked at again then.
        if delays:
            waiting.until_ms = min(delays)
        extra = rare_state_of(account)
        if not any(one is waiting for one in extra.waiting):
            extra.waiting.append(waiting)
        account.next_due_ms = min(account.next_due_ms, waiting.until_ms)

    def _carry_out(self) -> None:
        """Make the messages and audit records that were decided, one for all recipients with the
        same result."""
        for (number, (decision, until_ms)), (entry, to) in self.plan.items():
            speaker, rule, waiting, is_held = entry
            is_said = decision == _SAY
            if until_ms and is_held and number in self.told:
                continue  # its delay, which lets others go first, is in the audit already
            cause = waiting.cause
            if is_held and (is_said or until_ms):
                cause = cause_of_release(waiting, self.moment.now_ms)
            moment = self.moment.because(cause)
            if is_said:
                self.out += speaker.say(moment, rule, waiting.mark, to, waiting.cycle_start_ms)
            else:
                self.out.append(of_waiting(moment, decision, waiting, to, until_ms))


def _urgency(entry: Candidate) -> tuple[bool, int, int]:
    return urgency(entry.rule)


def _latest(_: Spoken, mark: Mark) -> int:
    return mark.at_ms
