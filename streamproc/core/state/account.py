"""The state of one subscriber, packed as one msgpack array per table row.

``step`` changes the account that it gets. A caller that needs the old account keeps its packed
bytes (:func:`pack` / :func:`unpack`). The table and the changelog hold the same bytes.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.preferences import CHOSEN
from streamproc.core.state.events import Arrival, SubscriberEvent
from streamproc.core.state.message_memory import RecipientMemory, RememberedThreshold, Waiting
from streamproc.core.state.quota import QuotaState
from streamproc.errors import StreamprocError

STATE_VERSION: Final = 1

HELD: Final = 0
"""Unknown so far: its events wait for the activation."""
ACTIVE: Final = 1
CLOSED: Final = 2

ALLOWANCE: Final = "allowance"
PACK: Final = "pack"
TOPUP: Final = "topup"
ROLLOVER: Final = "rollover"
"""Unused bytes of an allowance, carried over from an earlier cycle."""
UNLIMITED: Final = "unlimited"
"""An allowance without a limit: the bytes used count as its grant."""

PLAN_KINDS: Final = frozenset((ALLOWANCE, UNLIMITED))
"""Kinds of buckets that a plan grants in each new cycle."""


class Bucket(Struct, array_like=True, gc=False):
    """Bytes that can be used. Law 9: granted = used + remaining + expired + rolled over."""

    id: str
    kind: str
    source: str
    """Allowance or pack id in the catalogue; for rolled-over bytes the id of the allowance; empty
    for top-ups."""
    priority: int
    """Buckets with a smaller number are charged first."""
    granted_ms: int
    expires_ms: int
    granted_bytes: int
    used_bytes: int = 0
    arming: int = 0
    """Number of the grant that armed its thresholds last. A re-armed threshold gets a new reminder
    id."""
    expired_bytes: int = 0
    rolled_over_bytes: int = 0

    @property
    def remaining_bytes(self) -> int:
        return self.granted_bytes - self.used_bytes - self.expired_bytes - self.rolled_over_bytes

    def charge_order(self) -> tuple[int, int, int, str]:
        """Law 8: smallest priority number, earliest end, oldest grant."""
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
    """Totals of the plan's allowances in a cycle that is over. Late usage still changes them.

    A contract's first cycle begins with the activation, its last cycle ends with the closing.
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
    """Cost of the overage when the cycle closed. Usage that arrives later is not priced here."""
    is_unlimited: bool = False
    """Whether an unlimited allowance covered all usage: then late usage is covered."""
    source: str = ""
    """Id of the one allowance whose figures the totals are; empty: see ``buckets``."""
    priority: int = 0
    """Of that allowance."""
    buckets: list[Bucket] = []
    """The allowances of the cycle if ``source`` is empty, and packs that ended in it with bytes
    left."""
    beside: dict[str, int] = {}
    """Bytes that usage of this cycle took from buckets that continued after it, by bucket id."""
    unrolled: dict[str, int] = {}
    """Bytes that had rolled over and that late usage of this cycle took back, by the id of the
    bucket that they were in."""


class Held(Struct, array_like=True, gc=False):
    """An event that arrived before its subscriber was activated."""

    event: SubscriberEvent
    arrival: Arrival


class Subscription(Struct, array_like=True, gc=False):
    """A value-added service that the subscriber has, as billing reported it."""

    service: str
    """Id in the catalogue of the rules file."""
    price_minor: int
    """Price of one period, in minor units of the rules file's currency."""
    next_charge_ms: int = NEVER_MS
    """When billing will charge it next; NEVER_MS if billing did not say."""
    ending: bool = False
    """The subscriber asked to end it. From then on nothing may be charged for it."""


class Question(Struct, array_like=True, gc=False):
    """A second confirmation that waits for its answer."""

    number: int
    """1 to 99. An answer can name the question by it."""
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
    """Tariff that priced it; empty: the plan's own."""
    rating_group: int
    roaming_zone: str
    minute: int
    """Minute of the subscriber's day."""


class Boundary(Struct, array_like=True, gc=False):
    """An instant of the present cycle at which a bucket was bought or ended; see
    ``core/usage/boundaries.py``."""

    at_ms: int
    used: dict[str, int]
    """By bucket id: bytes that usage from before this instant took. Zeros are left out."""


class Downgrade(Struct, array_like=True, gc=False):
    """A plan change that left a bucket with less, or a later change of such a bucket; see
    ``core/usage/downgrades.py``."""

    bucket: str
    granted_ms: int
    """With its id (and its end, if a plan change ended it) this identifies the bucket within its
    cycle."""
    at_ms: int
    """When the plan changed."""
    before_bytes: int
    """The grant until then."""
    used_bytes: int
    """What was used until then."""
    plan_bytes: int
    """What the new plan grants, also if more was used."""
    overage_bytes: int
    """Overage of the cycle until then."""
    closed_ms: int = 0
    """The end of its cycle; 0: the present cycle."""


class ConfirmedCharge(Struct, array_like=True, gc=False):
    """A charge that the subscriber confirmed: billing may make it once."""

    request: str
    """Digest of the request's id and source."""
    service: str
    amount_minor: int
    """The highest amount that may be charged."""


class RareState(Struct, omit_defaults=True):
    """State of features that few subscribers use. Only fields that differ from their default are
    packed.

    An account without such state has None here, which takes one byte. The compiled part can then
    process its usage.
    """

    # Choices of the subscriber (rules/preferences.py lists them,
    # core/commands/preferences sets them).
    own_percents: list[int] = []
    """Thresholds in percent used, ascending, that replace those of the rules; empty: the rules'."""
    quiet_minutes: list[int] = []
    """Start and end, in minutes after local midnight; equal: never quiet; empty: the rules'."""
    summary_every: str = ""
    """``off``, or one of ``Every`` of the rulebook; empty: as the rules say."""
    summary_minute: int = -1
    """Time of day of summaries, in minutes after local midnight; -1: the rules'."""

    # Schedules (core/schedule).
    segments: list[str] = []
    """Groups of subscribers that rules can be limited to."""
    moves: list[Move] = []
    """Time zones that the subscriber left within the last days, oldest first."""
    ends_told: list[tuple[str, str]] = []
    """Rules and buckets whose end was reported, although the present quiet hours mean a later
    instant."""

    # Value-added services (core/notices).
    services: list[Subscription] = []
    """Services in the order in which they were subscribed."""
    questions: list[Question] = []
    """Open questions, oldest first."""
    questions_asked: int = 0
    """How many questions were asked so far, to number them."""
    confirmed_charges: list[ConfirmedCharge] = []
    """Charges that are confirmed and not made yet, oldest first."""
    roaming_zone: str = ""
    """The zone in which the network last saw the subscriber; empty: home."""
    located_ms: int = 0
    """When the network saw the subscriber there; 0: home."""
    advised_cycle_ms: int = 0
    """Start of the cycle in which a plan was advised last."""

    # Two-way SMS (core/commands).
    listed: list[str] = []
    """Services in the last list that was sent, by position."""
    replied_ms: list[int] = []
    """Instants of the last replies, oldest first, as many as the limit of replies needs."""
    helped: bool = False
    """Help was sent for an unknown SMS, and no known keyword came since."""

    left_singly: int = 0
    """How many categories of ``Account.opted_out``, from its start, were opted out one by one. A
    START without a category takes back a STOP without one; it does not change these."""

    # Messages at the gate (core/alerts/gate.py).
    waiting: list[Waiting] = []
    """Messages that are held back, in the order in which they came."""
    sent_ms: list[int] = []
    """Instants of the last messages to the account's own number, ascending, as many as the
    frequency caps need."""
    cooling: dict[str, int] = {}
    """End of the cool-down (ms) of each rule, for the account's own number."""
    members_told: dict[str, RecipientMemory] = {}
    """``sent_ms`` and ``cooling`` for each member of a pool, by number (or opaque id)."""

    costly: list[CostlyUse] = []
    """Usage that has cost in this cycle although other usage may still be free."""
    used_up: list[str] = []
    """Sources of packs for some usage only that were used up in this cycle and have ended."""
    freed: bool = False
    """A refund or a plan change freed bytes in this cycle after bought ones were used. So a bucket
    that has bytes left may have been used up before."""
    downgrades: list[Downgrade] = []
    """Changes to smaller plans, in the order in which they came, as long as usage from before them
    can arrive or be taken back."""
    boundaries: list[Boundary] = []
    """The last ones of the present cycle, in the order of time."""
    boundary_ms: int = 0
    """The instant of the last boundary; 0: none. Usage from before it is late."""
    quota: QuotaState | None = None
    """Meters of prices, members of a pool, policy states sent; see ``core/usage``."""

    # Rules that remember what is reached (core/alerts).
    alarms: list[RememberedThreshold] = []
    """Thresholds that are reached, in that order, of rules that remember them."""
    speeds: dict[str, list[int]] = {}
    """By velocity rule and length of its window: pairs (part of the window since 1970, bytes used
    in it), ascending."""
    foretold: dict[str, int] = {}
    """By forecast rule: the value of ``grants`` when its last reminder in this cycle was sent."""
    used_ms: int = 0
    """When something was used last, for inactivity rules; 0: never, or no rule needs it."""
    own_thresholds: dict[str, list[int]] = {}
    """By rule: the subscriber's own thresholds, ascending, in the unit of the rule."""


NO_RARE_STATE = RareState()
_NO_QUOTA: Final = QuotaState()


def rare_state_of(account: Account) -> RareState:
    """The account's rarely used state, to be changed. It is created if there is none."""
    if account.extra is None:
        account.extra = RareState()
    return account.extra


def forget_choices_and_services(extra: RareState) -> None:
    """A contract ended: choices, services and places of its subscriber must not apply to the next
    one."""
    for name in (
        *CHOSEN,
        *("segments", "moves", "ends_told"),
        *("services", "questions", "questions_asked", "confirmed_charges"),
        *("roaming_zone", "located_ms", "advised_cycle_ms", "listed", "replied_ms", "helped"),
        "left_singly",
    ):
        setattr(extra, name, getattr(RareState(), name))


def forget_conversation(extra: RareState, now_ms: int, window_ms: int) -> None:
    """A cycle ended: the numbers of the last list, and old replies, are not needed any more."""
    extra.listed = []
    extra.helped = False
    extra.advised_cycle_ms = 0
    extra.replied_ms = [one for one in extra.replied_ms if one > now_ms - window_ms]


def drop_empty_rare_state(account: Account) -> None:
    """Set ``extra`` to None if nothing is left in it, so that the account is simple again."""
    extra = account.extra
    if extra is None:
        return
    if extra.quota == _NO_QUOTA:
        extra.quota = None
    if extra == NO_RARE_STATE:
        account.extra = None


class Account(Struct, array_like=True, gc=False):
    """Everything that streamproc knows about one subscriber."""

    version: int = STATE_VERSION
    status: int = HELD
    plan: str = ""
    next_plan: str = ""
    time_zone: str = "UTC"
    anchor_day: int = 1
    locale: str = ""
    activated_ms: int = 0
    closed_ms: int = 0
    """When the account was closed; 0 if it is not closed, because 0 packs into one byte."""
    cycle_start_ms: int = 0
    cycle_end_ms: int = NEVER_MS
    buckets: list[Bucket] = []
    """Buckets in charge order."""
    overage_bytes: int = 0
    """Overage of the present cycle."""
    charged_bytes: int = 0
    """All usage ever counted, whatever it was charged to. Input and state must agree on this
    number."""
    grants: int = 0
    """Counts all changes of grants. It names buckets and distinguishes armings."""
    history: list[ClosedCycle] = []
    """Closed cycles, oldest first."""
    opted_out: list[str] = []
    seen_ids: bytes = b""
    """Earlier releases only: eight bytes per charged event id (``move_old_ids``)."""
    seen_marks: list[int] = []
    """Pairs (segment, number of ids in that segment), oldest first."""
    clock_ms: int = 0
    """All work that fell due up to this instant is done."""
    next_due_ms: int = NEVER_MS
    rules_id: int = 0
    """Fingerprint of the rulebook from which ``next_due_ms`` was calculated."""
    held: list[Held] = []
    ended: list[Bucket] = []
    """Buckets that ended within the present cycle. Late usage from before their end is charged to
    them."""
    extra: RareState | None = None
    period_bases: dict[str, int] = {}
    """For each rule whose texts show the usage since its last message: ``charged_bytes`` at that
    time. A recipient for whom it differs has an entry of its own (``core/usage/periods.py``)."""

    @property
    def quota(self) -> QuotaState | None:
        """The state that ``core/usage`` keeps; None if there is none."""
        return self.extra.quota if self.extra is not None else None


class NewerStateError(StreamprocError, ValueError):
    """A newer streamproc wrote the record. To change it would destroy what the newer one stored."""


def quota_of(account: Account) -> QuotaState:
    """The account's quota state. It is created if there is none; :func:`drop_empty_rare_state`
    removes an empty one."""
    extra = rare_state_of(account)
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
        # A newer version can have another shape. Then only the version number can be read.
        _refuse_newer(_version(data))
        raise
    except (UnicodeDecodeError, RecursionError) as error:  # damaged; msgspec has two more errors
        raise msgspec.DecodeError(str(error)) from error
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
    except (msgspec.DecodeError, RecursionError):
        return 0
