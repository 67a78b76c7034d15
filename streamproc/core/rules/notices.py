"""Value-added services, roaming zones and notices of the rules file."""

from __future__ import annotations

from datetime import time
from typing import Final, Literal

from msgspec import Struct

from streamproc.core.rules.placeholders import EVERYWHERE, Kind, Vocabulary
from streamproc.core.rules.scope import HOME_ZONE
from streamproc.core.rules.sending import PLAIN, Policy

NoticeKind = Literal[
    "activation_welcome",
    "subscription_question",
    "charge_question",
    "before_charge",
    "service_charged",
    "charged_in_error",
    "service_refunded",
    "roaming_welcome",
    "plan_advice",
    "command_reply",
]
URGENT: Final[frozenset[NoticeKind]] = frozenset(
    {"subscription_question", "charge_question", "roaming_welcome", "command_reply"}
)
"""Kinds whose messages are useless after minutes: questions with a deadline, prices abroad, and
answers that the subscriber waits for."""
HOME = HOME_ZONE
"""The zone of home: not a roaming zone."""

_EVERY: Vocabulary = {**EVERYWHERE, "plan": Kind.NAME, "as_of": Kind.INSTANT}
_SERVICE: Vocabulary = {**_EVERY, "service": Kind.NAME, "price": Kind.MONEY}
_QUESTION: Vocabulary = {
    **_SERVICE,
    "number": Kind.TEXT,
    "deadline": Kind.INSTANT,
    "yes": Kind.TEXT,
    "no": Kind.TEXT,
}

PLACEHOLDERS: dict[str, Vocabulary] = {
    "activation_welcome": {
        **_EVERY,
        "services": Kind.NAMES,
        "granted": Kind.BYTES,
        "cycle_end": Kind.INSTANT,
        "last_day": Kind.DATE,
    },
    "subscription_question": _QUESTION,
    "charge_question": _QUESTION,
    "before_charge": {**_SERVICE, "charge_date": Kind.DATE, "days": Kind.COUNT},
    "service_charged": _SERVICE,
    "charged_in_error": {**_SERVICE, "refund": Kind.MONEY},
    "service_refunded": {**_SERVICE, "charged": Kind.MONEY},
    "roaming_welcome": {
        **_EVERY,
        "zone": Kind.NAME,
        "price": Kind.MONEY,
        "unit": Kind.PRICE_UNIT,
        "cap": Kind.MONEY,
    },
    "plan_advice": {
        **_EVERY,
        "better_plan": Kind.NAME,
        "cost": Kind.MONEY,
        "better_cost": Kind.MONEY,
        "saving": Kind.MONEY,
        "usage": Kind.BYTES,
        "cycles": Kind.COUNT,
    },
}
"""The placeholders that the text of each kind of notice may use. Replies have others."""


class Service(Struct, frozen=True, gc=False):
    """A value-added service of the catalogue."""

    id: str
    names: dict[str, str]
    """Names by locale; the id if there is none."""
    price_minor: int
    confirm_charge: bool
    """True: each charge needs a confirmation of its own. False: the subscription is enough."""
    answer_ms: int
    """How long a question waits for an answer."""
    wrong_charge_refund_percent: int
    """What billing must return if it charged without a confirmation, in percent; 200 is double."""


class Zone(Struct, frozen=True, gc=False):
    """A roaming zone, and the price of ``unit_bytes`` of data in it."""

    id: str
    names: dict[str, str]
    price_minor: int
    unit_bytes: int


class Notice(Struct, frozen=True, gc=False):
    """One kind of notice; there is at most one of each kind."""

    id: str
    kind: NoticeKind
    texts: dict[str, str]
    category: str
    mandatory: bool
    priority: int
    ttl_ms: int
    at: time = time(0)
    """Local time of day of notices that are sent at a time of day."""
    days: int = 0
    """Days before a charge; for plan advice, days after the start of a cycle."""
    misfire_grace_ms: int = 0
    cycles: int = 2
    """How many complete cycles plan advice compares."""
    saving_minor: int = 1
    """The smallest saving, over all these cycles, for which a plan is advised."""
    policy: Policy = PLAIN


AT_ONCE = frozenset({"subscription_question", "charge_question", "roaming_welcome"})
"""Kinds that are sent in quiet hours unless the rules file says otherwise: the subscriber has
little time to act."""
