"""Shows a timeline to people and to programs. Numbers and texts are masked by default (law 21)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import msgspec
from msgspec import UNSET, structs

from streamproc.core.privacy import conceal, mask
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.rulebook import Rulebook, UsageRule
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Audited
from streamproc.core.state.events import UsageRecorded
from streamproc.core.texts.quantities import readable_bytes
from streamproc.core.texts.reminding import threshold_of
from streamproc.core.usage.pools import MEMBER
from streamproc.tools.explain.decision_words import about, balance, happened, why
from streamproc.tools.explain.timeline import Decision, TimelineEntry, iso

OF_CAP = f"{MEMBER}:"
"""Start of the id of a member's cap."""

Units = Mapping[str, str]
"""The unit of a rule's thresholds in reminders, by rule id."""


def units_of(rulebook: Rulebook) -> Units:
    """The units of all rules that have thresholds."""
    reaching: list[UsageRule | WatchRule] = [*rulebook.usage_rules, *rulebook.watch_rules]
    found = {rule.id: threshold_of(rule, 0) for rule in reaching}
    return {name: one.unit for name, one in found.items() if one is not None}


def named(subscriber: str, entries: Iterable[TimelineEntry]) -> set[str]:
    """Everybody whose number stands in a timeline that masks nothing."""
    found = {subscriber}
    for entry in entries:
        member = getattr(entry.event, "member", UNSET)
        recipients = (one.reminder.recipient for one in entry.decisions if one.reminder is not None)
        members = (one.audit.member for one in entry.decisions)
        found.update(one for one in (member, *recipients, *members) if isinstance(one, str))
    return found


class TimelineView:
    """How one subscriber's timeline is shown."""

    def __init__(
        self,
        subscriber: str,
        units: Units,
        *,
        numbers: bool,
        has_rejects: bool = True,
        has_receipts: bool = False,
    ) -> None:
        """``has_rejects``, ``has_receipts``: whether these were read."""
        self._has_rejects = has_rejects
        self._has_receipts = has_receipts
        self._subscriber = subscriber
        self._units = units
        self._numbers = numbers

    @property
    def name(self) -> str:
        """The subscriber; the number is only shown if ``numbers`` is set."""
        return self._subscriber if self._numbers else mask(self._subscriber)

    def lines(self, entries: Iterable[TimelineEntry]) -> Iterator[str]:
        """A few lines per entry. Consecutive entries without decisions are one line."""
        for is_quiet, group in groupby(entries, key=lambda entry: entry.is_quiet):
            if is_quiet:
                yield self._quiet(list(group))
                continue
            for entry in group:
                yield self._heading(entry)
                yield from self._states(entry)
                yield from (f"    {line}" for line in self._decisions(entry))

    def document(self, entries: Iterable[TimelineEntry]) -> list[dict[str, Any]]:
        """All entries for JSON, also those without decisions."""
        return [self._entry(entry) for entry in entries]

    def _quiet(self, entries: list[TimelineEntry]) -> str:
        """``2026-01-05T08:00:00Z  214 events without a decision (1.2 GB used)``.

        Without the rejects nobody knows how much of it counted.
        """
        used = readable_bytes(
            sum(one.event.used_bytes for one in entries if isinstance(one.event, UsageRecorded))
        )
        count = "1 event" if len(entries) == 1 else f"{len(entries):,} events"
        about = f"{used} used" if self._has_rejects else f"{used} in them; rejects were not read"
        return f"{iso(entries[0].time_ms)}  {count} without a decision ({about})"

    def _heading(self, entry: TimelineEntry) -> str:
        if entry.place is None:
            return f"{iso(entry.time_ms)}  due work"
        topic, partition, offset = entry.place
        if entry.is_later:
            name = self._concealed(entry.event_id) or "an event"
            at = f"{topic}-{partition}@{offset}"
            return f"{iso(entry.time_ms)}  due work, caused by {name}  ({at})"
        what = happened(entry.event) if entry.event else "an event"
        late = ""
        if entry.received_ms is not None and entry.received_ms - entry.time_ms >= 1000:
            late = f", arrived {iso(entry.received_ms)}"
        name = f"{self._concealed(entry.event_id)}, " if entry.event_id else ""
        return f"{iso(entry.time_ms)}  {what}  ({name}{topic}-{partition}@{offset}{late})"

    def _states(self, entry: TimelineEntry) -> Iterator[str]:
        if entry.after is None:
            return
        if entry.before is None:
            yield f"    balance {balance(entry.after)}"
        else:
            yield f"    before  {balance(entry.before)}"
            yield f"    after   {balance(entry.after)}"
        if entry.accounts is not None:
            yield from (f"    {line}" for line in _bucket_lines(*entry.accounts))

    def _decisions(self, entry: TimelineEntry) -> Iterator[str]:
        for reject in entry.rejects:
            yield f"rejected: {reject.reason} ({reject.detail})"
        for one in entry.decisions:
            audit = self._masked(one.audit)
            subject = about(audit, self._unit(one))
            if audit.member is not UNSET:
                subject += f" ({audit.member})" if subject else audit.member
            yield f"{audit.decision}: {f'{subject}: ' if subject else ''}{why(audit)}"
            if one.reminder is not None:
                yield from self._message(one)
            if self._has_receipts and one.audit.reminder is not UNSET and not one.receipts:
                yield "    no result yet"
            for receipt in one.receipts:
                gateway = "" if receipt.gateway is UNSET else f" by {receipt.gateway}"
                failure = "" if receipt.error_class is UNSET else f" ({receipt.error_class})"
                yield f"    {receipt.status}{gateway} {receipt.time:%Y-%m-%dT%H:%M:%SZ}{failure}"

    def _message(self, one: Decision) -> Iterator[str]:
        reminder = one.reminder
        assert reminder is not None
        held = "" if reminder.not_before <= reminder.as_of else ", not before "
        if held:
            held += f"{reminder.not_before:%Y-%m-%dT%H:%M:%SZ}"
        plural = "" if reminder.segments == 1 else "s"
        yield f"    message {reminder.id[:8]}, {reminder.segments} segment{plural}{held}"
        if self._numbers:
            yield f"    {reminder.text}"

    def _unit(self, one: Decision) -> str | None:
        if one.reminder is not None and one.reminder.threshold is not None:
            return one.reminder.threshold.unit
        return None if one.audit.rule is UNSET else self._units.get(one.audit.rule)

    def _concealed(self, text: str) -> str:
        return text if self._numbers else conceal(text, self._subscriber)

    def _masked(self, audit: Audited) -> Audited:
        """The audit record with masked members of a pool, as the subscriber is masked."""
        if self._numbers:
            return audit
        member = audit.member if audit.member is UNSET else mask(audit.member)
        bucket = audit.bucket
        if bucket is not UNSET and bucket.startswith(OF_CAP):
            bucket = OF_CAP + mask(bucket.removeprefix(OF_CAP))
        return structs.replace(audit, member=member, bucket=bucket)

    def _entry(self, entry: TimelineEntry) -> dict[str, Any]:
        shown: dict[str, Any] = {"time": iso(entry.time_ms)}
        if entry.place is None or entry.is_later:
            shown["due"] = True
        if entry.place is not None:
            shown |= dict(zip(("topic", "partition", "offset"), entry.place, strict=True))
        if entry.event_id:
            shown["event_id"] = self._concealed(entry.event_id)
        if entry.event is not None:
            event: dict[str, Any] = msgspec.to_builtins(entry.event)
            for name in ("id", "source", "subscriber"):
                event[name] = self._concealed(event[name])
            if "member" in event and not self._numbers:
                event["member"] = mask(event["member"])
            shown["event"] = event
        for name, state in (("before", entry.before), ("after", entry.after)):
            if state is not None:
                shown[name] = msgspec.to_builtins(state)
        shown["rejects"] = [{"reason": one.reason, "detail": one.detail} for one in entry.rejects]
        shown["decisions"] = [self._decision(one) for one in entry.decisions]
        if entry.accounts is not None:
            shown["buckets"] = [_buckets(account) for account in entry.accounts]
        return shown

    def _decision(self, one: Decision) -> dict[str, Any]:
        audit: dict[str, Any] = msgspec.to_builtins(self._masked(one.audit))
        shown: dict[str, Any] = {
            name: audit[name]
            for name in ("decision", "rule", "bucket", "threshold", "category", "member", "figures")
            if name in audit
        }
        unit = self._unit(one)
        if unit is not None and "threshold" in shown:
            shown["unit"] = unit
        shown["why"] = why(one.audit)
        if "reminder" in audit:
            shown["reminder_id"] = audit["reminder"]
        if one.reminder is not None:
            shown["segments"] = one.reminder.segments
            shown["not_before"] = msgspec.to_builtins(one.reminder.not_before)
            if self._numbers:
                shown["text"] = one.reminder.text
        shown["receipts"] = [
            {
                name: value
                for name, value in msgspec.to_builtins(receipt).items()
                if name in ("status", "time", "gateway", "error_class", "error_code")
            }
            for receipt in one.receipts
        ]
        return shown


def _bucket_lines(before: Account | None, after: Account | None) -> Iterator[str]:
    """Buckets that changed, one line each; known only if states were calculated."""
    old = {one.id: one for one in before.buckets} if before else {}
    new = {one.id: one for one in after.buckets} if after else {}
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        if now is None:
            yield f"bucket  {name}: gone"
        elif was is None:
            yield f"bucket  {name}: new, {readable_bytes(now.granted_bytes)}"
        else:
            yield (
                f"bucket  {name}: {readable_bytes(was.used_bytes)} -> "
                f"{readable_bytes(now.used_bytes)} of {readable_bytes(now.granted_bytes)} used"
            )


def _buckets(account: Account | None) -> list[dict[str, Any]]:
    buckets = account.buckets if account else []
    return [
        {
            "id": one.id,
            "kind": one.kind,
            "granted_bytes": one.granted_bytes,
            "used_bytes": one.used_bytes,
            "remaining_bytes": one.remaining_bytes,
        }
        for one in buckets
    ]
