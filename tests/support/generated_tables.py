"""Writes tables of the docs from registries of the program.

A table is between two comments in its page. ``make tables`` writes all of them.
``tests/house/test_generated_tables.py`` reports stale pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from streamproc.cli import main
from streamproc.contracts.records.personal import Holds, held_by, is_listed
from streamproc.contracts.records.receipts import DeadLetter, Receipt
from streamproc.contracts.records.usage_fields import USAGE_FIELDS
from streamproc.contracts.rights import USER_ROLES, NamesInUse, Operation, by_resource, rights_of
from streamproc.contracts.rules_file.conversation import default_commands
from streamproc.contracts.topic_settings import DEMANDS
from streamproc.contracts.topics import ROLES, TOPICS, Topic, WorkerTopics
from streamproc.core.rules.commands import ACTIONS
from streamproc.core.rules.preferences import PREFERENCES
from streamproc.core.state.effects import Effect
from streamproc.core.state.events import InputEvent
from streamproc.metrics.canary import CanaryMetrics
from streamproc.metrics.declaring import Metrics
from streamproc.metrics.dispatch import DispatchMetrics
from streamproc.metrics.tool import ToolMetrics
from streamproc.metrics.worker import WorkerMetrics

ROOT = Path(__file__).parents[2]

Rows = Iterable[tuple[str, ...]]


def topics() -> Rows:
    """Every topic: content, key, writers and readers."""
    yield "Topic (default name)", "Records", "Key", "Written by", "Read by"
    for one in TOPICS:
        own = "its own, described in `asyncapi.yaml`; they may change with any release"
        yield (
            f"`{one.default}`",
            ", ".join(f"`{record}`" for record in one.records) or own,
            one.key,
            ", ".join(one.written_by),
            ", ".join(one.read_by),
        )


def outputs() -> Rows:
    """The topics that streamproc writes for others, with the records of the contract."""
    yield "Topic (default name)", "What it is for", "Records", "Read by"
    for one in TOPICS:
        is_ours = {*one.written_by} & {"worker", "dispatcher"} and "messaging" not in one.written_by
        if one.records and is_ours and one.read_by != ("worker",):
            says = one.says.removeprefix("Topic for ").rstrip(".")
            records = ", ".join(f"`{record}`" for record in one.records)
            yield f"`{one.default}`", says, records, ", ".join(one.read_by)


EVENTS_A_DAY = 10_000_000


def retention() -> Rows:
    """How long each topic that is made here keeps its records, why, and what that takes."""
    yield "Topic", "`--retention`", "Kept", "For", "Bytes a day"
    for role, one in ROLES.items():
        kept = one.retention
        is_kept = kept.days is None
        name = f"`{one.default}`"
        yield (
            name if role != "inputs" else "each `--input`",
            "" if is_kept else f"`{role.replace('_', '-')}=`",
            "for ever (compacted)" if kept.days is None else _days(kept.days),
            kept.why,
            "one record for each key" if is_kept else _bytes(kept.bytes_per_event * EVENTS_A_DAY),
        )


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _bytes(count: float) -> str:
    if not count:
        return "few"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def topic_settings() -> Rows:
    """What a wrong setting of a topic loses, and what happens at the start then."""
    yield "Topics", "Setting", "Wrong", "What it loses", "At the start"
    for one in DEMANDS:
        clock = f" (with `--clock {one.clock}`)" if one.clock else ""
        yield (
            ", ".join(role.replace("_", "-") for role in one.roles),
            f"`{one.setting}`",
            one.bad + clock,
            one.loses,
            "refused" if one.then == "refuse" else "logged as `critical`",
        )


OWN_TOPICS = {
    "streamproc-accounts-changelog": ("in full", "SMS that wait for their activation"),
    "streamproc.dispatch-journal": ("masked, and as keyed hashes", "none"),
    "streamproc.reports": ("as keyed hashes", "none"),
    "streamproc.rules": ("none", "texts of rules, without figures; who has published them"),
    "streamproc.incoming-sms": ("in full", "parts of long SMS; of other SMS a hash"),
}
"""Numbers and texts in topics whose records are about nobody, or not part of the contract."""


def people() -> Rows:
    """Where numbers and texts of subscribers are, who reads them, and how long they are kept."""
    yield "Topic (default name)", "Numbers", "Texts", "Read by", "Kept"
    for one in ROLES.values():
        numbers, texts = OWN_TOPICS.get(one.default) or _held_in(one)
        kept = _days(one.retention.days) if one.retention.days else "the last value of a key"
        if "max.compaction.lag.ms" in one.configs:
            hours = int(one.configs["max.compaction.lag.ms"]) // 3_600_000
            kept += f"; an older one about {hours} hours"
        yield f"`{one.default}`", numbers, texts, ", ".join(one.read_by), kept


def _held_in(topic: Topic) -> tuple[str, str]:
    """Numbers and texts in the records of a topic."""
    found = [
        (one.__name__, name)
        for one in (*get_args(InputEvent), *get_args(Effect), Receipt, DeadLetter)
        if topic.carries(str(one.__struct_config__.tag))
        for name in one.__struct_fields__
        if not name.endswith(("_bytes", "_ms"))
    ]
    holds = {held_by(*one) for one in found if is_listed(*one)}
    numbers = "in full" if Holds.SUBSCRIBER in holds else "masked"
    return numbers, "all" if any(name == "text" for _, name in found) else "none"


OTHER_COMMANDS = {
    "overview": ("", "0000"),
    "balance": ("", "余额"),
    "data_left": ("", "DATA"),
    "unsubscribe": ("numbers of the last list", "退订 1、2"),
    "unsubscribe_all": ("", "00000"),
    "confirm": ("the question's number, if there are several", "Y 2"),
    "refuse": ("the same", "N"),
    "stop": ("a category; without: all", "STOP summary"),
    "start": ("the same", "START"),
    "help": ("", "HELP"),
}
"""Arguments and an example of commands that choose nothing."""


def commands() -> Rows:
    """The commands, with their keywords."""
    keywords = default_commands().keywords
    told = {one.action: (one.arguments, one.example) for one in PREFERENCES} | OTHER_COMMANDS
    yield "Action", "Keywords", "Arguments", "Example"
    for action in ACTIONS:
        arguments, example = told[action]
        yield f"`{action}`", " ".join(keywords[action]), arguments, f"`{example}`"


def preferences() -> Rows:
    """The preferences of subscribers, with the commands and event fields that set them."""
    yield "Action", "Subscribers choose", "Fields of `account.preferences_set`"
    for one in PREFERENCES:
        fields = ", ".join(f"`{name}`" for name in one.event) or "none: by SMS alone"
        yield f"`{one.action}`", one.says, fields


def choices() -> Rows:
    """The placeholders of replies about what subscribers choose."""
    yield "In replies about choices", "Placeholders", "What they are of", "Without value"
    for one in PREFERENCES:
        showing = [name for name, known in one.replies.items() if one.action in known]
        yield (
            " ".join(f"`{name}`" for name in showing),
            f"`{{{one.action}}}`",
            f"the choice in force: {one.says}",
            "the reply `none` or `word_off`",
        )
    actions = " ".join(f"`{one.action}`" for one in PREFERENCES)
    yield actions, "`{keyword}`", "the keyword of the command", ""


def usage() -> Rows:
    """The fields of a usage event that an event can lack."""
    yield "Field", "Default", "What it is"
    for one in USAGE_FIELDS:
        default = "none" if one.default is None else f"`{one.default}`"
        yield f"`{one.name}`", default, one.says


REPLAY = NamesInUse(
    WorkerTopics(),
    app_id="APP-ID",
    group="GROUP",
    source="SOURCE",
    target="TARGET",
    makes_topics=True,
)


def rights() -> Rows:
    """The least rights of each role: resources with the same operations share a row."""
    yield "Role", "Runs", "Operations", "On"
    for role, runs in USER_ROLES.items():
        scope = REPLAY if role == "replay" else replace(REPLAY, makes_topics=False)
        shared: dict[tuple[Operation, ...], list[str]] = {}
        for (resource, name, is_prefix), operations in by_resource(rights_of(role, scope)).items():
            shown = f"`{name}`, and what begins so" if is_prefix else f"`{name}`"
            if resource == "transactional-id":
                if not name.endswith(("-0", "-")):
                    continue  # one for each digit
                shown = f"those that begin with `{name.removesuffix('0')}`"
                shown += " and a digit" if name.endswith("0") else ""
            label = {"topic": ""}.get(resource, f"{resource.replace('-', ' ')}: ")
            shared.setdefault(operations, []).append(f"{label}{shown}")
        for operations, names in shared.items():
            yield f"`{role}`", runs, ", ".join(operations), "; ".join(names)
            runs = ""


def metrics_of(home: type[Metrics]) -> Rows:
    """The metrics of one kind of process."""
    yield "Metric", "Kind", "What it says", "Labels"
    for one in home(CollectorRegistry()).declared:
        labels = "; ".join(f"`{name}`: {says}" for name, says in one.labels.items())
        yield f"`{one.name}`", one.kind, one.says, labels or "none"


TABLES: dict[tuple[str, str], Callable[[], Rows]] = {
    ("docs/contracts.md", "usage"): usage,
    ("docs/contracts.md", "outputs"): outputs,
    ("schemas/README.md", "topics"): topics,
    ("docs/operations.md", "retention"): retention,
    ("docs/security.md", "people"): people,
    ("docs/operations.md", "topic settings"): topic_settings,
    ("docs/texts.md", "choices"): choices,
    ("docs/two-way-sms.md", "commands"): commands,
    ("docs/two-way-sms.md", "preferences"): preferences,
    ("docs/security-kafka.md", "rights"): rights,
    ("docs/metrics.md", "worker"): partial(metrics_of, WorkerMetrics),
    ("docs/metrics.md", "dispatch"): partial(metrics_of, DispatchMetrics),
    ("docs/metrics.md", "tool"): partial(metrics_of, ToolMetrics),
    ("docs/metrics.md", "canary"): partial(metrics_of, CanaryMetrics),
}
"""By page and name of the table."""
PRINTED = {"docs/texts.md": re.compile(r"^\$ streamproc (.+)\n(?:.+\n)+?(?=```$)", re.M)}
"""Pages that show what commands print, and the form of such a block. ``make tables`` runs them."""


def table(rows: Rows) -> str:
    """Rows in Markdown; the first is the heading."""
    heading, *others = rows
    lines = [heading, tuple("---" for _ in heading), *others]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- ", "|---")


def written(page: str) -> str:
    """A page with up-to-date tables. Raises ``ValueError`` if a table has no place."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in (name for one, name in TABLES if one == page):
        begin = f"<!-- Table {name}: generated by `make tables`. Do not edit. -->\n"
        end = f"<!-- End of table {name}. -->\n"
        whole = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.S)
        if not whole.search(text):
            raise ValueError(f"{page} has no place for the table {name}: {begin}{end}")
        made = f"{begin}\n{table(TABLES[page, name]())}\n{end}"
        text = whole.sub(lambda _, made=made: made, text)  # type: ignore[misc]
    return PRINTED[page].sub(_printed, text) if page in PRINTED else text


def _printed(block: re.Match[str]) -> str:
    """A command and what it prints, as a page shows both."""
    output = CliRunner().invoke(main, block[1].split()).stdout
    return f"$ streamproc {block[1]}\n{output}"


def pages() -> list[str]:
    """The pages that have such tables."""
    return list(dict.fromkeys(page for page, _ in TABLES))


if __name__ == "__main__":
    for one in pages():
        (ROOT / one).write_text(written(one), encoding="utf-8")
