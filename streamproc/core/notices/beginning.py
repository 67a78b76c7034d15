"""The start of a contract: its services, and a welcome that names plan and services."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.held_notices import message_of
from streamproc.core.alerts.speakers import submit
from streamproc.core.instants import to_ms
from streamproc.core.state.account import Subscription, rare_state_of
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import AccountActivated
from streamproc.core.state.moment import Moment


def begin_contract(moment: Moment, event: AccountActivated) -> list[Effect]:
    """Add services and welcome, after the activation. Services that the catalogue lacks are
    ignored."""
    account, rules = moment.account, moment.rules
    wanted = [] if event.services is UNSET else list(dict.fromkeys(event.services))
    known = [rules.services[one] for one in wanted if one in rules.services]
    if known:
        rare_state_of(account).services = [Subscription(one.id, one.price_minor) for one in known]
    welcome = rules.notices.get("activation_welcome")
    if welcome is None:
        return []
    moment = moment._replace(now_ms=max(to_ms(event.time), moment.now_ms))
    occasion = f"{account.activated_ms}@{account.grants}"
    return submit(moment, [message_of(moment, welcome, occasion, ())])
