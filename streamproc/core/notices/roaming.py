"""A welcome to a roaming zone, with the price of data there."""

from __future__ import annotations

from streamproc.core.alerts.held_notices import message_of
from streamproc.core.alerts.message import arming_of
from streamproc.core.alerts.speakers import submit
from streamproc.core.instants import to_ms
from streamproc.core.rules.notices import HOME
from streamproc.core.state.account import drop_empty_rare_state, rare_state_of
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import LocationUpdated
from streamproc.core.state.moment import Moment


def location_updated(moment: Moment, event: LocationUpdated) -> list[Effect]:
    """Welcome the subscriber once for each entry into a zone.

    An update that is older than the last one is ignored. There is no welcome for an entry that
    becomes known only after the lifetime of the notice.
    """
    account, rules, now_ms = moment.account, moment.rules, moment.now_ms
    time_ms = to_ms(event.time)
    extra = rare_state_of(account)
    if extra.roaming_zone and time_ms < extra.located_ms:
        return [moment.audited("location_outdated")]
    before = extra.roaming_zone or HOME
    at_home = event.roaming_zone == HOME
    extra.roaming_zone = "" if at_home else event.roaming_zone
    extra.located_ms = 0 if at_home else time_ms
    drop_empty_rare_state(account)
    out: list[Effect] = [moment.audited("located")]
    welcome = rules.notices.get("roaming_welcome")
    zone = rules.zones.get(event.roaming_zone)
    if welcome is None or zone is None or event.roaming_zone == before:
        return out
    if now_ms - time_ms > welcome.ttl_ms:
        out.append(moment.audited("missed", rule=welcome.id, lateness_ms=now_ms - time_ms))
        return out
    message = message_of(moment, welcome, zone.id, (zone.id,), arming_of(moment))
    out.extend(submit(moment, [message]))
    return out
