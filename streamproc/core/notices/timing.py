"""Does the work of services and notices that is due."""

from __future__ import annotations

from streamproc.core.notices.services import NoticeWork, time_out
from streamproc.core.rules.notices import Notice
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.schedule.notice_times import advice_ms, before_charge_ms
from streamproc.core.state.account import (
    Account,
    Subscription,
    drop_empty_rare_state,
    forget_conversation,
    rare_state_of,
)
from streamproc.core.state.effects import Effect
from streamproc.core.state.moment import Moment
from streamproc.core.usage.plan_advice import better_plan


def do_due(moment: Moment, wall_ms: int) -> list[Effect]:
    """Do all work of exactly this instant. By the wall clock it may be past.

    Notices that come too late get an audit record ``missed``.
    """
    account, rules, due_ms = moment.account, moment.rules, moment.now_ms
    told = NoticeWork(moment, wall_ms)
    lateness_ms = wall_ms - due_ms
    before = rules.notices.get("before_charge")
    if before is not None and account.extra is not None:
        for one in account.extra.services:
            if before_charge_ms(account, one, before) == due_ms:
                _remind_of_charge(told, one, before, lateness_ms)
    time_out(told)
    advice = rules.notices.get("plan_advice")
    if advice is not None and advice_ms(account, advice) == due_ms:
        _advise(told, advice, lateness_ms)
    return told.out


def forget_cycle(account: Account, rules: Rulebook) -> None:
    """A cycle ended: work that is done once per cycle can be done again."""
    if account.extra is not None:
        window_ms = rules.commands.window_ms if rules.commands else 0
        forget_conversation(account.extra, account.cycle_start_ms, window_ms)
        drop_empty_rare_state(account)


def _is_missed(told: NoticeWork, notice: Notice, lateness_ms: int) -> bool:
    if lateness_ms <= notice.misfire_grace_ms:
        return False
    told.out.append(told.moment.audited("missed", rule=notice.id, lateness_ms=lateness_ms))
    return True


def _remind_of_charge(
    told: NoticeWork, subscription: Subscription, before: Notice, lateness_ms: int
) -> None:
    if _is_missed(told, before, lateness_ms):
        return
    service = subscription.service
    told.tell("before_charge", service, service, number=told.now_ms)


def _advise(told: NoticeWork, advice: Notice, lateness_ms: int) -> None:
    account, rules = told.account, told.rules
    found = better_plan(account, advice, rules)
    if found is None or _is_missed(told, advice, lateness_ms):
        return
    rare_state_of(account).advised_cycle_ms = account.cycle_start_ms
    told.out.append(
        told.moment.audited(
            "plan_advised",
            rule=advice.id,
            cost_minor=found.cost_minor,
            better_cost_minor=found.better_cost_minor,
            used_bytes=found.used_bytes,
            cycles=found.cycles,
        )
    )
    told.tell("plan_advice", found.plan)
