"""A welcome to a roaming zone, with what data cost there."""

from __future__ import annotations

from streamproc.core.alerts.notices import message_of
from streamproc.core.alerts.speakers import submit
from streamproc.core.instants import to_ms
from streamproc.core.rules.notices import HOME
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import Account, drop_empty_extra, extra_of
from streamproc.core.state.effects import Effect, audited, cause_of
from streamproc.core.state.events import Arrival, LocationUpdated


def location_updated(
    account: Account, event: LocationUpdated, arrival: Arrival, rules: Rulebook
) -> list[Effect]:
    """Welcome the subscriber once for each entry into a zone.

    An update from before the last one is not news, nor is an entry that is heard of only after the
    notice's lifetime.
    """
    time_ms = to_ms(event.time)
    now_ms = arrival.received_ms
    cause = cause_of(event, arrival)
    extra = extra_of(account)
    if extra.roaming_zone and time_ms < extra.located_ms:
        return [audited("location_outdated", event.subscriber, now_ms, cause)]
    before = extra.roaming_zone or HOME
    at_home = event.roaming_zone == HOME
    extra.roaming_zone = "" if at_home else event.roaming_zone
    extra.located_ms = 0 if at_home else time_ms
    drop_empty_extra(account)
    out: list[Effect] = [audited("located", event.subscriber, now_ms, cause)]
    welcome = rules.notices.get("roaming_welcome")
    zone = rules.zones.get(event.roaming_zone)
    if welcome is None or zone is None or event.roaming_zone == before:
        return out
    if now_ms - time_ms > welcome.ttl_ms:
        out.append(
            audited(
                "missed", event.subscriber, now_ms, cause, rule=welcome.id,
                lateness_ms=now_ms - time_ms,
            )
        )  # fmt: skip
        return out
    message = message_of(welcome, zone.id, (zone.id,), now_ms, cause, time_ms)
    out.extend(submit(account, event.subscriber, [message], now_ms, rules))
    return out
