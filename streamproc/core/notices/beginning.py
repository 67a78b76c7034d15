"""What a contract begins with: its services, and a welcome that names plan and services."""

from __future__ import annotations

from msgspec import UNSET

from streamproc.core.alerts.notices import message_of
from streamproc.core.alerts.speakers import submit
from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, Subscription, extra_of
from streamproc.core.state.effects import Effect, cause_of
from streamproc.core.state.events import AccountActivated, Arrival


def begin_contract(
    account: Account, event: AccountActivated, arrival: Arrival, rules: Rulebook
) -> list[Effect]:
    """After the activation: services that the catalogue lacks are left out of both."""
    wanted = [] if event.services is UNSET else list(dict.fromkeys(event.services))
    known = [rules.services[one] for one in wanted if one in rules.services]
    if known:
        extra_of(account).services = [Subscription(one.id, one.price_minor) for one in known]
    welcome = rules.notices.get("activation_welcome")
    if welcome is None:
        return []
    now_ms = max(to_ms(event.time), arrival.received_ms)
    arming = f"{account.activated_ms}@{account.grants}"
    message = message_of(welcome, arming, (), now_ms, cause_of(event, arrival))
    return submit(account, event.subscriber, [message], now_ms, rules)
