"""The examples of docs/quota.md, run: a rules file, what happens, and what must be so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Audited, Effect, PolicyChanged, Reminder
from streamproc.core.state.events import (
    AccountActivated,
    CostCapLifted,
    CostCapRestored,
    MemberJoined,
    MemberLeft,
    PlanChanged,
    ToppedUp,
    UsageRecorded,
    UsageRefunded,
)
from streamproc.core.usage.tariffs import spend_minor
from tests.support.line import SUBSCRIBER, Line

PAGE = (Path(__file__).parents[2] / "docs" / "quota.md").read_text(encoding="utf-8")
HEAD = "version: 1\ncurrency: EUR\ndefault_locale: en\nlimits: {hold_max_events: 100}\n"
NO_RULES = """
rules:
  - {id: none, kind: remaining_bytes, thresholds: [0], bucket_kinds: [member], category: x,
     texts: {en: "x"}}
"""
SECTIONS = {
    one.split("\n", 1)[0]: one for one in re.split(r"^## ", PAGE, flags=re.M)[1:] if "```" in one
}
UNITS = {"MB": 1_000_000, "kB": 1000}
YEAR_START = datetime(2026, 1, 1)
Common = tuple[str, str, str, datetime]
"""Of each event: id, source, subscriber, time."""


class Moment(NamedTuple):
    when: str
    what: str
    wanted: list[str]


def examples() -> Iterator[tuple[str, str, str]]:
    for title, text in SECTIONS.items():
        every = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
        blocks = [one for one in every if one[0] != "console"]
        assert [kind for kind, _ in blocks] == ["yaml", ""], title
        yield title, blocks[0][1], blocks[1][1]


def moments(text: str) -> list[Moment]:
    found: list[Moment] = []
    for line in text.rstrip().split("\n"):
        if line.startswith(" "):
            found[-1].wanted.append(line.strip().removeprefix("-> "))
        else:
            day, clock, what = line.split(maxsplit=2)
            found.append(Moment(f"{day} {clock}", what, []))
    return found


def amount(words: list[str]) -> int:
    """The bytes in ``40 MB``, taken from the front."""
    number = words.pop(0)
    return int(number) * UNITS[words.pop(0)]


class Play:
    def __init__(self, yaml: str) -> None:
        rules = yaml if "\nrules:" in yaml else yaml + NO_RULES
        self.line = Line(load_rulebook(HEAD + rules, "quota.yaml"))
        self.zone = ZoneInfo("UTC")

    def instant(self, text: str) -> datetime:
        day, clock = text.split()
        hours, minutes = map(int, clock.split(":"))
        local = YEAR_START + timedelta(days=int(day) - 1, hours=hours, minutes=minutes)
        return local.replace(tzinfo=self.zone).astimezone(UTC)

    def do(self, moment: Moment) -> list[Effect]:
        words = re.sub(r"at=(\d+) ", r"at=\1_", moment.what).split()
        kind = words.pop(0)
        options = dict(one.split("=") for one in words if "=" in one)
        if "cap" in options:
            options["cap"] = str(int(options["cap"]) * UNITS[words.pop()])
        words = [one for one in words if "=" not in one]
        if kind == "activate":
            self.zone = ZoneInfo(options.get("zone", "UTC"))
        arrives = self.instant(moment.when)
        if kind == "wait":
            return self.line.reach(arrives)
        when = self.instant(options["at"].replace("_", " ")) if "at" in options else arrives
        common: Common = (options.get("id", f"e{self.line.count}"), "docs", SUBSCRIBER, when)
        return self.line.feed(self._event(kind, words, options, common), arrives)

    def _event(self, kind: str, words: list[str], options: dict[str, str], common: Common) -> Any:
        usage: dict[str, Any] = {}
        if "group" in options:
            usage["rating_group"] = int(options["group"])
        if "member" in options:
            usage["member"] = options["member"]
        if kind == "use":
            if "zone" in options:
                usage["roaming_zone"] = options["zone"]
            return UsageRecorded(*common, total_bytes=amount(words), **usage)
        if kind == "refund":
            if "of" in options:
                usage |= {"of_source": "docs", "of_id": options["of"]}
            back = amount(words)
            return UsageRefunded(*common, back, notify="quietly" not in words, **usage)
        if kind == "activate":
            return AccountActivated(*common, words[0], self.zone.key, 1)
        if kind == "plan":
            return PlanChanged(*common, words[0], "now", "prorated" in words)
        if kind == "top-up":
            if words[0].isdigit():
                return ToppedUp(*common, granted_bytes=amount(words))
            return ToppedUp(*common, pack=words[0])
        if kind == "leave":
            return MemberLeft(*common, words[0])
        if kind == "join":
            more: dict[str, Any] = {"cap_bytes": int(options["cap"])} if "cap" in options else {}
            return MemberJoined(
                *common, words[0], "owner" if "owner" in words else "member", **more
            )
        return {"lift": CostCapLifted, "restore": CostCapRestored}[kind](*common, words[0])


def megabytes(count: int) -> str:
    return f"{count // 1_000_000} MB" if count % 1_000_000 == 0 else f"{count / 1_000_000} MB"


def gone_out(effects: list[Effect]) -> list[str]:
    """Messages and changes of policy, as the page writes them."""
    out = []
    for effect in effects:
        if isinstance(effect, PolicyChanged):
            words = ["policy", effect.counter, effect.state]
            words += [str(one) for one in (effect.throttle_kbps, effect.member) if one]
            out.append(" ".join(words))
        elif isinstance(effect, Reminder):
            words = ["reminder", effect.rule]
            words += [str(effect.threshold.value)] if effect.threshold else []
            words += [f"to {effect.recipient}"] if effect.recipient else []
            out.append(" ".join(words))
    return out


def is_so(wanted: str, account: Account, effects: list[Effect], line: Line) -> bool:
    kind, _, rest = wanted.partition(" ")
    if kind == "spend":
        return spend_minor(account, line.rules) == int(rest)
    if kind == "overage":
        return megabytes(account.overage_bytes) == rest
    if kind == "audit":
        audits = [one for one in effects if isinstance(one, Audited)]
        return rest in [f"{one.decision} {one.bucket or ''}".strip() for one in audits]
    if kind == "member":
        quota = account.extra.quota if account.extra else None
        name, _, used = rest.partition(" ")
        return quota is not None and megabytes(quota.members[name].used_bytes) == used
    name = wanted.partition(":")[0]
    (bucket,) = (one for one in account.buckets if one.id == name)
    shown = f"{name}: {megabytes(bucket.used_bytes)} of {megabytes(bucket.granted_bytes)} used"
    return shown == wanted


@pytest.mark.parametrize(("title", "yaml", "text"), list(examples()), ids=lambda one: one[:20])
def test_an_example_of_the_page_is_so(title: str, yaml: str, text: str) -> None:
    play = Play(yaml)
    for moment in moments(text):
        effects = play.do(moment)
        sent = [one for one in moment.wanted if one.startswith(("policy ", "reminder "))]
        assert sorted(gone_out(effects)) == sorted(sent), moment
        for wanted in moment.wanted:
            if wanted not in sent:
                assert is_so(wanted, play.line.account, effects, play.line), (moment, wanted)


def test_every_feature_has_an_example() -> None:
    shown = {title.lower() for title, _, _ in examples()}
    assert shown == {
        *("which bucket is charged", "hours of the day", "roll-over", "unlimited plans"),
        *("plan change in mid-cycle", "prices, caps and consent", "throttling and barring"),
        *(
            "pools",
            "refunds and bad batches",
            "late and repeated events",
            "late usage from before a purchase",
        ),
        *("late usage of what rolled over", "late usage whose kind is not known"),
        *("who in a pool gets which message", "top-ups that share one balance", "repeated refunds"),
    }
    for link in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert link in [re.sub(r"[^a-z0-9 -]", "", one).replace(" ", "-") for one in shown]
