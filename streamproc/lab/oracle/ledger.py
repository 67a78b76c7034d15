"""One subscriber: every event in order of arrival, and the work due in between."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.oracle import choosing
from streamproc.lab.oracle.buckets import NEVER
from streamproc.lab.oracle.contract import Contract, Cycle, PolicyTold
from streamproc.lab.oracle.past import charge_past, refund_past
from streamproc.lab.oracle.reading import Fields, spells_a_number
from streamproc.lab.oracle.remembering import OracleEdge
from streamproc.lab.oracle.results import Expectation, ExpectedAccount, ShownBucket
from streamproc.lab.oracle.timers import change_hours

ADDING = (
    *("account.plan_changed", "account.topped_up"),
    *("account.opted_out", "account.member_joined"),
)
"""Events that can add a part to an account."""
LESSENING = (
    *("account.plan_changed", "account.member_joined"),
    *("account.cost_cap_lifted", "account.cost_cap_restored"),
)
"""Events that can leave less than before, or make the next byte cost."""
TOTALS = (
    *("start", "end", "granted", "used", "expired", "overage", "late", "rolled", "spent"),
    "endless",
)
SETTING = (
    *("account.activated", "account.plan_changed", "account.topped_up"),
    "account.closed",
)
"""Events whose time is the start or end of a validity."""
DAY_MS = 86_400_000


class SubscriberLedger:
    """Results of all subscribers are added to the one ``outcome``."""

    def __init__(self, name: str, rules: Rulebook, outcome: Expectation) -> None:
        self.name = name
        self.rules = rules
        self.outcome = outcome
        self._forget()

    def _forget(self) -> None:
        self.contract: Contract | None = None
        self.waiting: list[tuple[Fields, int]] = []
        """Events before the first activation, with their arrival."""
        self.ahead: list[tuple[Fields, int]] = []
        """Events of a contract that arrived before their time, with their arrival."""
        self.ids: dict[tuple[str, str], int] = {}
        """Identities that counted, with the first day on which they are forgotten."""
        self.history: list[Cycle] = []
        self.grants = 0
        self.charged = 0
        self.told = PolicyTold()
        self.next_moment: float = NEVER

    def arrive(self, event: Fields, arrival_ms: int) -> None:
        """An event arrives."""
        self._arrive(event, arrival_ms)
        if self.contract is not None:
            self.contract.show(max(self.contract.done_ms, arrival_ms))

    def _arrive(self, event: Fields, arrival_ms: int) -> None:
        limits, time_ms = self.rules.limits, event["time"]
        if any(
            spells_a_number(event.get(name, ""), limits.subscribers)
            for name in ("subscriber", "member")
        ):
            return self._reject("subscriber_form")
        if time_ms > arrival_ms + limits.max_ahead_ms:
            return self._reject("time_in_future")
        if time_ms < arrival_ms - self._oldest_ms(event["source"]):
            return self._reject("time_in_past")
        self.pass_time(arrival_ms)
        if self.contract is None:
            return self._first(event, arrival_ms)
        now_ms = max(arrival_ms, self.contract.done_ms)
        # The event's time is ahead of the clock. The event waits if something else happens before
        # that time, and some kinds always wait.
        if time_ms > now_ms:
            until = min([self._next_of_contract(), *(one["time"] for one, _ in self.ahead)])
            if time_ms >= until or event["type"] in SETTING:
                return self._put_off(event, arrival_ms)
        return self._apply(event, arrival_ms, now_ms)

    def _put_off(self, event: Fields, arrival_ms: int) -> None:
        """Let an event wait until the clock reaches its time."""
        if self._is_known((event["source"], event["id"]), arrival_ms):
            self.outcome.audit["duplicate"] += 1
        elif len(self.ahead) >= self.rules.limits.hold_max_events:
            self._reject("time_in_future")
        else:
            self.ahead.append((event, arrival_ms))
            self.outcome.audit["held"] += 1

    def _apply(self, event: Fields, arrival_ms: int, now_ms: int) -> None:
        assert self.contract is not None
        identity = (event["source"], event["id"])
        if self._is_known(identity, arrival_ms):
            self.outcome.audit["duplicate"] += 1
            return None
        also: tuple[str, str] | None = None
        if event["type"] == "usage.recorded":
            reason = self._use(event, now_ms)
            self.next_moment = min(self.next_moment, *self.contract.coming(self.rules))
        else:
            contract, terms = self.contract, self.contract.terms()
            costs: dict[str, int] = {}
            stops, grants = self._stops(event), self.grants
            # The event may end the cost that a waiting message reports. The message is sent all the
            # same, because the data did cost.
            last = contract.gate.last_words(now_ms, self.rules)
            if last:
                contract.show(now_ms)
            if event["type"] == "usage.refunded":
                costs = contract.costs(self.rules)
                reason, also = self._refund(event, arrival_ms, now_ms)
                contract.gate.say_last_words(last, now_ms, self.rules)
            elif event["type"] in LESSENING:
                before = self.contract.reached_everywhere(self.rules)
                bars = self.contract.bars(self.rules)
                reason = self._change(event, now_ms)
                contract.gate.say_last_words(last, now_ms, self.rules)
                self.contract.judge(now_ms, self.rules)
                still = self._still(event, stops, grants)
                member = event.get("member", "")
                self.contract.tell_loss(before, bars, still, member, now_ms, self.rules)
            else:
                chosen = list(contract.conversation.own_percents)
                reason = self._change(event, now_ms)
                if contract is self.contract and contract.conversation.own_percents != chosen:
                    self._next_grant()  # thresholds that are in force again have new ids
                contract.gate.say_last_words(last, now_ms, self.rules)
                self.contract.judge(now_ms, self.rules)
                still = self._still(event, stops, grants)
                self.contract.tell_still(still, now_ms, self.rules)
            self.contract.judge(now_ms, self.rules)
            self.contract.tell_costs(costs, now_ms, self.rules)
            # An event that changes the terms can change the times of messages that wait.
            if contract is self.contract and contract.terms() != terms:
                _, former, *_ = terms
                if former != contract.conversation.own_hours:
                    change_hours(contract, former, now_ms, self.rules)
                contract.gate.look_again(now_ms, self.rules)
            self.contract.tell_policies(now_ms, self.rules)
            self.contract.done_ms = max(self.contract.done_ms, now_ms)
            self._look_ahead()
        if reason is not None:
            return self._reject(reason)
        self._remember(arrival_ms, event["source"], identity)
        if also is not None:
            self._remember(arrival_ms, event["of_source"], also)
        return None

    def _stops(self, event: Fields) -> list[OracleEdge]:
        """What stops the data that an event may buy."""
        contract, bought = self.contract, ("account.plan_changed", "account.topped_up")
        if contract is None or contract.closed_ms is not None or event["type"] not in bought:
            return []
        return contract.stops(self.rules, event)

    def _still(self, event: Fields, before: list[OracleEdge], grants: int) -> list[OracleEdge]:
        """What stops them after the event as before; nothing, if the event bought nothing."""
        if not before or self.grants == grants:
            return []
        names = {one.rule.id for one in before}
        return [one for one in self._stops(event) if one.rule.id in names]

    def _refund(
        self, event: Fields, arrival_ms: int, now_ms: int
    ) -> tuple[str | None, tuple[str, str] | None]:
        """Apply a refund. Returns the reason of a reject, and what must be remembered besides the
        event's id."""
        contract = self.contract
        assert contract is not None
        reason, also, is_applied = self._take_back(event, arrival_ms, now_ms, contract)
        if event.get("notify", True) and contract.closed_ms is None:
            is_its_own = event["time"] >= contract.since_ms
            contract.follow_up(event, now_ms, is_applied and is_its_own, self.rules)
        return reason, also

    def _take_back(
        self, event: Fields, arrival_ms: int, now_ms: int, contract: Contract
    ) -> tuple[str | None, tuple[str, str] | None, bool]:
        also: tuple[str, str] | None = None
        if "of_id" in event:
            if not self._is_known((event["of_source"], event["of_id"]), arrival_ms):
                return "not_counted", None, False
            also = (f"taken back:{event['of_source']}", event["of_id"])
            if self._is_known(also, arrival_ms):
                self.outcome.audit["duplicate"] += 1
                return None, None, False
        if contract.is_present(event["time"]):
            back = contract.refund(event, now_ms, self.rules)
        else:
            cycles = [one for one in self.history if one["start"] <= event["time"] < one["end"]]
            if not cycles:
                return "cycle_forgotten", None, False
            cycle = cycles[-1]
            back = refund_past(cycle["contract"], cycle, event, contract.zone, self.rules)
        contract.spans.forget()
        contract.note_freed(self.rules)
        self.outcome.audit["refunded"] += 1
        self.charged -= back
        if event["time"] >= contract.since_ms:
            contract.periods.moves.append(-back)
        self.outcome.charged_bytes -= back
        return None, also, True

    def pass_time(self, now_ms: int) -> None:
        """Do all work due up to and including an instant, in order."""
        while (found_ms := self._next()) <= now_ms:
            at_ms, contract = int(found_ms), self.contract
            if contract is None:
                self._without_contract(at_ms)
                continue
            if self.next_moment <= at_ms:
                if contract.closed_ms is not None:
                    ahead = self.ahead
                    self._forget()
                    self.waiting = ahead
                    continue
                contract.do_moment(at_ms, self.rules)
                self._look_ahead()
            ready = [one for one in self.ahead if one[0]["time"] <= at_ms]
            self.ahead = [one for one in self.ahead if one not in ready]
            for event, _ in ready:
                self._apply(event, at_ms, max(at_ms, self.contract_done_ms()))
                contract.show(at_ms)

    def contract_done_ms(self) -> int:
        return self.contract.done_ms if self.contract is not None else 0

    def _next(self) -> float:
        """The next instant with work."""
        if self.contract is not None:
            return min([self.next_moment, *(float(one["time"]) for one, _ in self.ahead)])
        return min((self._waits_until(*one) for one in self.waiting), default=NEVER)

    def _waits_until(self, event: Fields, arrival_ms: int) -> float:
        """Until when an event waits: an activation for its own time, any other for an
        activation."""
        is_begin = event["type"] == "account.activated"
        return float(event["time"] if is_begin else arrival_ms + self.rules.limits.hold_unknown_ms)

    def _without_contract(self, at_ms: int) -> None:
        """Remove events that have waited too long."""
        one = next(one for one in self.waiting if self._waits_until(*one) <= at_ms)
        self.waiting.remove(one)
        if one[0]["type"] == "account.activated":
            self._first(one[0], at_ms)
        else:
            self._reject("unknown_subscriber")

    def take_rules(self, rules: Rulebook, now_ms: int) -> None:
        """Rules change at an instant. Work due until then was done by the old ones."""
        self.pass_time(now_ms)
        self.rules = rules
        if self.contract is not None:
            self.contract.done_ms = max(self.contract.done_ms, now_ms)
            self.contract.look_again()
            self.contract.gate.take_rules(now_ms, rules)
            self._look_ahead()

    def figures(self) -> ExpectedAccount | None:
        """The final figures; None if there is no state."""
        contract = self.contract
        if contract is None:
            return ExpectedAccount("held") if self.waiting else None
        return ExpectedAccount(
            "active" if contract.closed_ms is None else "closed",
            contract.plan,
            contract.start_ms,
            contract.end_ms,
            tuple(
                ShownBucket(b["id"], b["kind"], b["granted"], b["used"], b["ends_ms"])
                for b in contract.live()
            ),
            contract.overage,
            self.charged,
            tuple(tuple(cycle[name] for name in TOTALS) for cycle in self.history),
            tuple(
                (name, spent)
                for name, spent in sorted(contract.money.spent(contract.plan, self.rules).items())
                if spent
            ),
            tuple(sorted((name, one["used"]) for name, one in contract.members.by_name.items())),
        )

    def _look_ahead(self) -> None:
        self.next_moment = self._next_of_contract()

    def _next_of_contract(self) -> float:
        contract = self.contract
        if contract is None:
            return NEVER
        if contract.closed_ms is not None:
            limits = self.rules.limits
            ages = (limits.max_age_ms, *limits.max_age_by_source.values())
            return contract.closed_ms + max(ages) + limits.max_ahead_ms
        return contract.next_moment(self.rules)

    def _reject(self, reason: str) -> None:
        self.outcome.rejects[reason] += 1

    def _first(self, event: Fields, now_ms: int) -> None:
        """An event of an unknown subscriber."""
        limits = self.rules.limits
        is_begin = event["type"] == "account.activated"
        if not is_begin or event["time"] > now_ms:
            is_too_much = len(self.waiting) >= limits.hold_max_events
            if is_too_much or (limits.hold_unknown_ms == 0 and not is_begin):
                return self._reject("time_in_future" if is_begin else "unknown_subscriber")
            self.waiting.append((event, now_ms))
            self.outcome.audit["held"] += 1
            return None
        reason = self._activate(event, now_ms)
        if reason is not None:
            return self._reject(reason)
        if self.contract is not None:
            self.contract.tell_policies(now_ms, self.rules)
            self.contract.show(now_ms)
        self._remember(now_ms, event["source"], (event["source"], event["id"]))
        self._look_ahead()
        waiting, self.waiting = self.waiting, []
        for held, held_arrival_ms in waiting:
            self.arrive(held, held_arrival_ms)
        return None

    def _activate(self, event: Fields, now_ms: int) -> str | None:
        if event["plan"] not in self.rules.plans:
            return "unknown_plan"
        if not _is_zone(event["time_zone"]):
            return "unknown_time_zone"
        done_ms = max(now_ms, event["time"], self.contract.done_ms if self.contract else 0)
        self.contract = Contract(
            self.name,
            event,
            done_ms,
            self.history,
            self.outcome,
            self._next_grant,
            lambda: self.grants,
            self.told,
        )
        self.contract.grant_plan(self.rules)
        self.contract.periods.begin_cycle(self.contract, self.rules)
        self.outcome.audit["activated"] += 1
        self.contract.at_hand().begin(event, now_ms, self.rules)
        self.contract.tell_stops(now_ms, self.rules)
        return None

    def _next_grant(self) -> int:
        self.grants += 1
        return self.grants

    def _use(self, event: Fields, now_ms: int) -> str | None:
        contract = self.contract
        assert contract is not None
        time_ms = event["time"]
        used = event.get("total_bytes")
        if used is None:
            used = event["uplink_bytes"] + event["downlink_bytes"]
        if used > self.rules.limits.max_event_bytes:
            return "absurd_bytes"
        if contract.is_present(time_ms):
            contract.use(event, used, now_ms, self.rules)
        else:
            reason = self._use_of_the_past(contract, event, used, now_ms)
            if reason is not None:
                return reason
        self.charged += used
        if time_ms >= contract.since_ms:
            contract.periods.moves.append(used)
        self.outcome.charged_bytes += used
        return None

    def _use_of_the_past(
        self, contract: Contract, event: Fields, used: int, now_ms: int
    ) -> str | None:
        """Law 11: usage of the present contract, or of an earlier one, which sends no message."""
        time_ms = event["time"]
        if contract.closed_ms is not None and time_ms >= contract.closed_ms:
            return "account_closed"
        cycles = [one for one in self.history if one["start"] <= time_ms < one["end"]]
        if not cycles:
            return "before_activation" if time_ms < contract.since_ms else "cycle_forgotten"
        cycle = cycles[-1]
        contract.spans.forget()
        if contract.closed_ms is None and time_ms >= contract.since_ms:
            contract.use(event, used, now_ms, self.rules, cycle)
        else:
            charge_past(cycle["contract"], cycle, event, used, contract.zone, {}, self.rules)
            self.outcome.audit["late_usage"] += 1
        return None

    def _change(self, event: Fields, now_ms: int) -> str | None:
        contract, kind = self.contract, event["type"]
        assert contract is not None
        contract.look_again()
        if kind == "account.activated":
            if contract.closed_ms is None:
                return "already_active"
            reason = self._activate(event, now_ms)
            if reason is None:
                self.grants += 1
            return reason
        if contract.closed_ms is not None:
            return "account_closed"
        if event["time"] < contract.since_ms:
            return "before_activation"
        if kind in ADDING and contract.is_full:
            return "account_full"
        if kind in ("sms.received", "location.updated") or kind.startswith("service."):
            at_ms = max(now_ms, contract.done_ms)
            if kind == "sms.received":
                return contract.at_hand().text(event, at_ms, self.rules)
            return contract.at_hand().hear(event, now_ms, at_ms, self.rules)
        if kind == "account.plan_changed":
            if event["plan"] not in self.rules.plans:
                return "unknown_plan"
            contract.change_plan(event, self.rules)
        elif kind == "account.topped_up":
            reason = contract.top_up(event, self.grants + 1, now_ms, self.rules)
            if reason is not None:
                return reason
            self.grants += 1
        elif kind == "account.closed":
            contract.gate.last_call(max(now_ms, contract.done_ms), self.rules)
            contract.at_hand().close(max(now_ms, contract.done_ms))
            contract.close(event["time"], self.rules)
        elif kind == "account.profile_changed":
            if "time_zone" in event and not _is_zone(event["time_zone"]):
                return "unknown_time_zone"
            contract.change_profile(event, now_ms, self.rules)
            self.outcome.audit["profile_changed"] += 1
        elif kind == "account.preferences_set":
            choosing.set_by_event(contract.conversation, event)
            self.outcome.audit["preferences_set"] += 1
        elif kind == "account.opted_out":
            choosing.leave(contract.conversation, event["category"])
            self.outcome.audit["left_category"] += 1
        elif kind == "account.opted_in":
            choosing.join(contract.conversation, event["category"])
            self.outcome.audit["joined_category"] += 1
        else:
            return self._change_quota(kind, event, contract)
        return None

    def _change_quota(self, kind: str, event: Fields, contract: Contract) -> str | None:
        """Consent to spend more, and members of a pool."""
        members = contract.members.by_name
        if kind.startswith("account.cost_cap"):
            plan, name = self.rules.plans.get(contract.plan), event.get("tariff", "")
            if plan is None or name not in [one.id for one in plan.all_tariffs]:
                return "unknown_tariff"
            if kind == "account.cost_cap_lifted":
                contract.money.settle(contract.plan, self.rules)
                contract.money.consents[name] = event.get("until", "cycle_end")
                self.outcome.audit["cost_cap_lifted"] += 1
            else:
                if name in contract.money.consents:
                    contract.money.settle(contract.plan, self.rules)
                    del contract.money.consents[name]
                self.outcome.audit["cost_cap_restored"] += 1
        elif kind == "account.member_joined":
            cap = event.get("cap_bytes")
            member = members.setdefault(event["member"], {"owner": False, "cap": None, "used": 0})
            if member["cap"] != cap:
                self._next_grant()
            member.update(cap=cap, owner=event.get("role") == "owner")
            self.outcome.audit["member_joined"] += 1
        else:
            if event["member"] not in members:
                return "unknown_member"
            del members[event["member"]]
            self.outcome.audit["member_left"] += 1
        return None

    def _oldest_ms(self, source: str) -> int:
        """How old an event of a source may be."""
        limits = self.rules.limits
        return limits.max_age_by_source.get(source, limits.max_age_ms)

    def _remember(self, arrival_ms: int, source: str, identity: tuple[str, str]) -> None:
        """Law 10: until the end of the day after which no copy of the source is young enough."""
        until_ms = arrival_ms + self._oldest_ms(source) + self.rules.limits.max_ahead_ms
        self.ids[identity] = until_ms // DAY_MS + 1

    def _is_known(self, identity: tuple[str, str], arrival_ms: int) -> bool:
        return self.ids.get(identity, 0) > arrival_ms // DAY_MS


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
