"""The state of one subscriber, packed as one msgpack array per table row.

``step`` owns the account it is given: callers that need the old one keep its packed bytes
(:func:`pack` / :func:`unpack`), which is also what the table and the changelog hold.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.preferences import CHOSEN
from streamproc.core.state.events import Arrival, SubscriberEvent
from streamproc.core.state.gate import Alarm, RecipientMemory, Waiting
from streamproc.core.state.quota import QuotaState
from streamproc.errors import StreamprocError

STATE_VERSION: Final = 1

HELD: Final = 0
"""Unknown so far: events wait for the activation."""
ACTIVE: Final = 1
CLOSED: Final = 2

ALLOWANCE: Final = "allowance"
PACK: Final = "pack"
TOPUP: Final = "topup"
ROLLOVER: Final = "rollover"
"""Unused bytes of an allowance, carried over from an earlier cycle."""
UNLIMITED: Final = "unlimited"
"""An allowance without end: its grant is what was used of it."""

PLAN_KINDS: Final = frozenset((ALLOWANCE, UNLIMITED))
"""What a plan grants anew in each cycle."""


class Bucket(Struct, array_like=True, gc=False):
    """Bytes that can be used up. Law: granted = used + remaining + expired + rolled over."""

    id: str
    kind: str
    source: str
    """Allowance or pack id in the catalogue (a rolled-over one: its allowance's); empty for
    top-ups."""
    priority: int
    """Lower is charged first."""
    granted_ms: int
    expires_ms: int
    granted_bytes: int
    used_bytes: int = 0
    arming: int = 0
    """Number of the grant that armed its thresholds last: a re-armed one gets a new reminder id."""
    expired_bytes: int = 0
    rolled_over_bytes: int = 0

    @property
    def remaining_bytes(self) -> int:
        return self.granted_bytes - self.used_bytes - self.expired_bytes - self.rolled_over_bytes

    def charge_order(self) -> tuple[int, int, int, str]:
        """Law 8: priority, then soonest expiry, then oldest grant."""
        return self.priority, self.expires_ms, self.granted_ms, self.id


def totals(buckets: list[Bucket]) -> tuple[int, int, int]:
    """Granted, used and remaining bytes over buckets."""
    if len(buckets) == 1:
        one = buckets[0]
        return one.granted_bytes, one.used_bytes, one.remaining_bytes
    granted = used = remaining = 0
    for bucket in buckets:
        granted += bucket.granted_bytes
        used += bucket.used_bytes
        remaining += bucket.remaining_bytes
    return granted, used, remaining


class ClosedCycle(Struct, array_like=True, gc=False):
    """Totals of the plan allowance in a cycle that is over; late usage still adjusts them.

    A first cycle begins with the activation, a last one ends with the closing.
    """

    start_ms: int
    end_ms: int
    granted_bytes: int
    used_bytes: int
    expired_bytes: int
    overage_bytes: int
    late_bytes: int = 0
    rolled_over_bytes: int = 0
    spend_minor: int = 0
    """What the overage cost when the cycle closed; later usage is priced by nobody here."""
    is_unlimited: bool = False
    """An allowance of all usage was: late usage is covered."""
    source: str = ""
    """The one allowance whose figures the totals are; empty: see ``buckets``."""
    priority: int = 0
    """Of that allowance."""
    buckets: list[Bucket] = []
    """The cycle's allowances if they are others, and packs that ended in it with something left."""
    beside: dict[str, int] = {}
    """Bytes that the cycle's usage took of buckets that outlived it, by bucket id."""
    unrolled: dict[str, int] = {}
    """Bytes that had rolled over until late usage of the cycle took them, by the id of the bucket
    that they had become."""


class Held(Struct, array_like=True, gc=False):
    """An event that arrived before its subscriber was known."""

    event: SubscriberEvent
    arrival: Arrival


class Subscription(Struct, array_like=True, gc=False):
    """A value-added service that the subscriber has, as billing told it."""

    service: str
    """Id in the catalogue of the rules file."""
    price_minor: int
    """Of one period, in minor units of the rules file's currency."""
    next_charge_ms: int = NEVER_MS
    """When billing will charge it next; NEVER_MS if it did not say."""
    ending: bool = False
    """The subscriber asked to end it: from then on nothing may be charged for it."""


class Question(Struct, array_like=True, gc=False):
    """A second confirmation that waits for its answer."""

    number: int
    """1 to 99, by which an answer can name it."""
    about: str
    """``subscription`` or ``charge``."""
    service: str
    amount_minor: int
    request_id: str
    """Event id and source of billing's request."""
    request_source: str
    asked_ms: int
    deadline_ms: int


class Move(Struct, array_like=True, gc=False):
    """A time zone in which the subscriber was until an instant."""

    time_zone: str
    until_ms: int


class CostlyUse(Struct, array_like=True, gc=False):
    """An example of usage that was overage in this cycle; see ``core/usage/costs.py``."""

    tariff: str
    """That priced it; empty: the plan's own."""
    rating_group: int
    roaming_zone: str
    minute: int
    """Of the subscriber's day."""


class ConfirmedCharge(Struct, array_like=True, gc=False):
    """What billing may charge once."""

    request: str
    """Digest of the request's id and source."""
    service: str
    amount_minor: int
    """At most."""


class Extra(Struct, omit_defaults=True):
    """State of features that few subscribers use: only what differs from its default is packed.

    An account without any of it has None here, one byte, and stays a plain case.
    """

    # What the subscriber chose (rules/preferences.py lists it, core/commands/preferences sets it).
    own_percents: list[int] = []
    """Thresholds in percent used, ascending, that replace those of the rules; empty: the rules'."""
    quiet_minutes: list[int] = []
    """From and to, in minutes after local midnight; equal: never quiet; empty: the rules'."""
    summary_every: str = ""
    """``off``, or one of ``Every`` of the rulebook; empty: as the rules have it."""
    summary_minute: int = -1
    """Time of day of summaries, in minutes after local midnight; -1: the rules'."""

    # Schedules (core/schedule).
    segments: list[str] = []
    """Groups of subscribers that rules may be for."""
    moves: list[Move] = []
    """Time zones that were left within the last days, oldest first."""

    # Value-added services (core/notices).
    services: list[Subscription] = []
    """In the order in which they were subscribed."""
    questions: list[Question] = []
    """Oldest first."""
    questions_asked: int = 0
    """How many so far, to number them."""
    confirmed_charges: list[ConfirmedCharge] = []
    """Confirmed and not charged yet, oldest first."""
    roaming_zone: str = ""
    """Where the network last saw the subscriber, if not at home."""
    located_ms: int = 0
    """When it did, if not at home."""
    advised_cycle_ms: int = 0
    """Begin of the cycle in which a plan was advised last."""

    # Two-way SMS (core/commands).
    listed: list[str] = []
    """Services of the list that was sent last, by position."""
    replied_ms: list[int] = []
    """Instants of the last replies, oldest first, as far as the limit needs them."""
    helped: bool = False
    """Help was sent for an unknown text, and no known keyword came since."""

    left_singly: int = 0
    """How many of ``Account.opted_out``, from its start, were left one by one: a START without a
    category, which takes a STOP without one back, leaves them alone."""

    # Messages at the gate (core/alerts/gate.py).
    waiting: list[Waiting] = []
    """Held back, in the order in which they came."""
    sent_ms: list[int] = []
    """Instants of the last messages to the account's own number, ascending, as far as frequency
    caps need them."""
    cooling: dict[str, int] = {}
    """By rule: the end of its cool-down (ms) for the account's own number."""
    members_told: dict[str, RecipientMemory] = {}
    """The same two for each of a pool's members, by number (or opaque id)."""

    costly: list[CostlyUse] = []
    """Of usage that not all data is for, what has cost in this cycle."""
    quota: QuotaState | None = None
    """Meters of prices, members of a pool, policies told; see ``core/usage``."""

    # Rules with a memory (core/alerts).
    alarms: list[Alarm] = []
    """Thresholds that are reached, in that order, of rules that must know."""
    speeds: dict[str, list[int]] = {}
    """By velocity rule and length of its window: pairs (part of the window since 1970, bytes used
    in it), ascending."""
    foretold: dict[str, int] = {}
    """By forecast rule: the grant (``grants``) as of which it was told in this cycle."""
    used_ms: int = 0
    """When something was used last, for rules about inactivity; 0: never, or nobody asks."""
    own_thresholds: dict[str, list[int]] = {}
    """By rule: the subscriber's own, ascending, in the unit of the rule's."""


NO_EXTRA = Extra()
_NO_QUOTA: Final = QuotaState()


def extra_of(account: Account) -> Extra:
    """The account's rarely used state, to be changed; made if there is none."""
    if account.extra is None:
        account.extra = Extra()
    return account.extra


def forget_choices_and_services(extra: Extra) -> None:
    """A contract ended: what its subscriber chose and had, and was, does not bind a new one."""
    for name in (
        *CHOSEN,
        *("segments", "moves"),
        *("services", "questions", "questions_asked", "confirmed_charges"),
        *("roaming_zone", "located_ms", "advised_cycle_ms", "listed", "replied_ms", "helped"),
        "left_singly",
    ):
        setattr(extra, name, getattr(Extra(), name))


def forget_conversation(extra: Extra, now_ms: int, window_ms: int) -> None:
    """A cycle ended: numbers of the last list, and old replies, are of no use any more."""
    extra.listed = []
    extra.helped = False
    extra.advised_cycle_ms = 0
    extra.replied_ms = [one for one in extra.replied_ms if one > now_ms - window_ms]


def drop_empty_extra(account: Account) -> None:
    """Back to the plain case if nothing of the rarely used state is left."""
    extra = account.extra
    if extra is None:
        return
    if extra.quota == _NO_QUOTA:
        extra.quota = None
    if extra == NO_EXTRA:
        account.extra = None


class Account(Struct, array_like=True, gc=False):
    """Everything streamproc knows of one subscriber."""

    version: int = STATE_VERSION
    status: int = HELD
    plan: str = ""
    next_plan: str = ""
    time_zone: str = "UTC"
    anchor_day: int = 1
    locale: str = ""
    activated_ms: int = 0
    closed_ms: int = 0
    """Of a closed account; else 0, which packs short."""
    cycle_start_ms: int = 0
    cycle_end_ms: int = NEVER_MS
    buckets: list[Bucket] = []
    """In charge order."""
    overage_bytes: int = 0
    """In the present cycle."""
    charged_bytes: int = 0
    """All usage ever counted, whatever it was charged to: what input and state must agree on."""
    grants: int = 0
    """Counts what changed grants, to name buckets and to tell armings apart."""
    history: list[ClosedCycle] = []
    """Oldest first."""
    opted_out: list[str] = []
    seen_ids: bytes = b""
    """Eight bytes per charged event id, oldest first; see ``dedupe``."""
    seen_marks: list[int] = []
    """Pairs (segment, ids in that segment), oldest first."""
    clock_ms: int = 0
    """Everything due up to here has been done."""
    next_due_ms: int = NEVER_MS
    rules_id: int = 0
    """Fingerprint of the rulebook ``next_due_ms`` was computed with."""
    held: list[Held] = []
    ended: list[Bucket] = []
    """Buckets that ended within the present cycle; usage from before, arriving late, is theirs."""
    extra: Extra | None = None
    period_bases: dict[str, int] = {}
    """By rule whose texts tell of usage since its last message, and by recipient where that differs
    (``core/usage/periods.py``): ``charged_bytes`` as of then."""

    @property
    def quota(self) -> QuotaState | None:
        """What is kept for ``core/usage``, if anything is."""
        return self.extra.quota if self.extra is not None else None


class NewerStateError(StreamprocError, ValueError):
    """The record was written by a newer streamproc; going on would destroy what it knows."""


def quota_of(account: Account) -> QuotaState:
    """The account's quota state, made if there is none; :func:`drop_empty_extra` takes an empty one
    away."""
    extra = extra_of(account)
    if extra.quota is None:
        extra.quota = QuotaState()
    return extra.quota


pack = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Account).decode


class _AnyVersion(Struct, array_like=True, gc=False):
    version: int


_decode_any_version = msgspec.msgpack.Decoder(_AnyVersion).decode


def unpack(data: bytes) -> Account:
    """The account in a table row; raises :class:`NewerStateError` or ``msgspec.DecodeError``."""
    try:
        account = _decode(data)
    except msgspec.DecodeError:
        # A newer version may have another shape: then the version is all that can be read of it.
        _refuse_newer(_version(data))
        raise
    _refuse_newer(account.version)
    return account


def _refuse_newer(version: int) -> None:
    if version > STATE_VERSION:
        raise NewerStateError(
            f"state record has version {version}, this streamproc reads up to {STATE_VERSION}; "
            f"run the newer release"
        )


def _version(data: bytes) -> int:
    try:
        return _decode_any_version(data).version
    except msgspec.DecodeError:
        return 0
