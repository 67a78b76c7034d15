"""When work of services and notices falls due, derived from state and rulebook (law 19)."""

from __future__ import annotations

from datetime import timedelta

from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.notices import Notice
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.schedule.calendar import known_zone, local_date, local_instant_ms
from streamproc.core.state.account import Account, Subscription


def soonest_ms(account: Account, rules: Rulebook) -> int:
    """The next instant at which an active account has work for questions and notices; NEVER_MS if
    none."""
    soonest = NEVER_MS
    extra = account.extra
    if extra is not None:
        for question in extra.questions:
            soonest = min(soonest, question.deadline_ms)
        before = rules.notices.get("before_charge")
        if before is not None:
            for one in extra.services:
                soonest = min(soonest, before_charge_ms(account, one, before))
    advice = rules.notices.get("plan_advice")
    if advice is not None:
        soonest = min(soonest, advice_ms(account, advice))
    return soonest


def before_charge_ms(account: Account, subscription: Subscription, before: Notice) -> int:
    """When to send the reminder of the next charge; NEVER_MS if no such instant lies ahead."""
    charge_ms = subscription.next_charge_ms
    if charge_ms >= NEVER_MS or subscription.ending:
        return NEVER_MS
    tz = known_zone(account.time_zone)
    day = local_date(charge_ms, tz) - timedelta(days=before.days)
    at_ms = local_instant_ms(day, before.at, tz)
    return at_ms if account.clock_ms < at_ms < charge_ms else NEVER_MS


def advice_ms(account: Account, advice: Notice) -> int:
    """When to look for a better plan in the present cycle; NEVER_MS if that time is past or it is
    done."""
    extra = account.extra
    if extra is not None and extra.advised_cycle_ms == account.cycle_start_ms:
        return NEVER_MS
    tz = known_zone(account.time_zone)
    day = local_date(account.cycle_start_ms, tz) + timedelta(days=advice.days)
    at_ms = local_instant_ms(day, advice.at, tz)
    return at_ms if account.clock_ms < at_ms < account.cycle_end_ms else NEVER_MS
