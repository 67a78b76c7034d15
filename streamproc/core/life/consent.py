"""Consent to spend beyond a cost cap: given and taken back."""

from __future__ import annotations

from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Effect, audited, cause_of, rejected
from streamproc.core.state.events import Arrival, CostCapLifted, CostCapRestored
from streamproc.core.usage.tariffs import lift_cap, restore_cap


def change(
    account: Account, event: CostCapLifted | CostCapRestored, arrival: Arrival, rules: Rulebook
) -> list[Effect]:
    """Lift or restore the cap of one tariff of the present plan."""
    if all(tariff.id != event.tariff for tariff in rules.tariffs.get(account.plan, ())):
        detail = "the subscriber's plan has no such tariff"
        return [rejected("unknown_tariff", detail, event, arrival)]
    if isinstance(event, CostCapLifted):
        lift_cap(account, event.tariff, rules, lasting=event.until == "revoked")
        decision = "cost_cap_lifted"
    else:
        restore_cap(account, event.tariff, rules)
        decision = "cost_cap_restored"
    cause = cause_of(event, arrival)
    return [audited(decision, event.subscriber, to_ms(event.time), cause)]
