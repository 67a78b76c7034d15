"""What keeps a message from going out, and until when; what must be remembered for that."""

from __future__ import annotations

from bisect import insort
from typing import NamedTuple

from streamproc.core.alerts.policy import QuietHours, Spoken
from streamproc.core.alerts.quiet import quiet_until_ms
from streamproc.core.calendar import clock_time, known_zone
from streamproc.core.model import Account, drop_empty_extra, extra_of
from streamproc.core.rulebook import Rulebook


class Delay(NamedTuple):
    """What keeps a message, and until when."""

    why: str
    until_ms: int


def earliest(account: Account, rule: Spoken, since_ms: int, at_ms: int, rules: Rulebook) -> Delay:
    """When a message may go out, from an instant on, and what keeps it until then."""
    policy, extra = rule.policy, account.extra
    delay = Delay("", at_ms)
    if policy.coalesce_ms and since_ms + policy.coalesce_ms > delay.until_ms:
        delay = Delay("coalescing", since_ms + policy.coalesce_ms)
    if extra is not None:
        if extra.cooling and (cool_ms := extra.cooling.get(rule.id, 0)) > delay.until_ms:
            delay = Delay("cool_down", cool_ms)
        if not rule.mandatory:
            sent = extra.sent_ms
            for cap in rules.alerts.caps:
                # The last but so many must have left the window.
                if len(sent) >= cap.messages and (
                    (free_ms := sent[-cap.messages] + cap.window_ms) > delay.until_ms
                ):
                    delay = Delay("capped", free_ms)
    hours = _quiet_hours(account, rules)
    if hours is not None and policy.in_quiet_hours == "hold":
        end_ms = quiet_until_ms(hours, delay.until_ms, known_zone(account.time_zone))
        if end_ms > delay.until_ms:
            delay = Delay("quiet_hours", end_ms)
    return delay


def _quiet_hours(account: Account, rules: Rulebook) -> QuietHours | None:
    """The subscriber's own, else those of the rules file."""
    own = account.extra.quiet_minutes if account.extra is not None else []
    if not own:
        return rules.alerts.quiet_hours
    start, end = own
    if start == end:
        return None
    return QuietHours(clock_time(start), clock_time(end))


def note_sent(account: Account, told: list[Spoken], at_ms: int, rules: Rulebook) -> None:
    """Remember what caps and cool-downs count, mandatory messages too."""
    cooling = [rule for rule in told if rule.policy.cool_down_ms]
    kept = max((cap.messages for cap in rules.alerts.caps), default=0)
    if not cooling and not kept:
        return
    extra = extra_of(account)
    for rule in cooling:
        extra.cooling[rule.id] = at_ms + rule.policy.cool_down_ms
    if kept:
        insort(extra.sent_ms, at_ms)
        del extra.sent_ms[:-kept]


def tidy(account: Account, at_ms: int, rules: Rulebook) -> None:
    """Forget sent messages that no cap and no cool-down counts any more."""
    extra = account.extra
    if extra is None:
        return
    if extra.sent_ms:
        window_ms = max((cap.window_ms for cap in rules.alerts.caps), default=0)
        extra.sent_ms = [one for one in extra.sent_ms if one > at_ms - window_ms]
    if extra.cooling:
        extra.cooling = {rule: end_ms for rule, end_ms in extra.cooling.items() if end_ms > at_ms}
    drop_empty_extra(account)
