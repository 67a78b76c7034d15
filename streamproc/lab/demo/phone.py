"""A subscriber's phone: an SMS with its local time and sender.

Thousands of SMS are sent in a month of half a minute. The phone shows some of them, slowly
enough to read.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from streamproc.core.privacy import mask
from streamproc.core.state.effects import Reminder

SENDER = "STREAMPROC"
SHOWN = 16
_ZH_WEEKDAYS = "一二三四五六日"


@dataclass(frozen=True)
class ShownSms:
    """An SMS as it is shown."""

    to: str
    """Masked number."""
    chinese: bool
    when: str
    """The subscriber's local time, in the words of the language."""
    city: str
    """The city that names the time zone."""
    text: str
    segments: int

    @property
    def parts(self) -> str:
        return "1 segment" if self.segments == 1 else f"{self.segments} segments"


class Phone:
    """Chooses the SMS to show: languages alternate, and kinds shown least so far come first.

    One thread offers SMS, another picks them.
    """

    def __init__(self) -> None:
        self.shown: deque[ShownSms] = deque(maxlen=SHOWN)
        """The newest is the last."""
        self._offers: dict[tuple[bool, str], tuple[Reminder, str]] = {}
        self._times_shown: Counter[tuple[bool, str]] = Counter()
        self._chinese_next = True

    def offer(self, reminder: Reminder, zone: str) -> None:
        """Offer an SMS. The latest of its language and kind can be picked."""
        self._offers[reminder.locale.startswith("zh"), reminder.kind] = reminder, zone

    def pick(self) -> ShownSms | None:
        """Show one of the SMS offered since the last call, if there is any."""
        offers, self._offers = self._offers, {}
        if not offers:
            return None
        of_turn = [key for key in offers if key[0] == self._chinese_next] or list(offers)
        chosen = min(of_turn, key=lambda key: (self._times_shown[key], key[1]))
        self._times_shown[chosen] += 1
        self._chinese_next = not chosen[0]
        message = message_of(*offers[chosen])
        self.shown.append(message)
        return message

    def of_language(self, chinese: bool) -> list[ShownSms]:
        """The SMS shown in one language; the newest is the last."""
        return [message for message in list(self.shown) if message.chinese == chinese]


def message_of(reminder: Reminder, zone: str) -> ShownSms:
    """The SMS of a reminder for a subscriber in ``zone`` (an IANA name)."""
    local = reminder.not_before.astimezone(ZoneInfo(zone))
    chinese = reminder.locale.startswith("zh")
    return ShownSms(
        to=mask(reminder.subscriber),
        chinese=chinese,
        when=_in_chinese(local) if chinese else f"{local:%a} {local.day} {local:%b %H:%M}",
        city=zone.rpartition("/")[2].replace("_", " "),
        text=reminder.text,
        segments=reminder.segments,
    )


def _in_chinese(local: datetime) -> str:
    return f"{local.month}月{local.day}日 周{_ZH_WEEKDAYS[local.weekday()]} {local:%H:%M}"
