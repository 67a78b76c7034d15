"""One subscriber's account, fed by hand, for tests of the core alone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from streamproc.core.instants import DAY_MS, to_ms
from streamproc.core.rules.rulebook import (
    Allowance,
    Limits,
    Pack,
    Plan,
    Rulebook,
    TimedRule,
    UsageRule,
)
from streamproc.core.state.account import Account, Bucket, pack, unpack
from streamproc.core.state.effects import Audited, Effect, Rejected, Reminder
from streamproc.core.state.events import (
    AccountActivated,
    AccountClosed,
    Arrival,
    OptedIn,
    OptedOut,
    PlanChanged,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
)
from streamproc.core.step.transition import advance, step
from streamproc.engine.ids import SeenIds

GB = 1_000_000_000
START = datetime(2026, 1, 1, tzinfo=UTC)
"""A Thursday, and the first instant of the cycle of a line with anchor day 1 in UTC."""
ALL_KINDS = frozenset({"allowance", "pack", "topup"})
TEXT = {"en": "{percent}% used, {remaining} of {granted} left"}
SUBSCRIBER = "861380000"

LOW = UsageRule("low", "usage_percent", (50, 80, 100), ALL_KINDS, TEXT, "usage", False, 5, DAY_MS)
WEEKLY = TimedRule("weekly", "usage_summary", time(9), TEXT, "summary", False, 1, DAY_MS, DAY_MS)
EXPIRY = TimedRule(
    "expiry", "before_expiry", time(10), TEXT, "summary", False, 1, DAY_MS, DAY_MS, days_before=1
)


def rulebook(
    plans: tuple[Plan, ...] = (Plan("basic", (Allowance("data", 10 * GB, 50),)),),
    packs: tuple[Pack, ...] = (Pack("extra", GB, 7 * DAY_MS, 10),),
    usage_rules: tuple[UsageRule, ...] = (LOW,),
    timed_rules: tuple[TimedRule, ...] = (),
    **limits: Any,
) -> Rulebook:
    """A rulebook. A test states only the parts that it is about."""
    return Rulebook(plans, packs, usage_rules, timed_rules, Limits(**limits), "en", "EUR")


def day(days: float) -> datetime:
    """``days`` after the start."""
    return START + timedelta(days=days)


class Line:
    """Feeds events. The state goes through its packed form every time."""

    def __init__(self, rules: Rulebook | None = None) -> None:
        self.rules = rules or rulebook()
        self.state: bytes | None = None
        self.ids = SeenIds()
        self.count = 0
        self.effects: list[Effect] = []

    @property
    def account(self) -> Account:
        assert self.state is not None
        return unpack(self.state)

    def bucket(self, name: str) -> Bucket:
        return next(bucket for bucket in self.account.buckets if bucket.id == name)

    def feed(self, event: SubscriberEvent, arrives: datetime | None = None) -> list[Effect]:
        """Apply an event. It arrives when it happens, unless the test says otherwise."""
        arrival = Arrival(to_ms(arrives or event.time), "events", 0, self.count)
        before = unpack(self.state) if self.state is not None else None
        account, effects = step(before, event, arrival, self.rules, self.ids)
        return self._keep(account, list(effects))

    def reach(self, when: datetime) -> list[Effect]:
        """Let time pass."""
        if self.state is None:
            return []
        account, effects = advance(
            unpack(self.state), SUBSCRIBER, to_ms(when), self.rules, self.ids
        )
        return self._keep(account, effects)

    def _keep(self, account: Account | None, effects: list[Effect]) -> list[Effect]:
        self.count += 1
        self.state = pack(account) if account is not None else None
        self.effects.extend(effects)
        return effects

    def activate(
        self,
        at: float = 0.0,
        plan: str = "basic",
        zone: str = "UTC",
        anchor: int = 1,
        arrives: float | None = None,
    ) -> list[Effect]:
        event = AccountActivated(self._id(), "crm", SUBSCRIBER, day(at), plan, zone, anchor)
        return self.feed(event, None if arrives is None else day(arrives))

    def use(
        self, used_bytes: int, at: float, arrives: float | None = None, **fields: Any
    ) -> list[Effect]:
        name = fields.pop("id", None) or self._id()
        event = UsageRecorded(name, "ocs", SUBSCRIBER, day(at), total_bytes=used_bytes, **fields)
        return self.feed(event, None if arrives is None else day(arrives))

    def top_up(self, at: float, arrives: float | None = None, **fields: Any) -> list[Effect]:
        event = ToppedUp(self._id(), "crm", SUBSCRIBER, day(at), **fields)
        return self.feed(event, None if arrives is None else day(arrives))

    def change_plan(
        self, plan: str, at: float, arrives: float | None = None, effective: Any = "now"
    ) -> list[Effect]:
        event = PlanChanged(self._id(), "crm", SUBSCRIBER, day(at), plan, effective)
        return self.feed(event, None if arrives is None else day(arrives))

    def opt(self, category: str, at: float, out: bool = True) -> list[Effect]:
        kind = OptedOut if out else OptedIn
        return self.feed(kind(self._id(), "crm", SUBSCRIBER, day(at), category))

    def send(
        self, kind: type[SubscriberEvent], at: float, arrives: float | None = None, **fields: Any
    ) -> list[Effect]:
        """An event of any kind."""
        event: Any = kind
        made = event(self._id(), fields.pop("source", "crm"), SUBSCRIBER, day(at), **fields)
        return self.feed(made, None if arrives is None else day(arrives))

    def close(self, at: float, arrives: float | None = None) -> list[Effect]:
        event = AccountClosed(self._id(), "crm", SUBSCRIBER, day(at))
        return self.feed(event, None if arrives is None else day(arrives))

    def _id(self) -> str:
        return f"e{self.count}"


def reminders(effects: list[Effect]) -> list[Reminder]:
    return [one for one in effects if isinstance(one, Reminder)]


def thresholds(effects: list[Effect]) -> list[tuple[str, int]]:
    """Rule and threshold (0 for timed rules) of each reminder."""
    return [(one.rule, one.threshold.value if one.threshold else 0) for one in reminders(effects)]


def decisions(effects: list[Effect]) -> list[str]:
    """All decisions except ``fired``, which follows every reminder
    (tests/property/test_explained.py)."""
    found = [one.decision for one in effects if isinstance(one, Audited)]
    return [decision for decision in found if decision != "fired"]


def reasons(effects: list[Effect]) -> list[str]:
    return [one.reason for one in effects if isinstance(one, Rejected)]
