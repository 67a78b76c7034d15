"""A play for programs: one JSON object a line (docs/play.md describes each)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from streamproc.core.instants import from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Audited, Effect, Rejected, Reminder
from streamproc.tools.explain.decision_words import why
from streamproc.tools.explain.showing import Units, units_of
from streamproc.tools.play.balances import Balances
from streamproc.tools.play.happening_words import event_words, record_words
from streamproc.tools.play.playing import Played, PlayedInstant, spoken_ms
from streamproc.tools.play.reading import BadLine, EventLine

Document = dict[str, Any]


def documents(
    played: Played, bad_lines: Sequence[BadLine], rules: Rulebook, subscribers: set[str]
) -> Iterator[Document]:
    """Bad lines of the files, then everything that happened in order, then totals."""
    for bad in bad_lines:
        yield {"type": "bad_line", "file": bad.file, "line": bad.line, "reason": bad.reason}
    units = units_of(rules)
    lines = played.lines()
    for moment in played.moments:
        if moment.subscriber in subscribers:
            yield _moment(moment)
            for effect in moment.effects:
                found = (
                    _reject(effect, lines[effect.offset])
                    if isinstance(effect, Rejected)
                    else _effect(effect, moment, units)
                )
                yield {"type": found["type"], "moment": moment.number, **found}
    yield {
        "type": "end",
        "until": _local(played.until_ms, "UTC"),
        "events": played.events,
        "left_out": played.left_out,
        "bad_lines": len(bad_lines),
        "rejected": played.count(Rejected),
        "sms": played.count(Reminder),
        "sms_parts": sum(one.segments for moment in played.moments for one in moment.of(Reminder)),
    }


def _moment(moment: PlayedInstant) -> Document:
    line = moment.line
    found: Document = {
        "type": "event" if line else "time_passed",
        "moment": moment.number,
        "time": _local(moment.time_ms, moment.time_zone),
        "time_zone": moment.time_zone,
        "subscriber": moment.subscriber,
    }
    if line is not None:
        found |= {
            "file": line.file,
            "line": line.number,
            "words": event_words(line.event),
            "late": moment.is_late,
            "event": msgspec.to_builtins(line.event),
        }
    return found | {"before": _balances(moment.before), "after": _balances(moment.after)}


def _reject(reject: Rejected, line: EventLine) -> Document:
    return {
        "type": "reject",
        "file": line.file,
        "line": line.number,
        "reason": reject.reason,
        "detail": reject.detail,
    }


def _effect(effect: Effect, moment: PlayedInstant, units: Units) -> Document:
    if isinstance(effect, Reminder):
        return _sms(effect, moment.time_zone)
    if not isinstance(effect, Audited):
        return {"type": record_words(effect)[0], "record": msgspec.to_builtins(effect)}
    audit = msgspec.to_builtins(effect)
    names = ("decision", "rule", "bucket", "threshold", "category", "member", "figures", "reminder")
    found = {"type": "decision", **{name: audit[name] for name in names if name in audit}}
    if effect.rule is not UNSET and effect.rule in units and "threshold" in found:
        found["unit"] = units[effect.rule]
    return {**found, "why": why(effect)}


def _sms(reminder: Reminder, zone: str) -> Document:
    found: Document = {
        "type": "sms",
        "id": reminder.id,
        "time": _local(spoken_ms(reminder), zone),
        "to": reminder.recipient or reminder.subscriber,
        "rule": reminder.rule,
        "kind": reminder.kind,
        "category": reminder.category,
        "locale": reminder.locale,
        "text": reminder.text,
        "parts": reminder.segments,
        "encoding": reminder.encoding,
        "buckets": [one.id for one in reminder.buckets],
    }
    if reminder.threshold is not None:
        found["threshold"] = msgspec.to_builtins(reminder.threshold)
    if reminder.channel_texts is not UNSET:
        found["channel_texts"] = dict(reminder.channel_texts)
    return found


def _balances(balances: Balances | None) -> Document | None:
    if balances is None:
        return None
    zone = balances.time_zone
    return {
        "status": balances.status,
        "plan": balances.plan,
        "buckets": [
            {
                "id": one.id,
                "kind": one.kind,
                "unlimited": one.is_unlimited,
                "granted_bytes": one.granted_bytes,
                "used_bytes": one.used_bytes,
                "remaining_bytes": one.remaining_bytes,
                "expires_time": None if one.expires_ms is None else _local(one.expires_ms, zone),
            }
            for one in balances.buckets
        ],
        "overage_bytes": balances.overage_bytes,
        "spend_minor": balances.spend_minor,
        "members": [asdict(one) for one in balances.members],
    }


def _local(instant_ms: int, zone: str) -> str:
    """RFC 3339 with the zone's offset."""
    when = from_ms(instant_ms).astimezone(ZoneInfo(zone))
    return when.isoformat(timespec="milliseconds" if when.microsecond else "seconds")
