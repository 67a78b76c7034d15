"""What subscribers choose: one module for each preference of ``core/rules/preferences.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import UNSET

from streamproc.core.commands.preferences.base import PreferenceHandler, take_over
from streamproc.core.commands.preferences.quiet_hours import QuietHoursHandler
from streamproc.core.commands.preferences.summaries import SummariesHandler
from streamproc.core.commands.preferences.thresholds import ThresholdsHandler
from streamproc.core.instants import to_ms
from streamproc.core.state.account import Account, drop_empty_rare_state, rare_state_of
from streamproc.core.state.effects import Effect, audited, cause_of
from streamproc.core.state.events import Arrival, PreferencesSet

HANDLERS: Final[dict[str, PreferenceHandler]] = {
    one.action: one for one in (ThresholdsHandler(), QuietHoursHandler(), SummariesHandler())
}
"""How each preference is chosen, by the command that sets it."""


def set_preferences(account: Account, event: PreferencesSet, arrival: Arrival) -> list[Effect]:
    """Store what the subscriber chose. Preferences that the event does not name do not change."""
    extra = rare_state_of(account)
    for preference, field, value in _named(event):
        take_over(extra, preference.change_by_event(field, value))
    drop_empty_rare_state(account)
    cause = cause_of(event, arrival)
    return [audited("preferences_set", event.subscriber, to_ms(event.time), cause)]


def chosen_words(event: PreferencesSet) -> list[str]:
    """The choices of an event in words for people."""
    return [preference.words(field, value) for preference, field, value in _named(event)]


def _named(event: PreferencesSet) -> Iterator[tuple[PreferenceHandler, str, Any]]:
    """The fields of an event, each with the preference that it sets."""
    for field in event.choices():
        value = getattr(event, field)
        if value is not UNSET:
            yield next(
                (one, field, value) for one in HANDLERS.values() if field in one.declared.event
            )
