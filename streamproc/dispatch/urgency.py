"""Which reminders are urgent: a pure function of the record, for the default lanes."""

from __future__ import annotations

from typing import Final, get_args

from msgspec import UNSET

from streamproc.core.rules.kinds import KINDS
from streamproc.core.rules.notices import URGENT, NoticeKind
from streamproc.core.state.effects import Reminder

_NOTICES: Final = frozenset(get_args(NoticeKind))
NOT_URGENT_SEVERITY: Final = "info"


def is_urgent(reminder: Reminder) -> bool:
    """Whether the reminder is sent before those that can wait.

    Mandatory reminders are, and those whose rule is more severe than ``info``. Otherwise the kind
    decides. For a kind that is not installed here, a reminder that an event caused is urgent, and
    one that fell due by the calendar is not.
    """
    if reminder.mandatory or reminder.severity != NOT_URGENT_SEVERITY:
        return True
    kind = KINDS.get(reminder.kind)
    if kind is not None:
        return kind.is_urgent
    if reminder.kind in _NOTICES:
        return reminder.kind in URGENT
    return reminder.cause.event_id is not UNSET
