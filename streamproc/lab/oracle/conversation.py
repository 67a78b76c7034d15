"""Services, questions, trips, plan advice and SMS of one contract, from the words of docs/."""

from __future__ import annotations

from datetime import time
from fractions import Fraction
from math import floor
from typing import Any

from streamproc.core.rules.notices import Notice
from streamproc.core.rules.rulebook import EVERYTHING, Plan, Rulebook
from streamproc.lab.oracle import choosing
from streamproc.lab.oracle.buckets import NEVER, Bucket, of_one_kind_of_usage, remaining
from streamproc.lab.oracle.days import cycle_around, days_after
from streamproc.lab.oracle.gate import Gate, Reason
from streamproc.lab.oracle.quota import price
from streamproc.lab.oracle.reading import Fields
from streamproc.lab.oracle.results import Expectation, OrderKey, ReminderKey
from streamproc.lab.oracle.spelling import Meant, meaning, seems_an_answer

YEAR_9999_MS = 253_370_764_800_000


class Conversation:
    """The conversation between subscriber, billing and network within one contract."""

    def __init__(
        self, name: str, since_ms: int, zone: str, opted_out: set[str], outcome: Expectation
    ) -> None:
        self.name = name
        self.since_ms = since_ms
        self.time_zone = zone
        self.outcome = outcome
        self.opted_out = opted_out
        """The set of the contract itself."""
        self.by_name: set[str] = set()
        """Categories that were opted out by their names."""
        self.plan = ""
        self.segments: set[str] = set()
        """The segments at the time of the present event."""
        self.chosen: dict[str, str] = {}
        """``every`` and ``at`` of summaries, if the subscriber chose them."""
        self.services: dict[str, dict[str, Any]] = {}
        self.questions: list[dict[str, Any]] = []
        self.numbered = 0
        self.allowed: list[tuple[tuple[str, str], str, int]] = []
        self.place = "home"
        self.placed_ms = 0
        self.advised: int | None = None
        self.listed: list[str] = []
        self.replied: list[int] = []
        self.helped = False
        self.live: list[Bucket] = []
        self.overage = 0
        self.own_percents: list[int] = []
        """Thresholds that the subscriber chose."""
        self.own_hours: tuple[time, time] | None = None
        """Quiet hours that the subscriber chose; equal times mean none."""
        self.gate: Gate
        """The gate of the contract itself."""

    # What goes out

    def count(self, decision: str) -> None:
        self.outcome.audit[decision] += 1

    def send(
        self, rule: str, kind: str, at_ms: int, buckets: list[Bucket], rules: Rulebook
    ) -> None:
        summed = of_one_kind_of_usage(buckets, None, rules)
        key = ReminderKey(
            self.name,
            rule,
            kind,
            None,
            tuple(bucket["id"] for bucket in buckets),
            at_ms,
            sum(bucket["used"] for bucket in summed),
            sum(remaining(bucket) for bucket in summed),
            self.overage,
        )
        self.outcome.reminders[key] += 1
        self.outcome.reminders_by_kind[kind] += 1
        self.count("fired")

    def tell(self, kind: str, at_ms: int, rules: Rulebook, about: Any, detail: Any = None) -> None:
        """A notice, if the rules have one of this kind; ``about`` distinguishes it from others of
        its kind."""
        notice = rules.notices.get(kind)
        if notice is not None:
            self.gate.offer([(notice, [Reason(repr(about), None, at_ms, detail)])], at_ms, rules)

    def holds(
        self, notice: Any, reason: Reason, at_ms: int, contract: Any, rules: Rulebook
    ) -> bool:
        """Whether a waiting notice is still true and useful."""
        match notice.kind:
            case "subscription_question" | "charge_question":
                is_open = any(one is reason.detail for one in self.questions)
                return is_open and bool(reason.detail["deadline"] > at_ms)
            case "before_charge":
                one = self.services.get(reason.detail)
                if one is None or one["ending"] or one["next"] is None:
                    return False
                ahead = [name for _, name in self._charges_ahead(contract.done_ms, rules)]
                return bool(one["next"] > at_ms) and reason.detail not in ahead
            case "roaming_welcome":
                return self.place == reason.detail and self.place in rules.zones
            case "plan_advice":
                return self._better(contract, rules) is not None
        return True

    def order(
        self, kind: str, about: str, service: str, outcome: str, amount: int, at: int
    ) -> None:
        self.outcome.orders[OrderKey(kind, self.name, about, service, outcome, amount, at)] += 1

    def decided(self, question: dict[str, Any], outcome: str, at_ms: int) -> None:
        self.count(outcome)
        self.order(
            "confirmation.decided", question["about"], question["service"], outcome,
            question["amount"], at_ms,
        )  # fmt: skip
        if outcome == "confirmed" and question["about"] == "charge":
            self.allowed.append((question["request"], question["service"], question["amount"]))
            self.allowed = self.allowed[-50:]

    # Time

    def moments(self, done_ms: int, contract: Any, rules: Rulebook) -> list[float]:
        """Future instants at which this module has work."""
        found: list[float] = [float(one["deadline"]) for one in self.questions]
        found += [at for at, _ in self._charges_ahead(done_ms, rules)]
        found.append(self._advice_ahead(done_ms, contract, rules))
        return found

    def do_moment(self, at_ms: int, done_ms: int, contract: Any, rules: Rulebook) -> None:
        for when, name in self._charges_ahead(done_ms, rules):
            if when == at_ms:
                self.tell("before_charge", at_ms, rules, name, name)
        for question in [one for one in self.questions if one["deadline"] <= at_ms]:
            self.questions.remove(question)
            self.decided(question, "timed_out", at_ms)
        if self._advice_ahead(done_ms, contract, rules) == at_ms:
            better = self._better(contract, rules)
            if better is not None:
                self.advised = contract.start_ms
                self.count("plan_advised")
                self.tell("plan_advice", at_ms, rules, better)

    def end_cycle(self, end_ms: int, rules: Rulebook) -> None:
        self.listed = []
        self.helped = False
        window = rules.commands.window_ms if rules.commands else 0
        self.replied = [one for one in self.replied if one > end_ms - window]

    def close(self, at_ms: int) -> None:
        for question in self.questions:
            self.decided(question, "refused", at_ms)
        self.questions = []

    def _charges_ahead(self, done_ms: int, rules: Rulebook) -> list[tuple[float, str]]:
        notice = rules.notices.get("before_charge")
        found = []
        for name, one in self.services.items():
            if notice is None or one["ending"] or one["next"] is None:
                continue
            at = days_after(one["next"], -notice.days, notice.at, self.time_zone)
            if done_ms < at < one["next"]:
                found.append((float(at), name))
        return found

    def _advice_ahead(self, done_ms: int, contract: Any, rules: Rulebook) -> float:
        notice = rules.notices.get("plan_advice")
        if notice is None or self.advised == contract.start_ms:
            return NEVER
        at = days_after(contract.start_ms, notice.days, notice.at, self.time_zone)
        return float(at) if done_ms < at < contract.end_ms else NEVER

    def _better(self, contract: Any, rules: Rulebook) -> str | None:
        """The cheapest of the plans that would have saved enough."""
        notice: Notice = rules.notices["plan_advice"]
        whole = [
            one["used"] + one["overage"]
            for one in contract.history
            if one["start"] < one["end"]
            and cycle_around(one["start"], contract.anchor_day, contract.zone)
            == (one["start"], one["end"])
        ]
        if len(whole) < notice.cycles or contract.next_plan is not None:
            return None
        if contract.plan not in rules.plans:
            return None
        used = whole[len(whole) - notice.cycles :]
        # The present plan gets its lowest possible cost, and all others their highest, so that the
        # advice is never wrong.
        present = [_price(rules.plans[contract.plan], one, True) for one in used]
        costs = {}
        for plan in rules.plans.values():
            other = [_price(plan, one, False) for one in used]
            is_never_dearer = all(b <= a for a, b in zip(present, other, strict=True))
            saving = sum(present) - sum(other)
            if is_never_dearer and saving >= max(notice.saving_minor, 1):
                costs[plan.id] = sum(other)
        costs.pop(contract.plan, None)
        return min(costs, key=lambda name: costs[name]) if costs else None

    def begin(self, event: Fields, at_ms: int, rules: Rulebook) -> None:
        """The activation's services, and the welcome."""
        for name in event.get("services", []):
            if name in rules.services:
                price = rules.services[name].price_minor
                self.services[name] = {"price": price, "next": None, "ending": False}
        self.tell("activation_welcome", at_ms, rules, (self.since_ms, at_ms))

    # Billing and network

    def hear(self, event: Fields, arrival_ms: int, at_ms: int, rules: Rulebook) -> str | None:
        """An event about a service or place; returns the reason of a reject."""
        if event["type"] == "location.updated":
            self._seen(event, at_ms, rules)
            return None
        name = event["service"]
        if name not in rules.services:
            return "unknown_service"
        service = rules.services[name]
        match event["type"]:
            case "service.requested":
                return self._ask(
                    "subscription", event, service.price_minor, arrival_ms, at_ms, rules
                )
            case "service.charge_requested":
                has = self.services.get(name)
                amount = event["amount_minor"]
                if has is not None and (has["ending"] or not service.confirm_charge):
                    question = {
                        "about": "charge", "service": name, "amount": amount,
                        "request": (event["id"], event["source"]),
                    }  # fmt: skip
                    self.decided(question, "refused" if has["ending"] else "confirmed", at_ms)
                    return None
                return self._ask("charge", event, amount, arrival_ms, at_ms, rules)
            case "service.subscribed":
                if name not in self.services and len(self.services) == 50:
                    return "account_full"
                self.services[name] = {
                    "price": event.get("price_minor", service.price_minor),
                    "next": _next(event),
                    "ending": False,
                }
                self.count("service_subscribed")
            case "service.unsubscribed":
                self.services.pop(name, None)
                self._drop_charges(name, at_ms)
                self.count("service_unsubscribed")
            case "service.charged":
                self._charged(event, at_ms, rules)
            case _:
                self.count("service_refunded")
                self.tell("service_refunded", at_ms, rules, (event["id"], event["source"]))
        return None

    def _ask(
        self, about: str, event: Fields, amount: int, arrival_ms: int, at_ms: int, rules: Rulebook
    ) -> str | None:
        if len(self.questions) == 20:
            return "account_full"
        self.numbered = 1 if self.numbered == 99 else self.numbered + 1
        wait_ms = rules.services[event["service"]].answer_ms
        self.questions.append(
            {
                "number": self.numbered, "about": about, "service": event["service"],
                "amount": amount, "request": (event["id"], event["source"]), "asked": arrival_ms,
                "deadline": at_ms + wait_ms,
            }
        )  # fmt: skip
        self.count("asked")
        asked = (event["id"], event["source"])
        self.tell(f"{about}_question", at_ms, rules, asked, self.questions[-1])
        return None

    def _charged(self, event: Fields, at_ms: int, rules: Rulebook) -> None:
        name, amount = event["service"], event["amount_minor"]
        service, has = rules.services[name], self.services.get(name)
        if has is not None and "next_charge_time" in event:
            has["next"] = _next(event)
        request = (event.get("request_id"), event["source"])
        # One consent allows one charge, up to its amount.
        fitting = [one for one in self.allowed if one[:2] == (request, name)][:1]
        fitting = [one for one in fitting if one[2] >= amount]
        if fitting:
            self.allowed.remove(fitting[0])
        elif service.confirm_charge or has is None or has["ending"]:
            self.count("charged_in_error")
            back = amount * service.wrong_charge_refund_percent // 100
            if back:
                self.order("refund.requested", "", name, "", back, at_ms)
            self.tell("charged_in_error", at_ms, rules, (event["id"], event["source"]))
            return
        self.count("service_charged")
        self.tell("service_charged", at_ms, rules, (event["id"], event["source"]))

    def _drop_charges(self, name: str, at_ms: int) -> None:
        for question in list(self.questions):
            if question["service"] == name and question["about"] == "charge":
                self.questions.remove(question)
                self.decided(question, "refused", at_ms)

    def _seen(self, event: Fields, at_ms: int, rules: Rulebook) -> None:
        place, before = event["roaming_zone"], self.place
        if before != "home" and event["time"] < self.placed_ms:
            self.count("location_outdated")
            return
        self.place, self.placed_ms = place, event["time"]
        self.count("located")
        welcome = rules.notices.get("roaming_welcome")
        if welcome is None or place not in rules.zones or place == before:
            return
        if at_ms - event["time"] > welcome.ttl_ms:
            self.count("missed")
        else:
            self.tell("roaming_welcome", at_ms, rules, place, place)

    # The subscriber

    def text(self, event: Fields, at_ms: int, rules: Rulebook) -> str | None:
        """An SMS and its reply; returns the reason of a reject."""
        if rules.commands is None:
            return "commands_off"
        meant = meaning(event["text"], rules)
        if meant is None:
            self.count("unknown_text")
            if self.questions and seems_an_answer(event["text"], rules):
                self._reply("unclear_answer", at_ms, rules)
            elif not self.helped:
                self.helped = self._reply("help", at_ms, rules)
            return None
        self.helped = False
        # After a command the help text may be sent again.
        self.count("command")
        before = list(self.listed)
        if not self._reply(self._do(meant, event, at_ms, rules), at_ms, rules):
            self.listed = before
        return None

    def _reply(self, name: str, at_ms: int, rules: Rulebook) -> bool:
        assert rules.commands is not None
        lately = [one for one in self.replied if at_ms - one < rules.commands.window_ms]
        if len(lately) >= rules.commands.max_replies:
            self.count("reply_limited")
            return False
        self.replied.append(at_ms)
        shows = self.live if name in ("overview", "balance", "data_left") else []
        self.send(name, "command_reply", at_ms, shows, rules)
        return True

    def _do(self, meant: Meant, event: Fields, at_ms: int, rules: Rulebook) -> str:
        action, word, numbers = meant
        if action in choosing.CHOICES:
            return choosing.choose(self, action, word, numbers, at_ms, rules)
        if action == "stop":
            return choosing.stop(self, word, rules)
        if action == "start":
            return choosing.start(self, word, rules)
        if action in ("confirm", "refuse"):
            return self._answer(action, numbers, event["time"], at_ms)
        if action in ("unsubscribe", "unsubscribe_all"):
            return self._end(action, numbers, at_ms)
        if action == "overview":
            self._list()
        return action

    def _answer(self, action: str, numbers: tuple[int, ...], sent_ms: int, at_ms: int) -> str:
        fitting = [
            one
            for one in self.questions
            if sent_ms >= one["asked"] and (not numbers or one["number"] == numbers[0])
        ]
        if len(fitting) != 1:
            return "which_one" if fitting else "nothing_asked"
        self.questions.remove(fitting[0])
        outcome = "confirmed" if action == "confirm" else "refused"
        self.decided(fitting[0], outcome, at_ms)
        return outcome

    def _list(self) -> str:
        self.listed = [name for name, one in self.services.items() if not one["ending"]]
        return "services" if self.listed else "no_services"

    def _end(self, action: str, numbers: tuple[int, ...], at_ms: int) -> str:
        if action == "unsubscribe_all":
            names = [name for name, one in self.services.items() if not one["ending"]]
            if not names:
                return "no_services"
        elif not numbers:
            return self._list()
        else:
            by_number = dict(enumerate(self.listed, 1))
            names = [by_number[one] for one in numbers if by_number.get(one) in self.services]
            if not names:
                return "not_listed" if self._list() == "services" else "no_services"
        for name in names:
            if not self.services[name]["ending"]:
                self.services[name]["ending"] = True
                self._drop_charges(name, at_ms)
                self.count("unsubscription_requested")
                self.order("unsubscription.requested", "", name, "", 0, at_ms)
        return "unsubscribed"


def _next(event: Fields) -> int | None:
    """The next charge, if it is after the event."""
    next_ms: int | None = event.get("next_charge_time")
    if next_ms is None or not event["time"] < next_ms < YEAR_9999_MS:
        return None
    return next_ms


def _price(plan: Plan, used: int, is_lucky: bool) -> int:
    """The cost of a cycle. A lucky cycle used up every allowance, then only the cheapest usage, and
    stopped at a cap. An unlucky one pays the highest price for the whole rest."""
    beyond = used
    for one in plan.allowances:
        if is_lucky or one.scope == EVERYTHING:
            beyond -= beyond if one.unlimited else min(one.granted_bytes, beyond)
    costs = [price(tariff, beyond) for tariff in plan.all_tariffs]
    if not is_lucky:
        return plan.price_minor + sum(costs)
    if len(costs) > 1:
        rates = [
            Fraction(tier.price_minor, tier.unit_bytes)
            for tariff in plan.all_tariffs
            for tier in tariff.tiers
        ]
        costs = [floor(min(rates) * beyond)]
    for tariff in plan.all_tariffs:
        if tariff.cap_minor is not None:
            costs.append(tariff.cap_minor)
    return plan.price_minor + min(costs)
