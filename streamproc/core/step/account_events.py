"""Events about the account itself, one function for each type."""

from __future__ import annotations

from streamproc.core.alerts import speakers
from streamproc.core.commands.answering import sms_received
from streamproc.core.commands.preferences import set_preferences
from streamproc.core.instants import to_ms
from streamproc.core.life import consent, lifecycle
from streamproc.core.life.plan_change import change_plan
from streamproc.core.life.profile import change_profile
from streamproc.core.notices.beginning import begin_contract
from streamproc.core.notices.roaming import location_updated
from streamproc.core.notices.services import end_contract, service_event
from streamproc.core.state.account import ACTIVE, Account, drop_empty_rare_state
from streamproc.core.state.effects import Effect, rejected
from streamproc.core.state.events import (
    AccountActivated,
    AccountClosed,
    Arrival,
    CostCapLifted,
    CostCapRestored,
    LocationUpdated,
    MemberJoined,
    MemberLeft,
    OptedIn,
    OptedOut,
    PlanChanged,
    PreferencesSet,
    ProfileChanged,
    SmsReceived,
    SubscriberEvent,
    ToppedUp,
    UsageRecorded,
    UsageRefunded,
)
from streamproc.core.state.moment import Moment
from streamproc.core.usage import pools

MAX_PARTS = 500
"""Most buckets and categories of one account: its record must fit into a Kafka message."""


def account_event(moment: Moment, event: SubscriberEvent, arrival: Arrival) -> list[Effect]:
    """Apply any event except usage and refunds of usage. The effects say what was done, or
    why not."""
    account, rules = moment.account, moment.rules
    if isinstance(event, AccountActivated):
        return activate(moment, event, arrival)
    if account.status != ACTIVE:
        return [rejected("account_closed", "the account was closed", event, arrival)]
    if to_ms(event.time) < account.activated_ms:
        detail = "it is about an earlier contract"
        return [rejected("before_activation", detail, event, arrival)]
    if isinstance(event, PlanChanged | ToppedUp | OptedOut | MemberJoined) and _is_full(account):
        detail = f"the account holds {MAX_PARTS} buckets and categories already"
        return [rejected("account_full", detail, event, arrival)]
    if isinstance(event, PlanChanged):
        return change_plan(account, event, arrival, rules)
    if isinstance(event, ToppedUp):
        return lifecycle.top_up(account, event, arrival, rules)
    if isinstance(event, AccountClosed):
        decided = [*speakers.speak_of_costs(moment, moment.now_ms), *end_contract(moment)]
        closed = lifecycle.close(moment._replace(now_ms=to_ms(event.time)))
        drop_empty_rare_state(account)
        return [*decided, *closed]
    if isinstance(event, OptedOut | OptedIn):
        return lifecycle.opt(account, event, arrival)
    if isinstance(event, LocationUpdated):
        return location_updated(moment, event)
    if isinstance(event, SmsReceived):
        return sms_received(moment, event, arrival)
    if isinstance(event, ProfileChanged):
        return change_profile(moment, event, arrival)
    if isinstance(event, PreferencesSet):
        return set_preferences(account, event, arrival)
    if isinstance(event, CostCapLifted | CostCapRestored):
        return consent.change(account, event, arrival, rules)
    if isinstance(event, MemberJoined):
        return pools.join(account, event, arrival)
    if isinstance(event, MemberLeft):
        return pools.leave(account, event, arrival)
    if isinstance(event, UsageRecorded | UsageRefunded):  # pragma: no cover - step's own
        raise TypeError("usage is not an account event")
    return service_event(moment, event, arrival)


def activate(moment: Moment, event: AccountActivated, arrival: Arrival) -> list[Effect]:
    """Begin a contract, with its services, its welcome and the limits that it begins with."""
    effects = lifecycle.activate(moment.account, event, arrival, moment.rules)
    if not any(is_reject(effect) for effect in effects):
        effects.extend(begin_contract(moment, event))
        effects.extend(speakers.after_activation(moment))
    return effects


def _is_full(account: Account) -> bool:
    members = pools.member_count(account)
    parts = len(account.buckets) + len(account.ended) + len(account.opted_out) + members
    return parts >= MAX_PARTS


def is_reject(effect: Effect) -> bool:
    """Whether an effect says that the event was not applied."""
    return type(effect).__name__ == "Rejected"
