"""One contract of a subscriber, from activation to closing: cycles, buckets, due work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from streamproc.core.rules.plan_terms import Tariff
from streamproc.core.rules.rulebook import TOPUP_PRIORITY, Rulebook, Scope
from streamproc.lab.oracle import smaller
from streamproc.lab.oracle.buckets import (
    NEVER,
    Bucket,
    charge,
    end_of,
    in_charge_order,
    is_within,
    levels_passed,
    new_bucket,
    passed_by,
    remaining,
    scope_of,
    take_back,
)
from streamproc.lab.oracle.checks import looks, runs_out
from streamproc.lab.oracle.conversation import Conversation
from streamproc.lab.oracle.days import cycle_around
from streamproc.lab.oracle.gate import Gate, News, Reason
from streamproc.lab.oracle.looking_back import LookBack
from streamproc.lab.oracle.past import (
    KEPT_PACKS,
    charge_past,
    note_use,
    reached_by,
    standing,
    used_of,
)
from streamproc.lab.oracle.periods import Periods
from streamproc.lab.oracle.quota import Members, Money, cap_bucket, unusual
from streamproc.lab.oracle.reaching import (
    costs_now,
    figure_reaches,
    in_window,
    note_costly,
    stepped,
    thresholds,
)
from streamproc.lab.oracle.reading import Fields
from streamproc.lab.oracle.remembering import Memory, OracleEdge, most_urgent
from streamproc.lab.oracle.results import Expectation, PolicyKey
from streamproc.lab.oracle.speaking import WITHOUT_LEVEL
from streamproc.lab.oracle.timers import Timer, move, said_by, timers
from streamproc.lab.oracle.usage_spans import Spans

MAX_PARTS = 500

Cycle = dict[str, Any]
"""A closed cycle: ``start``, ``end`` (ms), ``granted``, ``used``, ``expired``, ``overage``,
``late``, ``rolled`` (bytes), ``spent`` (minor units) and ``endless`` (0 or 1); the ``contract`` it
is of, its ``number`` there, and its ``own`` buckets: those of the plan."""

PLAN_KINDS = ("allowance", "unlimited")

Level = int | tuple[int, int] | None
Reached = dict[str | int, tuple[float, set[tuple[str, Level]]]]
"""By place: bytes left, and the rules and thresholds that are reached; for rules about the start of
overage the price and its unit."""

YEAR_9999_MS = 253_370_764_800_000


class PolicyTold:
    """What the policy system has received about a subscriber."""

    def __init__(self) -> None:
        self.number = 0
        self.unusual: dict[tuple[str, str], tuple[str, str, int | None]] = {}


class Contract:
    """Names, numbers and time belong to the subscriber; results are added to ``outcome``."""

    def __init__(
        self,
        name: str,
        event: Fields,
        done_ms: int,
        history: list[Cycle],
        outcome: Expectation,
        next_grant: Callable[[], int],
        grant_count: Callable[[], int],
        told: PolicyTold,
    ) -> None:
        self.name = name
        self.next_grant = next_grant
        """Counts changes of grants; buckets are named by it."""
        self.grant_count = grant_count
        self.told = told
        self.money = Money()
        self.members = Members(name)
        self.uncrossed = False
        """A refund un-crossed a threshold, and the follow-up was not sent yet."""
        self.outcome = outcome
        self.plan: str = event["plan"]
        self.next_plan: str | None = None
        self.zone: str = event["time_zone"]
        self.anchor_day: int = event["billing_anchor_day"]
        self.since_ms: int = event["time"]
        self.closed_ms: int | None = None
        self.done_ms = done_ms
        """Work that fell due up to this instant is done, or will never be done."""
        self.history = history
        self.buckets: list[Bucket] = []
        """All buckets of the present cycle, with those that have ended."""
        self.gone: list[Bucket] = []
        """Packs that ended in earlier cycles with bytes left."""
        self.is_looking_back = False
        """Whether the buckets are those of an earlier instant for a while."""
        self.number = 0
        """Number of the present cycle."""
        self.overage = 0
        self.opted_out: set[str] = set()
        self.segments: set[str] = set()
        self.left_zones: list[tuple[str, int]] = []
        """Former time zones, each with its end."""
        self.look_again()
        self.start_ms, self.end_ms = cycle_around(self.since_ms, self.anchor_day, self.zone)
        self.conversation = Conversation(name, self.since_ms, self.zone, self.opted_out, outcome)
        self.gate = Gate(self)
        self.memory = Memory(self)
        self.periods = Periods()
        self.conversation.gate = self.gate
        self.last_use_ms = 0
        """Only known if there are inactivity rules."""
        self.use_log: dict[tuple[str, int], list[tuple[int, int]]] = {}
        """By velocity rule and its window: every usage event with its time and bytes."""
        self.costly: list[dict[str, Any]] = []
        """One example of each sort of usage that cost in this cycle before its readers could know
        it."""
        self.spans = Spans(self)
        self.is_freed = False
        """Whether bytes became free in this cycle after bought ones were used."""
        self.used_up: set[str] = set()
        """Sources of packs that were used up and have ended in this cycle."""
        self.foretold: dict[str, int] = {}
        """By forecast rule: the number of grants when its last reminder in this cycle was sent."""
        self.ends = 0
        self.ends_told: set[tuple[str, str]] = set()
        """Rules and buckets whose end was reported before the quiet hours changed."""

    def show(self, at_ms: int) -> None:
        """Show this contract, as it is at an instant, to watchers of the outcome."""
        if self.outcome.watch is not None:
            self.outcome.watch(self, at_ms)

    def terms(self) -> tuple[Any, ...]:
        """Everything that decides when, and to whom, a held message is sent."""
        owners = tuple((name, one["owner"]) for name, one in self.members.by_name.items())
        return self.zone, self.conversation.own_hours, frozenset(self.opted_out), owners

    def look_again(self) -> None:
        """Something changed, so occurrences found ahead in the almanacs are not valid any more."""
        self.seen_ahead: dict[tuple[str, str, time], Timer] = {}
        self.seen_from: dict[tuple[str, str, time], int] = {}
        """The next occurrence of each, with the instant after which it is the next."""

    def live(self) -> list[Bucket]:
        return in_charge_order([bucket for bucket in self.buckets if not bucket["over"]])

    def bucket_called(self, name: str) -> Bucket | None:
        """A live bucket, or the cap of a member of the pool."""
        for bucket in self.live():
            if bucket["id"] == name:
                return bucket
        member = self.members.by_name.get(name.removeprefix("member:"))
        if not name.startswith("member:") or member is None or member["cap"] is None:
            return None
        return cap_bucket(name.removeprefix("member:"), member, self.start_ms, self.end_ms)

    def bought(self) -> list[Bucket]:
        """Packs, top-ups and roll-overs: live ones, and those that ended with bytes left."""
        return [*self.gone, *(one for one in self.buckets if one["kind"] not in PLAN_KINDS)]

    def note_freed(self, rules: Rulebook) -> None:
        """A refund or a plan change: a bucket with bytes left may have been used up before."""
        kept = [one for one in self.buckets if not one["over"] or one["stays"]]
        is_bought = any(one["used"] for one in kept if one["kind"] not in PLAN_KINDS)
        self.is_freed = self.is_freed or (is_bought and bool(rules.scopes))

    def plans_own(self) -> list[Bucket]:
        """The allowances of the present cycle, with those that a plan change ended."""
        return [one for one in self.buckets if one["kind"] in PLAN_KINDS]

    def tariff_for(self, scope: Scope, rules: Rulebook) -> Tariff | None:
        """The first tariff of the plan that covers all usage of a scope; hours are ignored."""
        plan, by_day = rules.plans.get(self.plan), replace(scope, hours=None)
        for one in plan.all_tariffs if plan else ():
            if is_within(by_day, one.scope):
                return one
        return None

    def priced(self, rules: Rulebook) -> list[tuple[Tariff | None, int]]:
        """The overage of the present cycle under each tariff of the plan."""
        plan = rules.plans.get(self.plan)
        tariffs: list[Tariff | None] = [*plan.all_tariffs] if plan else [None]
        return [(one, self.money.bytes.get(one.id if one else "", 0)) for one in tariffs]

    def levels(self, rule: Any) -> list[int]:
        """The thresholds of a rule that are in force."""
        return thresholds(self, rule)

    def un_cross(self, rules: Rulebook) -> None:
        """A refund moved a bucket back below a threshold."""
        self.next_grant()
        self.uncrossed = self.uncrossed or bool(rules.correction_rules)

    # Time

    def next_moment(self, rules: Rulebook) -> float:
        """The next instant at which there is work."""
        moments = [float(self.end_ms)]
        moments += [end_of(bucket) for bucket in self.live()]
        moments += [timer.sent for timer in timers(self, rules, self.done_ms)]
        moments += self.conversation.moments(self.done_ms, self, rules)
        return min(*moments, *self.coming(rules))

    def coming(self, rules: Rulebook) -> list[float]:
        """The next instants of messages and checks. Usage can move them."""
        if self.closed_ms is not None:
            return [NEVER]
        looked = [float(at_ms) for at_ms, _ in looks(self, rules, self.done_ms)]
        return [NEVER, *self.gate.moments(), *looked]

    def do_moment(self, at_ms: int, rules: Rulebook) -> None:
        """Do everything of one instant. Reminders come first: they describe the state until
        then."""
        # A pack that arrived late can have ended earlier. Messages about it describe the present.
        now_ms = max(at_ms, self.done_ms)
        self.show(now_ms)
        due = [timer for timer in timers(self, rules, self.done_ms) if timer.sent == at_ms]
        timed = [said_by(timer) for timer in due]
        self.gate.go_on(now_ms, rules, timed)
        self.gate.offer(timed, at_ms, rules)
        self.at_hand().do_moment(at_ms, self.done_ms, self, rules)
        self._look(at_ms, rules)
        if at_ms >= self.end_ms:
            self.gate.last_call(now_ms, rules)
        ending = {
            rule.id: self._stands(rule, rules)
            for rule in rules.watch_rules
            if rule.kind in WITHOUT_LEVEL
        }
        ends = self.ends
        for bucket in self.live():
            if bucket["kind"] not in PLAN_KINDS and end_of(bucket) <= at_ms:
                if not remaining(bucket) and bucket["from_ms"] > self.start_ms:
                    # It is used up and has ended, and no earlier cycle could use it: neither late
                    # usage nor a refund can change it any more.
                    self.buckets.remove(bucket)
                    self.used_up.add(bucket["source"])
                self._expire(bucket)
        if self.ends > ends:
            self.spans.ended(now_ms)
        self.show(now_ms)
        is_end, is_other_plan = at_ms >= self.end_ms, self.next_plan is not None
        stopped = {one.rule.id for one in self.stops(rules)} if is_end else set()
        if at_ms >= self.end_ms:
            self._roll(rules)
            self.show(now_ms)
        gone = [
            OracleEdge(rule, None, None)
            for rule in rules.watch_rules
            if rule.id in ending and ending[rule.id] < self._stands(rule, rules)
        ]
        # A cycle can begin with a limit. That of another plan is reported, whatever was in force.
        begun = self.stops(rules) if is_end else []
        fired = stopped | {one.rule.id for one in gone}
        gone += [one for one in begun if one.rule.id not in fired]
        still = [one for one in begun if one.rule.id in stopped and is_other_plan]
        self._tell_edges(gone, now_ms, rules, still=still)
        self.judge(now_ms, rules)
        self.tell_policies(now_ms, rules)
        self.done_ms = now_ms

    def _stands(self, rule: Any, rules: Rulebook) -> int:
        """How many things a rule without levels is about now."""
        if rule.kind == "overage_started":
            return costs_now(self, rule.tariff or "", rules)
        return int(figure_reaches(self, rule, None, rules))

    def _look(self, at_ms: int, rules: Rulebook) -> None:
        """Checks of an instant, and rules whose validity begins then."""
        edges: list[OracleEdge] = []
        news: list[News] = []
        for when, rule in looks(self, rules, self.done_ms):
            if when != at_ms:
                continue
            reason = Reason("", None, at_ms)
            if rule.kind == "inactivity":
                news.append((rule, [reason]))
            elif rule.kind == "forecast":
                if runs_out(self, rule, at_ms, rules):
                    self.foretold[rule.id] = self.grant_count()
                    news.append((rule, [reason]))
            else:
                edges += self._reached_already(rule, rules)
        if edges or news:
            self._tell_edges(edges, at_ms, rules, also=news)

    def _reached_already(self, rule: Any, rules: Rulebook) -> list[OracleEdge]:
        if hasattr(rule, "bucket_kinds"):
            return [
                OracleEdge(rule, bucket, value)
                for bucket in self.live()
                for value in levels_passed(rule, thresholds(self, rule), bucket, 0, bucket["used"])
            ]
        levels: list[int | None] = [*thresholds(self, rule)] or [None]
        return [
            OracleEdge(rule, None, value)
            for value in levels
            if figure_reaches(self, rule, value, rules)
        ]

    def judge(self, at_ms: int, rules: Rulebook) -> None:
        """Send messages about reasons that this event has ended."""
        self.gate.offer(self.memory.judge(at_ms, rules), at_ms, rules)

    def _roll(self, rules: Rulebook) -> None:
        rolled = self._roll_over(rules)
        # Packs keep their own end; only the plan's buckets end with the cycle.
        for bucket in self.live():
            if bucket["kind"] in PLAN_KINDS:
                self._expire(bucket)
        self._remember_cycle(self.end_ms, rules)
        self.outcome.audit["cycle_closed"] += 1
        # After the expiry these are packs that continue in the next cycle.
        self.buckets = self.live()
        self.foretold = {}
        self.overage = 0
        self.costly = []
        self.used_up = set()
        self.is_freed = False
        self.spans.forget()
        self.money.new_cycle()
        for member in self.members.by_name.values():
            member["used"] = 0
        if self.next_plan is not None:
            self.plan, self.next_plan = self.next_plan, None
        self.start_ms = self.end_ms
        self.end_ms = cycle_around(self.end_ms, self.anchor_day, self.zone)[1]
        self.periods.begin_cycle(self, rules)
        self.grant_plan(rules)
        self.conversation.end_cycle(self.start_ms, rules)
        self.buckets += rolled
        if rolled:
            self.outcome.audit["rolled_over"] += len(rolled)

    def _roll_over(self, rules: Rulebook) -> list[Bucket]:
        """The allowances of this cycle that the plan rolls over."""
        rolled = []
        plan = rules.plans.get(self.plan)
        for one in plan.allowances if plan else ():
            bucket = next((b for b in self.live() if b["source"] == one.id), None)
            for candidate in self.live():
                if candidate["source"] == one.id and candidate["kind"] == "allowance":
                    bucket = candidate
                    break
            else:
                continue
            if one.rollover is None or not min(remaining(bucket), one.rollover.max_bytes):
                continue
            carried = min(remaining(bucket), one.rollover.max_bytes)
            bucket["rolled"] += carried
            ends_ms = self.end_ms
            for _ in range(one.rollover.cycles):
                _, ends_ms = cycle_around(ends_ms, self.anchor_day, self.zone)
            rolled.append(
                new_bucket(
                    f"{one.id}#{self.next_grant()}", "rollover", one.id,
                    bucket["priority"] + {"first": -1, "last": 1}[one.rollover.used],
                    self.end_ms, ends_ms, carried,
                )
            )  # fmt: skip
            bucket["roll"] = rolled[-1]
        return rolled

    def at_hand(self) -> Conversation:
        """The conversation, after it got the present figures."""
        self.conversation.live, self.conversation.overage = self.live(), self.overage
        self.conversation.plan, self.conversation.segments = self.plan, self.segments
        return self.conversation

    def grant_plan(self, rules: Rulebook) -> None:
        """Grant the plan's allowances for the present cycle; nothing if the plan is gone."""
        plan = rules.plans.get(self.plan)
        for one in plan.allowances if plan else ():
            self.buckets.append(
                new_bucket(
                    one.id, "unlimited" if one.unlimited else "allowance", one.id, one.priority,
                    self.start_ms, self.end_ms, one.granted_bytes,
                )
            )  # fmt: skip

    @property
    def is_full(self) -> bool:
        """Whether it has as many parts as a state record can hold: buckets, buckets of this cycle
        that ended and can still take late usage, opted-out categories, members."""
        ended = [bucket for bucket in self.buckets if bucket["over"] and bucket["stays"]]
        counts = (self.live(), ended, self.opted_out, self.members.by_name)
        return sum(len(one) for one in counts) >= MAX_PARTS

    def _expire(self, bucket: Bucket) -> None:
        is_old = bucket["from_ms"] <= self.start_ms
        bucket["stays"] = remaining(bucket) > 0 or bucket["kind"] in PLAN_KINDS or is_old
        bucket["expired"] += remaining(bucket)
        bucket["over"] = True
        self.ends += 1
        bucket["over_number"] = self.ends
        self.outcome.audit["bucket_expired"] += 1

    def _remember_cycle(self, end_ms: int, rules: Rulebook) -> None:
        own = [bucket for bucket in self.buckets if bucket["kind"] in PLAN_KINDS]
        start_ms = max(self.start_ms, self.since_ms)
        cycle = {
            "start": start_ms,
            "end": max(start_ms, end_ms),
            "granted": sum(bucket["granted"] for bucket in own),
            "used": sum(bucket["used"] for bucket in own),
            "expired": sum(bucket["expired"] for bucket in own),
            "overage": self.overage,
            "late": 0,
            "rolled": sum(bucket["rolled"] for bucket in own),
            "spent": sum(self.money.spent(self.plan, rules).values()),
            "endless": int(
                any(
                    bucket["kind"] == "unlimited" and bucket["source"] not in rules.scopes
                    for bucket in own
                )
            ),
            "contract": self,
            "number": self.number,
            "own": own,
        }
        self.history.append(cycle)
        # The most recent packs are kept, in the order in which they ended.
        packs = [one for one in self.buckets if one["over"] and one["kind"] not in PLAN_KINDS]
        packs.sort(key=lambda one: int(one["over_number"]))
        self.gone += packs[-KEPT_PACKS:]
        self.number += 1
        while len(self.history) > rules.limits.history_cycles:
            del self.history[0]

    # Usage

    def is_present(self, time_ms: int) -> bool:
        """Whether usage belongs to the present cycle of this contract."""
        return self.closed_ms is None and time_ms >= self.start_ms and time_ms >= self.since_ms

    def use(
        self, event: Fields, used: int, now_ms: int, rules: Rulebook, cycle: Cycle | None = None
    ) -> None:
        """Usage of the present cycle, or late usage of a closed ``cycle`` of this contract."""
        time_ms = event["time"]
        # Usage may reach a cost cap, and then data costs nothing more: see the ledger.
        last = self.gate.last_words(now_ms, rules)
        if last:
            self.show(now_ms)
        reached_before = self._account_levels(rules, time_ms)
        if any(rule.kind == "inactivity" for rule in rules.check_rules):
            self.last_use_ms = max(self.last_use_ms, time_ms)
        self.memory.before_use(time_ms, now_ms, rules)
        levels = {rule.id: thresholds(self, rule) for rule in rules.usage_rules}
        back: LookBack | None = None
        if cycle is None:
            back = LookBack(self, event, rules)
            before = [(one, one["used"]) for one in self.buckets]
            known = [(one, self._reached_of(one, levels, rules)) for one in self.buckets]
            grown = smaller.cover(self.buckets, event, used, self.zone, rules)
            rest = used - sum(took for _, took in grown)
            rest, others = charge(self.buckets, event, rest, self.zone, levels, rules)
            others = [one for one in others if not any(one[1] is bucket for bucket, _ in grown)]
            reached = [
                one
                for bucket, _ in grown
                for one in ([] if bucket["over"] else passed_by(bucket, 0, levels, rules))
                if not any(bucket is x and (one[0].id, one[2]) in so_far for x, so_far in known)
            ]
            reached += others
            late = sum(bool(one["over"] and one["used"] > used) for one, used in before)
            for bucket, used_before in before:
                self.spans.note(bucket, time_ms, bucket["used"] - used_before)
            if rest and self.spans.is_late(time_ms):
                displaced = self.spans.displace(event, rest, rules)
                late += bool(displaced)
                for bucket, used_before in displaced:
                    rest -= bucket["used"] - used_before
                    if not bucket["over"]:
                        reached += passed_by(bucket, used_before, levels, rules)
            self.overage += rest
            tariff = self.money.tariff(self.plan, event, rules)
            self.money.move(tariff, rest)
            if not rest:
                back = None
            else:
                note_costly(self, self._use_of(event, tariff), rules)
            for bucket, used_before in before:
                note_use(bucket, self.number, bucket["used"] - used_before)
        else:
            reached = charge_past(self, cycle, event, used, self.zone, levels, rules)
            late = 1
        member = event.get("member", "")
        edges = [OracleEdge(*one) for one in reached]
        if member and cycle is None:
            edges += self._use_of_member(member, used, rules)
        if late:
            self.outcome.audit["late_usage"] += late
        for rule in rules.watch_rules:
            if rule.kind == "velocity":
                self.use_log.setdefault((rule.id, rule.window_ms), []).append((time_ms, used))
        reached_now = self._account_levels(rules, 0)
        for rule in rules.watch_rules:
            if cycle is not None and rule.kind == "anomaly":
                continue  # the usual usage has changed, the used bytes have not
            new = [one for one in reached_now[rule.id] if one not in reached_before[rule.id]]
            if rule.kind == "overage_started":
                new = [None] if new else []
            edges += [OracleEdge(rule, None, value) for value in new]
        self.gate.say_last_words(last, now_ms, rules)
        if back is not None:
            back.tell({edge.rule.id for edge in edges}, now_ms)
        self._tell_edges(edges, now_ms, rules, member, is_use=True, counts=cycle is None)
        self.tell_policies(now_ms, rules)

    def _reached_of(self, bucket: Bucket, levels: Any, rules: Rulebook) -> set[tuple[str, int]]:
        """What a bucket has reached; asked only of those that a plan change left with less."""
        passed = passed_by(bucket, 0, levels, rules) if bucket.get("changes") else []
        return {(rule.id, value) for rule, _, value in passed}

    def _use_of(self, event: Fields, tariff: Tariff | None) -> dict[str, Any]:
        clocks = datetime.fromtimestamp(event["time"] // 1000, ZoneInfo(self.zone))
        return {
            "tariff": tariff.id if tariff else "",
            "group": event.get("rating_group", 0),
            "zone": event.get("roaming_zone", "home"),
            "minute": clocks.hour * 60 + clocks.minute,
        }

    def _account_levels(self, rules: Rulebook, time_ms: int) -> dict[str, list[int | None]]:
        """By rule about the account: every threshold that is reached, ascending. Windows first move
        to an instant."""
        found: dict[str, list[int | None]] = {}
        for rule in rules.watch_rules:
            if rule.kind == "every_bytes":
                # The last one: several steps at once are one reminder.
                step = rule.thresholds[0]
                steps = stepped(self, rule) // step
                found[rule.id] = [steps * step] if steps else []
            elif rule.kind == "overage_started":
                found[rule.id] = [*range(costs_now(self, rule.tariff or "", rules))]
            elif rule.kind == "velocity":
                fast = in_window(self, rule, time_ms)
                found[rule.id] = [one for one in rule.thresholds if fast >= one]
            else:
                levels: list[int | None] = [*rule.thresholds] or [None]
                found[rule.id] = [one for one in levels if figure_reaches(self, rule, one, rules)]
        return found

    def _tell_edges(
        self,
        edges: list[OracleEdge],
        at_ms: int,
        rules: Rulebook,
        member: str = "",
        also: list[News] | None = None,
        is_use: bool = False,
        counts: bool = False,
        still: list[OracleEdge] | None = None,
    ) -> None:
        """One message per rule and bucket, about the most urgent threshold. The edges in
        ``still`` fire again, whatever the memory says."""
        self.memory.says_again(still or [])
        fired = [*self.memory.fires(edges, at_ms, rules, counts), *(still or ())]
        news: list[News] = self.memory.judge(at_ms, rules) if is_use else []
        # Of two equally urgent messages, the one reached first is sent first.
        for name, about in dict.fromkeys((one.rule.id, one.about) for one in fired):
            some = [one for one in fired if (one.rule.id, one.about) == (name, about)]
            self.outcome.audit["superseded"] += len(some) - 1
            top = most_urgent(some)
            under = tuple(
                Reason(about, one.threshold, at_ms, member) for one in some if one is not top
            )
            news.append((top.rule, [Reason(about, top.threshold, at_ms, member, under)]))
        self.gate.offer([*news, *(also or ())], at_ms, rules)

    def reached_everywhere(self, rules: Rulebook) -> Reached:
        """For every bucket, cap and figure: bytes left (infinity if unlimited), and what is
        reached."""
        found: Reached = {}
        for bucket in [*self.live(), *self._caps()]:
            left = NEVER if bucket["kind"] == "unlimited" else float(remaining(bucket))
            levels: set[tuple[str, Level]] = {
                (rule.id, value)
                for rule in rules.usage_rules
                for value in levels_passed(rule, thresholds(self, rule), bucket, 0, bucket["used"])
            }
            found[self._place(bucket)] = (left, levels)
        figures: set[tuple[str, Level]] = set()
        for rule in rules.watch_rules:
            if rule.kind == "overage_started":
                if figure_reaches(self, rule, None, rules):
                    price = self.money.next_price(self.plan, rule.tariff or "", rules)
                    figures.add((rule.id, price))
                    count = costs_now(self, rule.tariff or "", rules)
                    figures |= {(rule.id, number) for number in range(count)}
            elif rule.kind in (*WITHOUT_LEVEL, "spend_amount", "spend_percent"):
                known: list[int | None] = [*thresholds(self, rule)] or [None]
                figures |= {
                    (rule.id, one) for one in known if figure_reaches(self, rule, one, rules)
                }
        found[""] = (NEVER, figures)
        return found

    def bars(self, rules: Rulebook) -> list[Any]:
        """Policies of the plan that bar data now because nothing is left."""
        now = dict(unusual(self.plan, self.buckets, self.overage, self.money, self.members, rules))
        plan = rules.plans.get(self.plan)
        return [
            one
            for one in (plan.policies if plan else ())
            if now.get((one.id, ""), ("", "", None))[:2] == ("barred", "nothing_left")
        ]

    def stops(self, rules: Rulebook, event: Fields | None = None) -> list[OracleEdge]:
        """What rules say about policies in force, as far as the data that an event buys meet
        them."""
        bought = scope_of((event or {}).get("pack", ""), rules)
        found = rules.plans.get(self.plan)
        now = dict(unusual(self.plan, self.buckets, self.overage, self.money, self.members, rules))
        limits: list[Any] = []
        for one in found.policies if found else ():
            if one.when != "member_cap" and (one.id, "") in now:
                by = [x.scope for x in found.all_tariffs if x.id == one.tariff] if found else []
                scope = by[0] if one.when == "cost_cap" and by else one.scope
                limits += [one] if scope.overlaps(bought) else []
        tellers = [rule for rule in rules.watch_rules if rule.kind == "access_limited"]
        told = {name for rule in tellers for name in rule.policies}
        caps = {one.tariff for one in limits if one.when == "cost_cap" and one.id not in told}
        edges: list[OracleEdge] = []
        for rule in rules.watch_rules:
            if rule in tellers and any(one.id in rule.policies for one in limits):
                edges.append(OracleEdge(rule, None, None))
            elif rule.kind == "spend_percent" and rule.cap_minor is None and rule.tariff in caps:
                edges += [OracleEdge(rule, None, one) for one in rule.thresholds if one == 100]
        return edges

    def tell_stops(self, at_ms: int, rules: Rulebook) -> None:
        """The contract begins: data may be barred or throttled from its first instant."""
        edges = self.stops(rules)
        if edges:
            self._tell_edges(edges, at_ms, rules)

    def tell_still(self, still: list[OracleEdge], at_ms: int, rules: Rulebook) -> None:
        """A purchase has left data barred or throttled."""
        if still:
            self._tell_edges([], at_ms, rules, still=still)

    def tell_loss(
        self,
        before: Reached,
        bars: list[Any],
        still: list[OracleEdge],
        member: str,
        at_ms: int,
        rules: Rulebook,
    ) -> None:
        """Something is reached now because less is left, not because of usage."""
        now = self.reached_everywhere(rules)
        levels = {rule.id: thresholds(self, rule) for rule in rules.usage_rules}
        edges: list[OracleEdge] = []
        barred = [] if bars else self.bars(rules)
        for bucket in [*self.live(), *self._caps()]:
            place = self._place(bucket)
            if place not in before and bucket["kind"] != "member":
                continue
            left, reached = before.get(place, (NEVER, set()))
            if not left and bucket["kind"] == "allowance" and now[place][0] == 0:
                scope = scope_of(bucket["source"], rules)
                if any(scope in (Scope(), one.scope) for one in barred):
                    left, reached = NEVER, set()
            if now[place][0] < left:
                edges += [
                    OracleEdge(rule, bucket, value)
                    for rule, bucket, value in passed_by(bucket, 0, levels, rules)
                    if (rule.id, value) not in reached
                ]
        new = now[""][1] - before[""][1]
        for rule in rules.watch_rules:
            known: list[int | None] = [*thresholds(self, rule)] or [None]
            for one in known:
                is_new = (rule.id, one) in new
                if barred and rule.kind == "zero_balance":
                    is_new = figure_reaches(self, rule, one, rules)
                if rule.kind == "overage_started":
                    is_new = any(name == rule.id for name, _ in new)
                if is_new:
                    edges.append(OracleEdge(rule, None, one))
        self._tell_edges(edges, at_ms, rules, member, still=still)

    def costs(self, rules: Rulebook) -> dict[str, int]:
        """By rule about the start of overage: how many sorts of usage cost now."""
        if self.closed_ms is not None:
            return {}
        return {
            rule.id: costs_now(self, rule.tariff or "", rules)
            for rule in rules.watch_rules
            if rule.kind == "overage_started"
        }

    def tell_costs(self, before: dict[str, int], at_ms: int, rules: Rulebook) -> None:
        """A refund moved the spend below a cap, so usage costs again that the cap had stopped."""
        now = self.costs(rules)
        edges = [
            OracleEdge(rule, None, None)
            for rule in rules.watch_rules
            if rule.id in before and now[rule.id] > before[rule.id]
        ]
        if edges:
            self._tell_edges(edges, at_ms, rules)

    def _caps(self) -> list[Bucket]:
        return [
            cap_bucket(name, one, self.start_ms, self.end_ms)
            for name, one in self.members.by_name.items()
            if one["cap"] is not None
        ]

    def _place(self, bucket: Bucket) -> str | int:
        """Identifies a bucket, also after a change of its name."""
        return str(bucket["id"]) if bucket["kind"] == "member" else id(bucket)

    def _use_of_member(self, name: str, used: int, rules: Rulebook) -> list[OracleEdge]:
        """The member's figure; returns what was reached of the cap."""
        member = self.members.by_name.get(name)
        if member is None:
            self.outcome.audit["unknown_member"] += 1
            return []
        cap, before = member["cap"], member["used"]
        member["used"] += used
        if cap is None:
            return []
        bucket = cap_bucket(name, member, self.start_ms, self.end_ms)
        levels = {rule.id: thresholds(self, rule) for rule in rules.usage_rules}
        return [OracleEdge(*one) for one in passed_by(bucket, min(before, cap), levels, rules)]

    def refund(self, event: Fields, now_ms: int, rules: Rulebook) -> int:
        """Take back usage of the present cycle; returns how many bytes."""
        tariff = self.money.tariff(self.plan, event, rules)
        name = tariff.id if tariff else ""
        wanted = event["refunded_bytes"]
        before = standing(self, rules)
        lost = smaller.never_used(
            self.buckets,
            event,
            self.zone,
            lambda one: used_of(one, self.number),
            self.overage,
            rules,
        )
        wanted -= sum(less for _, less in lost)
        from_overage = min(wanted, self.money.bytes.get(name, 0))
        # Overage is given back first: it is what the subscriber would pay for.
        self.overage -= from_overage
        self.money.move(tariff, -from_overage)
        given = take_back(self.buckets, event, wanted - from_overage, self.zone, self.number, rules)
        for bucket, _ in given:
            smaller.settle(bucket)
        for known, bucket in before:
            if known - reached_by(self, bucket, rules):
                self.un_cross(rules)
        total: int = from_overage + sum(back for _, back in (*lost, *given))
        member = self.members.by_name.get(event.get("member", ""))
        if member is not None and member["used"] and total:
            member["used"] = max(member["used"] - total, 0)
            self.next_grant()
        return total

    def follow_up(self, event: Fields, now_ms: int, is_applied: bool, rules: Rulebook) -> None:
        """The notice after refunds."""
        wanted = [
            rule
            for rule in rules.correction_rules
            if self.uncrossed or (is_applied and rule.when == "always")
        ]
        self.uncrossed = False
        if wanted:
            self.next_grant()
        reason = Reason("", None, now_ms, event.get("member", ""))
        self.gate.offer([(rule, [reason]) for rule in wanted], now_ms, rules)

    def tell_policies(self, at_ms: int, rules: Rulebook) -> None:
        """Send the policy states that differ from those sent last."""
        now = (
            dict(unusual(self.plan, self.buckets, self.overage, self.money, self.members, rules))
            if self.closed_ms is None
            else {}
        )
        told = self.told
        for key in [key for key in told.unusual if key not in now]:
            _, reason, _ = told.unusual.pop(key)
            self._tell(key, "restored", reason, None, at_ms, rules)
        for key, (state, reason, speed) in now.items():
            if told.unusual.get(key) != (state, reason, speed):
                told.unusual[key] = (state, reason, speed)
                self._tell(key, state, reason, speed, at_ms, rules)

    def _tell(
        self,
        key: tuple[str, str],
        state: str,
        reason: str,
        speed: int | None,
        at_ms: int,
        rules: Rulebook,
    ) -> None:
        self.told.number += 1
        spent = sum(self.money.spent(self.plan, rules).values())
        found = PolicyKey(
            self.name, self.told.number, *key, state, reason, speed, at_ms, self.overage, spent
        )
        self.outcome.policies[found] += 1

    # What happens to the contract

    def change_profile(self, event: Fields, now_ms: int, rules: Rulebook) -> None:
        if "segments" in event:
            self.segments = set(event["segments"])
        if "time_zone" in event and event["time_zone"] != self.zone:
            move(self, event["time_zone"], now_ms, rules)

    def change_plan(self, event: Fields, rules: Rulebook) -> bool:
        """Change the plan; returns whether that took effect at once."""
        if event.get("effective", "now") == "next_cycle" and event["time"] >= self.start_ms:
            self.next_plan = event["plan"]
            self.outcome.audit["plan_change_scheduled"] += 1
            return False
        self.money.settle(self.plan, rules)
        self.spans.forget()
        self.note_freed(rules)
        before = rules.plans.get(self.plan)
        whole: dict[str, int] = {
            one.id: one.granted_bytes for one in (before.allowances if before else ())
        }
        at_ms = min(max(event["time"], self.start_ms), self.end_ms)
        left = Fraction(1)
        if event.get("prorated", False) and event.get("effective", "now") == "now":
            left = Fraction(self.end_ms - at_ms, self.end_ms - self.start_ms)
        self.plan, self.next_plan = event["plan"], None
        self.outcome.audit["plan_changed"] += 1
        self.next_grant()
        wanted = list(rules.plans[self.plan].allowances)
        old = [bucket for bucket in self.live() if bucket["kind"] in PLAN_KINDS]
        names = {one.id for one in wanted}
        for one in wanted:
            same = [b for b in old if b["source"] == one.id]
            alike = [
                b
                for b in old
                if b["source"] not in names and scope_of(b["source"], rules) == one.scope
            ]
            heirs = same or alike
            if heirs:
                heir = heirs[0]
                old.remove(heir)
                granted = one.granted_bytes
                is_share = event.get("prorated", False) and event.get("effective", "now") == "now"
                if is_share:
                    over = floor(left * whole.get(str(heir["source"]), smaller.given_by_plan(heir)))
                    had = smaller.given_by_plan(heir)
                    granted = max(had - over, 0) + floor(one.granted_bytes * left)
                if one.unlimited:
                    smaller.forget(heir)
                else:
                    smaller.change(heir, event["time"], granted, self.overage, is_share)
                granted = heir["used"] if one.unlimited else max(granted, heir["used"])
                kind = "unlimited" if one.unlimited else "allowance"
                if heir["id"] != one.id:
                    self.gate.rename(heir["id"], one.id)
                    self.memory.rename(heir["id"], one.id)
                heir.update(id=one.id, source=one.id, priority=one.priority, granted=granted)
                heir["kind"] = kind
            else:
                self.buckets.append(
                    new_bucket(
                        one.id, "unlimited" if one.unlimited else "allowance", one.id,
                        one.priority, event["time"], self.end_ms,
                        floor(one.granted_bytes * left),
                    )
                )  # fmt: skip
        for bucket in old:
            bucket["ends_ms"] = max(event["time"], bucket["from_ms"])
            self._expire(bucket)
        return True

    def top_up(self, event: Fields, number: int, now_ms: int, rules: Rulebook) -> str | None:
        """Grant data; returns the reason of a reject, or None. ``number`` names a new bucket."""
        time_ms = event["time"]
        if "pack" in event:
            pack = rules.packs.get(event["pack"])
            if pack is None:
                return "unknown_pack"
            if not self._has_room(pack.granted_bytes):
                return "absurd_bytes"
            self.buckets.append(
                new_bucket(
                    f"{pack.id}#{number}", "pack", pack.id, pack.priority, time_ms,
                    time_ms + pack.validity_ms, pack.granted_bytes,
                )
            )  # fmt: skip
            self.spans.bought(self.buckets[-1], now_ms)
        else:
            ends_ms: int | None = event.get("expires_time")
            if ends_ms is not None and ends_ms <= time_ms:
                return "already_expired"
            if ends_ms is not None and ends_ms >= YEAR_9999_MS:
                ends_ms = None
            if not self._has_room(event["granted_bytes"]):
                return "absurd_bytes"
            same = [b for b in self.live() if b["kind"] == "topup" and b["ends_ms"] == ends_ms]
            if same:
                same[0]["granted"] += event["granted_bytes"]
            else:
                self.buckets.append(
                    new_bucket(
                        f"topup#{number}", "topup", "", TOPUP_PRIORITY, time_ms, ends_ms,
                        event["granted_bytes"],
                    )
                )  # fmt: skip
                self.spans.bought(self.buckets[-1], now_ms)
        self.outcome.audit["topped_up"] += 1
        return None

    def _has_room(self, granted: int) -> bool:
        """Whether bought bytes stay within half of what JSON can hold exactly."""
        bought = [b["granted"] for b in self.live() if b["kind"] not in PLAN_KINDS]
        return bool(sum(bought) + granted <= 2**52)

    def close(self, time_ms: int, rules: Rulebook) -> None:
        for bucket in self.live():
            if bucket["kind"] not in PLAN_KINDS:
                bucket["ends_ms"] = int(max(bucket["from_ms"], min(end_of(bucket), time_ms)))
                if not remaining(bucket) and bucket["from_ms"] > self.start_ms:
                    self.buckets.remove(bucket)
            self._expire(bucket)
        self.gate.end()
        self._remember_cycle(time_ms, rules)
        self.closed_ms = time_ms
        self.buckets = []
        self.outcome.audit["closed"] += 1
