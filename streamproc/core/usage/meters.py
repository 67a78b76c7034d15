"""What usage moves beside buckets: meters of tariffs, figures of members, policies."""

from __future__ import annotations

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Cause, Effect, audited
from streamproc.core.state.events import UsageRecorded
from streamproc.core.usage import pools
from streamproc.core.usage.charging import Crossed
from streamproc.core.usage.policies import policy_changes


def after_usage(
    account: Account,
    event: UsageRecorded,
    as_of_ms: int,
    cause: Cause,
    rules: Rulebook,
    *,
    is_of_cycle: bool = True,
) -> tuple[list[Effect], list[Crossed]]:
    """To be called when buckets are charged, and what they did not cover is booked.

    Members' figures are of the present cycle: usage of another one (not ``is_of_cycle``) moves
    none. Returns effects, and the thresholds of a member's cap that were crossed.
    """
    out: list[Effect] = []
    crossed: list[Crossed] = []
    if is_of_cycle and isinstance(event.member, str):
        found = pools.use(account, event.member, event.used_bytes, rules)
        if found is None:
            out.append(
                audited(
                    "unknown_member",
                    event.subscriber,
                    as_of_ms,
                    cause,
                    member=event.member,
                    used_bytes=event.used_bytes,
                )
            )
        else:
            crossed = found
    out.extend(policy_changes(account, event.subscriber, as_of_ms, cause, rules))
    return out, crossed
