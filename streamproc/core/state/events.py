"""What can arrive: the input events, in the past tense.

The JSON Schemas in ``schemas/`` are the contract that was reviewed with the billing and
provisioning teams. These types are its Python form; ``tests/contract`` checks that both agree. All
byte counts are integers in bytes, all instants aware datetimes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import force_setattr

from streamproc.core.rules.scope import HOME_ZONE, ORDINARY_RATING_GROUP

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON implementation keeps exactly."""

EventId = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
OptionalName = Annotated[str, Meta(max_length=64)]
Source = Annotated[str, Meta(min_length=1, max_length=256)]
Subscriber = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][!-~]{2,63}\Z")]
"""Visible ASCII, because it is a record key. No plus at the start, because that would be another
key for the same subscriber."""
Instant = Annotated[datetime, Meta(tz=True)]
ByteCount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
GrantedBytes = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
RatingGroup = Annotated[int, Meta(ge=0, le=2**32 - 1)]
AnchorDay = Annotated[int, Meta(ge=1, le=31)]
MinorAmount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
"""Money in minor units (cent, fen) of the rules file's currency."""
MobileText = Annotated[str, Meta(max_length=1600)]
"""Ten parts of an SMS: more than any keyword needs."""
ChosenTime = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|default)\Z")]
Percent = Annotated[int, Meta(ge=1, le=100)]
SummaryChoice = Literal[
    "day",
    "week",
    "month",
    "month_start",
    "month_middle",
    "month_end",
    "cycle_start",
    "cycle_middle",
    "cycle_end",
    "off",
    "default",
]


def _keep_in_calendar(event: Struct, field: str) -> None:
    """Cut an instant without a UTC date to the end of the calendar, because a state record must
    hold it."""
    when: datetime = getattr(event, field)
    try:
        when.astimezone(UTC)
    except OverflowError:
        end = datetime.max if when.year == 9999 else datetime.min
        force_setattr(event, field, end.replace(tzinfo=UTC))


class _Event(Struct, tag_field="type", forbid_unknown_fields=True, frozen=True, gc=False):
    id: EventId
    source: Source
    subscriber: Subscriber
    time: Instant

    def __post_init__(self) -> None:
        if not 1 < self.time.year < 9999:
            _keep_in_calendar(self, "time")


class UsageRecorded(_Event, tag="usage.recorded", frozen=True, gc=False):
    """Metered data usage: either ``total_bytes`` or both directions, never both forms."""

    total_bytes: ByteCount | UnsetType = UNSET
    uplink_bytes: ByteCount | UnsetType = UNSET
    downlink_bytes: ByteCount | UnsetType = UNSET
    rating_group: RatingGroup = ORDINARY_RATING_GROUP
    service: Name | UnsetType = UNSET
    roaming_zone: Name = HOME_ZONE
    member: Subscriber | UnsetType = UNSET

    SAYS: ClassVar[dict[str, str]] = {
        "total_bytes": "Used bytes, if the directions are not known.",
        "uplink_bytes": "Bytes sent by the subscriber.",
        "downlink_bytes": "Bytes received by the subscriber.",
        "rating_group": "3GPP rating group.",
        "service": "Name of the service; nothing is decided by it.",
        "roaming_zone": "Roaming zone of the usage.",
        "member": "Who of a pool used it; the pool is the subscriber.",
    }
    """What each field means. Senders, their options and the table in docs use these sentences."""

    def __post_init__(self) -> None:
        directions = (self.uplink_bytes is not UNSET) + (self.downlink_bytes is not UNSET)
        if directions != (2 if self.total_bytes is UNSET else 0):
            raise ValueError("needs either total_bytes or both uplink_bytes and downlink_bytes")
        if not 1 < self.time.year < 9999:
            _keep_in_calendar(self, "time")

    @property
    def used_bytes(self) -> int:
        """What is charged: the total, or the sum of both directions."""
        total = self.total_bytes
        if total is UNSET:
            return self.uplink_bytes + self.downlink_bytes  # type: ignore[operator]  # __post_init__
        return total


class UsageRefunded(_Event, tag="usage.refunded", frozen=True, gc=False):
    """Billing takes back usage that was charged, in part or whole; ``time`` is the time of the
    usage.

    With ``of_source`` and ``of_id`` it takes back one counted event. That happens once, whatever id
    the refund has.
    """

    refunded_bytes: GrantedBytes
    rating_group: RatingGroup = ORDINARY_RATING_GROUP
    roaming_zone: Name = HOME_ZONE
    member: Subscriber | UnsetType = UNSET
    of_source: Source | UnsetType = UNSET
    of_id: EventId | UnsetType = UNSET
    notify: bool = True
    """Whether a follow-up notice is due now. False for all refunds of a batch but the last."""

    def __post_init__(self) -> None:
        if (self.of_source is UNSET) != (self.of_id is UNSET):
            raise ValueError("of_source and of_id come together")
        super().__post_init__()


class AccountActivated(_Event, tag="account.activated", frozen=True, gc=False):
    """A subscriber begins: plan, IANA time zone, day of month on which cycles start."""

    plan: Name
    time_zone: Name
    billing_anchor_day: AnchorDay
    locale: Name | UnsetType = UNSET
    services: Annotated[list[Name], Meta(max_length=50)] | UnsetType = UNSET
    """Value-added services of the contract from its start."""


class PlanChanged(_Event, tag="account.plan_changed", frozen=True, gc=False):
    """Another plan, at once or from the next cycle on."""

    plan: Name
    effective: Literal["now", "next_cycle"] = "now"
    prorated: bool = False
    """The new plan's allowances count for the rest of the cycle, the old plan's for its
    beginning."""


class ToppedUp(_Event, tag="account.topped_up", frozen=True, gc=False):
    """More data: an add-on ``pack`` of the catalogue, or free ``granted_bytes``."""

    pack: Name | UnsetType = UNSET
    granted_bytes: GrantedBytes | UnsetType = UNSET
    expires_time: Instant | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.pack is UNSET) == (self.granted_bytes is UNSET):
            raise ValueError("needs either pack or granted_bytes")
        if self.pack is not UNSET and self.expires_time is not UNSET:
            raise ValueError("a pack brings its own validity, expires_time is for granted_bytes")
        super().__post_init__()
        if self.expires_time is not UNSET:
            _keep_in_calendar(self, "expires_time")


class OptedOut(_Event, tag="account.opted_out", frozen=True, gc=False):
    """No more reminders of a category (mandatory ones still go out)."""

    category: Name


class OptedIn(_Event, tag="account.opted_in", frozen=True, gc=False):
    """Send reminders of a category again."""

    category: Name


class CostCapLifted(_Event, tag="account.cost_cap_lifted", frozen=True, gc=False):
    """The subscriber consents to spend beyond the cap of a tariff (empty: the plan's own)."""

    tariff: OptionalName = ""
    until: Literal["cycle_end", "revoked"] = "cycle_end"


class CostCapRestored(_Event, tag="account.cost_cap_restored", frozen=True, gc=False):
    """The subscriber takes the consent back."""

    tariff: OptionalName = ""


class MemberJoined(_Event, tag="account.member_joined", frozen=True, gc=False):
    """A member uses the pool from now on; or the role or cap of a member changes."""

    member: Subscriber
    role: Literal["owner", "member"] = "member"
    cap_bytes: ByteCount | UnsetType = UNSET
    """Cap for one cycle; no cap if left out."""


class MemberLeft(_Event, tag="account.member_left", frozen=True, gc=False):
    """A member does not use the pool any more."""

    member: Subscriber


class ProfileChanged(_Event, tag="account.profile_changed", frozen=True, gc=False):
    """Another time zone, language or set of segments. Fields that are left out do not change."""

    time_zone: Name | UnsetType = UNSET
    locale: Name | UnsetType = UNSET
    segments: Annotated[list[Name], Meta(max_length=32)] | UnsetType = UNSET
    """Groups that rules can be limited to. The list replaces the former one."""

    def __post_init__(self) -> None:
        if self.time_zone is UNSET and self.locale is UNSET and self.segments is UNSET:
            raise ValueError("needs time_zone, locale or segments")
        super().__post_init__()


class PreferencesSet(_Event, tag="account.preferences_set", frozen=True, gc=False):
    """Choices of the subscriber; ``default`` takes one back. Fields that are left out do not
    change."""

    summary_every: SummaryChoice | UnsetType = UNSET
    summary_at: ChosenTime | UnsetType = UNSET
    own_percents: Annotated[list[Percent], Meta(max_length=10)] | UnsetType = UNSET
    """Thresholds that replace those of the rules; an empty list: the rules' again."""

    @classmethod
    def choices(cls) -> tuple[str, ...]:
        """The fields that hold choices."""
        return cls.__struct_fields__[len(_Event.__struct_fields__) :]

    def __post_init__(self) -> None:
        *most, last = names = self.choices()
        if all(getattr(self, name) is UNSET for name in names):
            raise ValueError(f"needs {', '.join(most)} or {last}")
        super().__post_init__()


class AccountClosed(_Event, tag="account.closed", frozen=True, gc=False):
    """The contract ended: no more charging, no more reminders."""


class ServiceRequested(_Event, tag="service.requested", frozen=True, gc=False):
    """A value-added service was ordered. It must be confirmed before it is subscribed."""

    service: Name


class ServiceSubscribed(_Event, tag="service.subscribed", frozen=True, gc=False):
    """The subscriber has a value-added service from now on."""

    service: Name
    price_minor: MinorAmount | UnsetType = UNSET
    """Price of one period; the catalogue's if left out."""
    next_charge_time: Instant | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.next_charge_time is not UNSET:
            _keep_in_calendar(self, "next_charge_time")


class ServiceUnsubscribed(_Event, tag="service.unsubscribed", frozen=True, gc=False):
    """The subscriber does not have the service any more."""

    service: Name


class ServiceChargeRequested(_Event, tag="service.charge_requested", frozen=True, gc=False):
    """Billing is about to charge a service. The charge must be confirmed first."""

    service: Name
    amount_minor: MinorAmount


class ServiceCharged(_Event, tag="service.charged", frozen=True, gc=False):
    """Billing has charged a service."""

    service: Name
    amount_minor: MinorAmount
    request_id: EventId | UnsetType = UNSET
    """The id of the confirmed ``service.charge_requested`` of the same source."""
    next_charge_time: Instant | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.next_charge_time is not UNSET:
            _keep_in_calendar(self, "next_charge_time")


class ServiceRefunded(_Event, tag="service.refunded", frozen=True, gc=False):
    """Billing has given money back; ``charged_minor`` is the amount that was charged in error."""

    service: Name
    amount_minor: MinorAmount
    charged_minor: MinorAmount | UnsetType = UNSET


class LocationUpdated(_Event, tag="location.updated", frozen=True, gc=False):
    """The network sees the subscriber in a roaming zone, or back at ``home``."""

    roaming_zone: Name


class SmsReceived(_Event, tag="sms.received", frozen=True, gc=False):
    """An SMS from the subscriber to the operator's short code."""

    text: MobileText


class ClockAdvanced(
    Struct,
    tag="clock.advanced",
    tag_field="type",
    forbid_unknown_fields=True,
    frozen=True,
    gc=False,
):
    """The last record of a replay in a partition: no earlier record follows. It has no
    subscriber."""

    id: EventId
    source: Source
    time: Instant

    def __post_init__(self) -> None:
        if not 1 < self.time.year < 9999:
            _keep_in_calendar(self, "time")


AccountEvent = (
    AccountActivated
    | PlanChanged
    | ToppedUp
    | OptedOut
    | OptedIn
    | CostCapLifted
    | CostCapRestored
    | MemberJoined
    | MemberLeft
    | ProfileChanged
    | PreferencesSet
    | AccountClosed
)
ServiceEvent = (
    ServiceRequested
    | ServiceSubscribed
    | ServiceUnsubscribed
    | ServiceChargeRequested
    | ServiceCharged
    | ServiceRefunded
)
SubscriberEvent = (
    UsageRecorded | UsageRefunded | AccountEvent | ServiceEvent | LocationUpdated | SmsReceived
)
InputEvent = SubscriberEvent | ClockAdvanced


class Arrival(Struct, frozen=True, gc=False, array_like=True):
    """How an event arrived: its record timestamp and its place in the input log."""

    received_ms: int
    topic: str
    partition: int
    offset: int
