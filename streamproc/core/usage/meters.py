"""What usage changes besides buckets: meters of tariffs, figures of members, policies."""

from __future__ import annotations

from streamproc.core.state.effects import Effect
from streamproc.core.state.events import UsageRecorded
from streamproc.core.state.moment import Moment
from streamproc.core.usage import pools
from streamproc.core.usage.charging import Crossed
from streamproc.core.usage.policies import policy_changes


def after_usage(
    moment: Moment, event: UsageRecorded, *, is_of_cycle: bool = True
) -> tuple[list[Effect], list[Crossed]]:
    """Update meters after usage. Call it when buckets are charged and the overage is booked.

    Members' figures are about the present cycle: usage of another cycle (not ``is_of_cycle``) does
    not change them. Returns effects, and the thresholds of a member's cap that were crossed.
    """
    out: list[Effect] = []
    crossed: list[Crossed] = []
    if is_of_cycle and isinstance(event.member, str):
        found = pools.use(moment.account, event.member, event.used_bytes, moment.rules)
        if found is None:
            out.append(
                moment.audited("unknown_member", member=event.member, used_bytes=event.used_bytes)
            )
        else:
            crossed = found
    out.extend(policy_changes(moment))
    return out, crossed
