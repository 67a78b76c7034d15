"""Law 16 word by word: a message is sent at the first instant at which nothing forbids it.

Every message to each recipient is kept, and every condition is checked against all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from streamproc.core.rules.rulebook import EVERYTHING, Rulebook
from streamproc.lab.oracle.buckets import COUNTING_DOWN, is_home_data, remaining, scope_of
from streamproc.lab.oracle.nights import Hours, day_without, end_of_night
from streamproc.lab.oracle.quota import unusual
from streamproc.lab.oracle.results import ReminderKey
from streamproc.lab.oracle.speaking import (
    OF_ACCOUNT,
    OF_BUCKETS,
    holds,
    is_notice,
    rule_called,
    say,
    speak,
    words,
)

if TYPE_CHECKING:
    from streamproc.lab.oracle.contract import Contract

MOST_LOWER = 20
"""How many superseded reasons of a letter are kept."""


class Reason(NamedTuple):
    """One reason for a message."""

    about: str
    """A bucket's id, or another name within its rule; empty: the account."""
    threshold: int | None
    noted_ms: int
    detail: Any = ""
    under: tuple[Reason, ...] = ()
    """Reasons about the same thing that this one supersedes."""


@dataclass(eq=False)
class Letter:
    """A message of a rule about one thing."""

    rule: str
    reason: Reason
    lower: list[Reason]
    """Superseded reasons, oldest first."""
    since_ms: int
    until_ms: int
    has_waited: bool = False
    readers: set[str] = field(default_factory=set)
    """Recipients who have got it already."""


class Delivered(NamedTuple):
    """A message that a recipient got."""

    at_ms: int
    to: str
    rule: str
    about: str
    quiet_until_ms: int
    """Until then the rule's cool-down lasts."""
    is_message: bool
    """False: another message covered it, and caps do not count it."""
    number: int
    """Number of the pass in which it was sent."""


LastWords = list[tuple[Letter, list[ReminderKey]]]
"""Letters about costs, and the message of each for its recipients."""

News = tuple[Any, list[Reason]]
"""A rule, and its reasons, each about another thing."""


class Gate:
    """All messages to one subscriber within a contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.told: list[Delivered] = []
        """Every message that any recipient got."""
        self.letters: list[Letter] = []
        """Letters that wait."""
        self.number = 0

    def offer(self, news: list[News], at_ms: int, rules: Rulebook) -> None:
        """New reasons at an instant."""
        letters = [
            Letter(rule.id, one, kept_of(rule, list(one.under), one.threshold), at_ms, at_ms)
            for rule, reasons in news
            for one in reasons
            if self._is_wanted(rule, at_ms)
        ]
        self._sort_out(letters, at_ms, rules)

    def go_on(self, at_ms: int, rules: Rulebook, newer: list[News]) -> None:
        """Letters that waited until an instant, unless the same rule has a new one about the same
        thing."""
        anew = {(rule.id, one.about) for rule, reasons in newer for one in reasons}
        free = []
        for letter in [one for one in self.letters if one.until_ms <= at_ms]:
            if (letter.rule, letter.reason.about) in anew:
                self._count("superseded")
                self.letters.remove(letter)
            else:
                free.append(letter)
        self._release(free, at_ms, rules)

    def last_call(self, at_ms: int, rules: Rulebook) -> None:
        """A cycle in which data cost ends while a letter about it waits: the letter describes that
        instant, and is sent as soon as it may be."""
        for letter in list(self.letters):
            rule = rule_called(letter.rule, rules)
            if rule is None or rule.kind != "overage_started":
                continue
            if not holds(self.contract, rule, letter.reason, at_ms, rules):
                continue
            self.letters.remove(letter)
            if self._is_wanted(rule, at_ms):
                self._send_ahead(letter, self.keys(letter, at_ms, rules), at_ms, rules)

    def last_words(self, at_ms: int, rules: Rulebook) -> LastWords:
        """The waiting letters about costs, as they would read now: the next step may end their
        reason."""
        return [
            (letter, self.keys(letter, at_ms, rules))
            for letter, rule in [(one, rule_called(one.rule, rules)) for one in self.letters]
            if rule is not None
            and rule.kind == "overage_started"
            and holds(self.contract, rule, letter.reason, at_ms, rules)
            and not self._left(rule)
            and is_in_force(rule, at_ms)
        ]

    def say_last_words(self, found: LastWords, at_ms: int, rules: Rulebook) -> None:
        """Send them although data does not cost any more, because it did."""
        for letter, keys in found:
            rule = rule_called(letter.rule, rules)
            spent = self.contract.money.spent(self.contract.plan, rules).get(rule.tariff or "", 0)
            if letter not in self.letters or not spent:
                continue
            if not holds(self.contract, rule, letter.reason, at_ms, rules):
                self.letters.remove(letter)
                self._send_ahead(letter, keys, at_ms, rules)

    def tell_of_the_past(self, found: LastWords, at_ms: int, rules: Rulebook) -> None:
        """Letters about costs that a purchase has ended since."""
        for letter, keys in found:
            rule = rule_called(letter.rule, rules)
            if self._is_wanted(rule, at_ms):
                self._send_ahead(letter, keys, at_ms, rules)

    def keys(self, letter: Letter, at_ms: int, rules: Rulebook) -> list[ReminderKey]:
        rule = rule_called(letter.rule, rules)
        found = [
            words(self.contract, rule, letter.reason, to, at_ms, rules)
            for to in self.readers(letter, rules)
        ]
        return [one for one in found if one is not None]

    def _send_ahead(
        self, letter: Letter, keys: list[ReminderKey], at_ms: int, rules: Rulebook
    ) -> None:
        """Made now, and delivered when nothing forbids it any more."""
        rule = rule_called(letter.rule, rules)
        self.number += 1
        for key in keys:
            to, cool_ms = key.recipient, rule.policy.cool_down_ms
            free_ms = self.first_free(letter, to, at_ms, rules)
            say(self.contract, rule, key)
            quiet_ms = free_ms + cool_ms if cool_ms else 0
            self.told.append(
                Delivered(
                    free_ms, to, letter.rule, letter.reason.about, quiet_ms, True, self.number
                )
            )

    def look_again(self, at_ms: int, rules: Rulebook) -> None:
        """Zone, quiet hours, opt-outs or members have changed."""
        free = []
        for letter in list(self.letters):
            rule = rule_called(letter.rule, rules)
            if rule is None:
                continue
            if self._left(rule):
                self._count("opted_out")
                self.letters.remove(letter)
                continue
            first_ms = self._first_for_any(letter, at_ms, rules)
            if first_ms == at_ms:
                free.append(letter)
            elif first_ms != letter.until_ms:
                letter.until_ms = first_ms
                self._count(self._why(letter, first_ms, at_ms, rules))
        self._release(free, at_ms, rules)

    def take_rules(self, now_ms: int, rules: Rulebook) -> None:
        """Letters for which the new rules mean another instant are checked at the next
        millisecond."""
        for letter in self.letters:
            rule = rule_called(letter.rule, rules)
            if rule is None or letter.until_ms <= now_ms:
                continue
            if self._first_for_any(letter, now_ms, rules) != letter.until_ms:
                letter.until_ms = max(now_ms, self.contract.done_ms + 1)

    def moments(self) -> list[float]:
        return [float(one.until_ms) for one in self.letters]

    def waits(self, rule: str, about: str, threshold: int | None) -> bool:
        """Whether no recipient got a message about a threshold yet, because it waits."""
        return any(
            one.rule == rule
            and not one.readers
            and any(
                (reason.about, reason.threshold) == (about, threshold)
                for reason in (one.reason, *one.lower)
            )
            for one in self.letters
        )

    def rename(self, old: str, new: str) -> None:
        """A bucket continues under another id."""
        for letter in self.letters:
            if letter.reason.about == old:
                letter.reason = letter.reason._replace(about=new)
                letter.lower = [one._replace(about=new) for one in letter.lower]

    def end(self) -> None:
        """The contract is over."""
        self._count("no_longer_true", len(self.letters))
        self.letters = []

    def _count(self, decision: str, times: int = 1) -> None:
        if times:
            self.contract.outcome.audit[decision] += times

    def _left(self, rule: Any) -> bool:
        return rule.category in self.contract.opted_out and not rule.mandatory

    def _is_wanted(self, rule: Any, at_ms: int) -> bool:
        if self._left(rule):
            self._count("opted_out")
            return False
        if not is_in_force(rule, at_ms):
            self._count("out_of_validity")
            return False
        return True

    def _release(self, letters: list[Letter], at_ms: int, rules: Rulebook) -> None:
        true = [one for one in letters if self.is_still_so(one, at_ms, rules)]
        self._sort_out(true, at_ms, rules)

    def is_still_so(self, letter: Letter, at_ms: int, rules: Rulebook) -> bool:
        """Let a letter report the highest reason that is true now; returns whether there is one."""
        rule = rule_called(letter.rule, rules)
        reasons = [letter.reason, *letter.lower]
        if rule is not None:
            # Several can have ended in one millisecond. Then the letter's own comes first.
            reasons.sort(key=lambda one: rank_of(rule, one), reverse=True)
        so = [
            one
            for one in reasons
            if rule is not None and holds(self.contract, rule, one, at_ms, rules)
        ]
        if letter.reason not in so:
            self._count("no_longer_true")
        if so:
            letter.reason = so[0]
            letter.lower = reasons[reasons.index(so[0]) + 1 :]
            if self._is_wanted(rule, at_ms):
                return True
        self.letters.remove(letter)
        return False

    def readers(self, letter: Letter, rules: Rulebook) -> list[str]:
        """The recipients of a letter who have not got it yet."""
        rule, reason = rule_called(letter.rule, rules), letter.reason
        if is_notice(letter.rule, rules):
            return [""]
        member = ""
        if rule.kind in OF_BUCKETS or rule.kind == "usage_corrected":
            member = reason.detail
        if reason.about.startswith("member:"):
            member = reason.about.removeprefix("member:")
        found = self.contract.members.recipients(rule.policy.audience, member)
        return [one for one in found if one not in letter.readers]

    def _sort_out(self, letters: list[Letter], at_ms: int, rules: Rulebook) -> None:
        """Every recipient gets what may be sent now, the most urgent first; the rest waits."""
        self.number += 1
        letters = sorted(letters, key=lambda one: urgency_of(one.rule, rules))
        joined = dict.fromkeys(self._with_its_like(one, rules) for one in letters)
        desk = _Desk(self, list(joined), at_ms, rules)
        for to in dict.fromkeys(to for one in desk.letters for to in self.readers(one, rules)):
            desk.serve(to)
        desk.close()

    def _with_its_like(self, letter: Letter, rules: Rulebook) -> Letter:
        """A new letter replaces one about the same thing that waits for the same recipients."""
        if letter.has_waited:
            return letter
        rule = rule_called(letter.rule, rules)
        for other in self.letters:
            if (other.rule, other.reason.about) != (letter.rule, letter.reason.about):
                continue
            if other.readers or self.readers(other, rules) != self.readers(letter, rules):
                continue
            self._count("superseded")
            known = [*other.lower, other.reason, *letter.lower]
            other.lower = kept_of(rule, known, letter.reason.threshold)
            other.reason, other.has_waited = letter.reason, False
            return other
        return letter

    def _first_for_any(self, letter: Letter, at_ms: int, rules: Rulebook) -> int:
        readers = self.readers(letter, rules)
        return min((self.first_free(letter, to, at_ms, rules) for to in readers), default=at_ms)

    def _why(self, letter: Letter, until_ms: int, at_ms: int, rules: Rulebook) -> str:
        """What delays the first recipient for whom a letter is free at an instant."""
        for to in self.readers(letter, rules):
            if self.first_free(letter, to, at_ms, rules) == until_ms:
                return self.forbids(letter, to, until_ms - 1, rules)[0]
        raise AssertionError("somebody reads it")

    def first_free(self, letter: Letter, to: str, at_ms: int, rules: Rulebook) -> int:
        """The first instant, from one on, at which nothing forbids a letter to a recipient."""
        coalesce_ms: int = rule_called(letter.rule, rules).policy.coalesce_ms
        ends = {at_ms, letter.since_ms + coalesce_ms}
        for telling in self.told:
            if telling.to == to:
                ends |= {telling.at_ms + cap.window_ms for cap in rules.alerts.caps}
                ends.add(telling.quiet_until_ms)
        ahead = [one for one in ends if one >= at_ms]
        rule, zone = rule_called(letter.rule, rules), self.contract.zone
        # One kind of hours can end where the other begins.
        for hours in self._hours_of(rule, rules) * 2:
            ahead += [end_of_night(one, hours, zone) for one in ahead]
        return next(one for one in sorted(ahead) if not self.forbids(letter, to, one, rules))

    def forbids(self, letter: Letter, to: str, at_ms: int, rules: Rulebook) -> list[str]:
        """Everything that forbids a letter to a recipient at an instant."""
        rule = rule_called(letter.rule, rules)
        told = [one for one in self.told if one.to == to]
        found = []
        coalesce_ms = rule.policy.coalesce_ms
        # Without coalescing, not even a reason with a later time delays it.
        if coalesce_ms and at_ms < letter.since_ms + coalesce_ms:
            found.append("coalescing")
        for one in told:
            # Letters about different things that are sent together count as one
            # message of the rule.
            is_other = one.number != self.number or one.about == letter.reason.about
            if one.rule == letter.rule and at_ms < one.quiet_until_ms and is_other:
                found.append("cool_down")
                break
        for cap in rules.alerts.caps:
            begin_ms = at_ms - cap.window_ms
            within = [one for one in told if one.is_message and one.at_ms > begin_ms]
            if len(within) >= cap.messages and not rule.mandatory:
                found.append("capped")
        for hours in self._hours_of(rule, rules):
            if end_of_night(at_ms, hours, self.contract.zone) > at_ms:
                found.append("quiet_hours")
                break
        return found

    def _hours_of(self, rule: Any, rules: Rulebook) -> list[Hours]:
        """All hours in which a rule is silent; its own hours count only if they leave some of the
        day."""
        chosen = self._hours(rules) if rule.policy.in_quiet_hours == "hold" else None
        quiet = [] if chosen is None else [chosen]
        of_rule = getattr(rule, "not_between", None)
        if of_rule is None:
            return quiet
        both = [*quiet, (of_rule.start, of_rule.end)]
        return both if day_without(both) else quiet

    def _hours(self, rules: Rulebook) -> Hours | None:
        """The subscriber's own quiet hours, or those of the rules."""
        own = self.contract.conversation.own_hours
        if own is not None:
            return None if own[0] == own[1] else own
        hours = rules.alerts.quiet_hours
        return None if hours is None else (hours.start, hours.end)


class _Desk:
    """Letters of one instant; decides which recipients get them now and which must wait."""

    def __init__(self, gate: Gate, letters: list[Letter], at_ms: int, rules: Rulebook) -> None:
        self.gate = gate
        self.letters = letters
        self.at_ms = at_ms
        self.rules = rules
        self.decisions: dict[Letter, set[tuple[str, int]]] = {}
        self.served: dict[Letter, set[str]] = {}
        self.drawn: dict[Letter, bool] = {}
        """Letters that waited for later, and whether they are still true."""

    def serve(self, to: str) -> None:
        """Everything that one recipient gets now."""
        gate, rules = self.gate, self.rules
        mine = [one for one in self.letters if to in gate.readers(one, rules)]
        while mine:
            first = mine[0]
            like_it = [one for one in mine if one is first or self._alike(one, first)]
            free = [one for one in like_it if self._first(one, to) == self.at_ms]
            if not free:
                until_ms = self._first(first, to)
                why = gate.forbids(first, to, until_ms - 1, rules)[0]
                self.decisions.setdefault(first, set()).add((why, until_ms))
                mine.remove(first)
                continue
            near = mine + self._drawn_by(free[0], to)
            like_free = [one for one in near if one is free[0] or self._alike(one, free[0])]
            leading = min(like_free, key=lambda one: urgency_of(one.rule, rules))
            read = [one for one in near if one is leading or self._alike(one, leading)]
            self._read(read, leading, to)
            mine = [one for one in mine if one not in read]

    def _first(self, letter: Letter, to: str) -> int:
        return self.gate.first_free(letter, to, self.at_ms, self.rules)

    def _drawn_by(self, free: Letter, to: str) -> list[Letter]:
        """Letters that wait for later and are merged with this one."""
        gate, found = self.gate, []
        for other in list(gate.letters):
            rule = rule_called(other.rule, self.rules)
            if other in self.letters or rule is None or not self._alike(other, free):
                continue
            if to not in gate.readers(other, self.rules) or to in self.served.get(other, ()):
                continue
            if other not in self.drawn:
                self.drawn[other] = gate.is_still_so(other, self.at_ms, self.rules)
            if self.drawn[other]:
                found.append(other)
        return found

    def _read(self, letters: list[Letter], leading: Letter, to: str) -> None:
        """Send one of them; it covers the others."""
        gate, rules = self.gate, self.rules
        own = [one for one in letters if self._is_same(one, leading)]
        rule = rule_called(leading.rule, rules)
        if own:
            has_levels = has_levels_of(rule)
            leading = max(
                own,
                key=lambda one: rank_of(rule, one.reason) if has_levels else one.reason.noted_ms,
            )
        speak(gate.contract, rule, leading.reason, to, self.at_ms, rules)
        for one in letters:
            cool_ms = rule_called(one.rule, rules).policy.cool_down_ms
            # Without a cool-down, not even usage with a later time delays it.
            quiet_ms = self.at_ms + cool_ms if cool_ms else 0
            about, is_sent = one.reason.about, one is leading
            gate.told.append(
                Delivered(self.at_ms, to, one.rule, about, quiet_ms, is_sent, gate.number)
            )
            self.served.setdefault(one, set()).add(to)
            if not is_sent:
                decision = "superseded" if self._is_same(one, leading) else "merged"
                self.decisions.setdefault(one, set()).add((decision, 0))

    def close(self) -> None:
        """Keep letters for the recipients who have not got them, and count everything."""
        gate = self.gate
        for letter in (*self.letters, *(one for one, so in self.drawn.items() if so)):
            letter.readers |= self.served.get(letter, set())
            waits = {until for _, until in self.decisions.get(letter, ()) if until}
            if waits:
                letter.until_ms = min(waits)
            if not gate.readers(letter, self.rules) or not (waits or letter in self.drawn):
                gate.letters = [one for one in gate.letters if one is not letter]
            elif letter not in gate.letters:
                gate.letters.append(letter)
        for letter, decisions in self.decisions.items():
            for decision, until_ms in decisions:
                # The delay of a recipient who must wait for others was audited before.
                if not until_ms or not letter.has_waited or letter not in self.served:
                    gate.contract.outcome.audit[decision] += 1
        for letter in self.letters:
            letter.has_waited = True

    def _is_same(self, one: Letter, other: Letter) -> bool:
        same = (one.rule, one.reason.about) == (other.rule, other.reason.about)
        return same and not is_notice(one.rule, self.rules)

    def _alike(self, one: Letter, other: Letter) -> bool:
        """Whether one of them is enough."""
        if self._is_same(one, other):
            return True
        first, second = rule_called(one.rule, self.rules), rule_called(other.rule, self.rules)
        group = first.policy.group
        if not group or group != second.policy.group:
            return False
        if is_notice(one.rule, self.rules) or is_notice(other.rule, self.rules):
            return False
        if self._has_price_of(one, other) or self._has_price_of(other, one):
            return True
        if first.mandatory and second.mandatory and fact_of(first) != fact_of(second):
            return False
        if self._hides_stop(one, other) or self._hides_stop(other, one):
            return False
        if self._hides_return(one, other) or self._hides_return(other, one):
            return False
        if one.reason.about == other.reason.about:
            return True
        if self._is_stop_of(one, other) or self._is_stop_of(other, one):
            return True
        used_up = {b["id"] for b in self.gate.contract.live() if not remaining(b)}
        return (first.kind == "zero_balance" and other.reason.about in used_up) or (
            second.kind == "zero_balance" and one.reason.about in used_up
        )

    def _is_stop_of(self, stop: Letter, empty: Letter) -> bool:
        """Whether the first says that data has stopped because of what the second says about a
        bucket. Then the first one is sent."""
        rule, contract = rule_called(stop.rule, self.rules), self.gate.contract
        if urgency_of(stop.rule, self.rules) >= urgency_of(empty.rule, self.rules):
            return False
        live = contract.live()
        spent = [one for one in live if one["id"] == empty.reason.about and not remaining(one)]
        plan = self.rules.plans.get(contract.plan)
        names = rule.policies if rule.kind == "access_limited" else ()
        terms = [one for one in (plan.policies if plan else ()) if one.id in names]
        terms = [one for one in terms if one.id in self._limits() and one.when != "member_cap"]
        is_stopped = any(one.when == "cost_cap" and not one.tariff for one in terms)
        if rule.kind == "spend_percent" and rule.tariff == "":
            is_stopped = contract.money.is_at_cap(contract.plan, "", self.rules)
        if is_stopped:
            home = [one for one in live if is_home_data(one, self.rules)]
            return not any(_has_more(one) for one in home) and any(one in home for one in spent)
        return any(
            scope_of(bucket["source"], self.rules) in (EVERYTHING, one.scope)
            for one in terms
            if one.when == "nothing_left"
            for bucket in spent
        )

    def _hides_stop(self, louder: Letter, stop: Letter) -> bool:
        """Whether the second says that data has stopped, and the first, which would be sent, does
        not."""
        rule, other = rule_called(stop.rule, self.rules), rule_called(louder.rule, self.rules)
        if rule.kind != "access_limited" or other.kind == "access_limited":
            return False
        if urgency_of(louder.rule, self.rules) > urgency_of(stop.rule, self.rules):
            return False
        is_of_cap = other.kind == "spend_percent" and other.cap_minor is None
        return not (is_of_cap and (louder.reason.threshold or 0) >= 100)

    def _hides_return(self, louder: Letter, back: Letter) -> bool:
        """Whether the second says that data works again, and the first, which would be sent, does
        not say how data is."""
        if not self._is_return(back) or self._is_return(louder):
            return False
        if urgency_of(louder.rule, self.rules) > urgency_of(back.rule, self.rules):
            return False
        other = rule_called(louder.rule, self.rules)
        if other.kind in ("access_limited", "overage_started"):
            return False
        is_of_cap = other.kind == "spend_percent" and other.cap_minor is None
        return not (is_of_cap and (louder.reason.threshold or 0) >= 100)

    def _is_return(self, letter: Letter) -> bool:
        if rule_called(letter.rule, self.rules).kind != "resolved":
            return False
        over = rule_called(letter.reason.detail, self.rules)
        if over is None or over.kind == "access_limited":
            return over is not None
        is_of_cap = over.kind == "spend_percent" and over.cap_minor is None
        return bool(is_of_cap and (letter.reason.threshold or 0) >= 100)

    def _limits(self) -> set[str]:
        """The policies that bar or throttle data now."""
        of = self.gate.contract
        now = unusual(of.plan, of.buckets, of.overage, of.money, of.members, self.rules)
        return {name for (name, _), _ in now}

    def _has_price_of(self, dear: Letter, empty: Letter) -> bool:
        """Whether the first says what the second says about a bucket for ordinary usage, and a
        price too. Then the first one is sent."""
        rule, buckets = rule_called(dear.rule, self.rules), self.gate.contract.live()
        if rule.kind != "overage_started" or rule.tariff:
            return False
        if urgency_of(dear.rule, self.rules) >= urgency_of(empty.rule, self.rules):
            return False
        if any(_has_more(one) and is_home_data(one, self.rules) for one in buckets):
            return False
        spent = [one for one in buckets if not remaining(one) and is_home_data(one, self.rules)]
        return empty.reason.about in [one["id"] for one in spent]


def _has_more(bucket: Any) -> bool:
    return bucket["kind"] == "unlimited" or remaining(bucket) > 0


def fact_of(rule: Any) -> str:
    """The fact that a rule reports, at any strength."""
    if rule.kind in OF_BUCKETS or rule.kind == "zero_balance":
        return "data"
    if rule.kind in ("spend_amount", "spend_percent", "overage_started"):
        return "money"
    return str(rule.kind)


def has_levels_of(rule: Any) -> bool:
    """Whether the highest of its reasons about one thing is sent."""
    return rule.kind in OF_BUCKETS or rule.kind in OF_ACCOUNT or rule.kind == "resolved"


def rank_of(rule: Any, reason: Reason) -> int:
    """The highest of a rule's reasons about one thing is sent; for reasons that are over, the
    last."""
    if rule.kind == "resolved":
        return reason.noted_ms
    threshold = -1 if reason.threshold is None else reason.threshold
    return -threshold if rule.kind in COUNTING_DOWN else threshold


def kept_of(rule: Any, reasons: list[Reason], threshold: int | None) -> list[Reason]:
    """The reasons to keep below one with this threshold; the last one of each threshold."""
    if not has_levels_of(rule):
        return []
    last = {one.threshold: one for one in reasons if one.threshold != threshold}
    kept = sorted(last.values(), key=lambda one: one.noted_ms)
    return kept if len(kept) <= MOST_LOWER else [kept[0], *kept[len(kept) - MOST_LOWER + 1 :]]


def is_in_force(rule: Any, at_ms: int) -> bool:
    return bool(rule.policy.valid_from_ms <= at_ms < rule.policy.valid_until_ms)


def urgency_of(name: str, rules: Rulebook) -> tuple[int, int, int]:
    rule = rule_called(name, rules)
    gravity = ("critical", "warning", "info").index(rule.policy.severity)
    return (0 if rule.mandatory else 1), gravity, rule.priority
