"""The changes of four recipes, made in a copy of the project.

Each edit belongs to one place of its recipe. ``tests/contract/test_recipes_tried.py`` makes all of
them, and then all but one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.hypothesis_cache import WHAT_HYPOTHESIS_KNOWS

ROOT = Path(__file__).parents[2]
_COPIED = (
    "streamproc",
    "schemas",
    "docs",
    "tests",
    "native",
    "examples",
    "pyproject.toml",
    "README.md",
)
_GENERATORS = """
import runpy

names = "tests.support.generated_tables", "tests.support.kind_tables", "tests.contract.evolution"
for name in names:
    try:
        runpy.run_module(name, run_name="__main__")
    except (Exception, SystemExit):
        continue  # a change without one of its places may break one of them
"""
"""The commands that a recipe ends with, in one process."""


@dataclass(frozen=True)
class Edit:
    """One change of a file: ``new`` before ``old``, in place of it, or as a whole new file."""

    file: str
    old: str
    new: str

    def make(self, root: Path) -> None:
        """Make the change. Raises ``ValueError`` unless the place exists exactly once."""
        path = root / self.file
        if not self.old:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.new, encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} x {self.old!r}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True)
class Trial:
    """A recipe's change."""

    recipe: str
    edits: dict[str, tuple[Edit, ...]]
    """By the place in the recipe. The first one is the start of the change."""
    tests: tuple[str, ...]
    """The tests that check the places."""
    does: str
    """A program that fails if the change does not work."""


def copy_of_the_project(to: Path) -> Path:
    """A copy of the project that can be changed."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            # Modules are copied with their bytecode, which a changed source does not use. Bytecode
            # of pytest has the original paths. The last pattern is for files in the making.
            left_out = shutil.ignore_patterns("target", "golden.d", "*-pytest-*", "*.pyc.*")
            shutil.copytree(source, to / name, ignore=left_out)
        else:
            shutil.copy(source, to / name)
    return to


def make(trial: Trial, root: Path, but: str = "") -> None:
    """Make a change, without the edits of one place; then run the commands of the recipe."""
    for place, edits in trial.edits.items():
        for edit in edits if place != but else ():
            edit.make(root)
    run(root, ["-c", _GENERATORS])


def run(root: Path, words: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy."""
    environment = {**os.environ, "PYTHONPATH": str(root), **WHAT_HYPOTHESIS_KNOWS}
    # Variables that pytest sets for its workers must not reach the inner run.
    environment = {
        name: value for name, value in environment.items() if not name.startswith("PYTEST_")
    }
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=120
    )


def run_tests(trial: Trial, root: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of the recipe's places, in the copy."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    return run(root, ["-m", "pytest", *options, *trial.tests])


USAGE_FIELD = Trial(
    "usage-field",
    {
        "streamproc/core/state/events.py": (
            Edit(
                "streamproc/core/state/events.py",
                "    member: Subscriber | UnsetType = UNSET\n\n    SAYS: ",
                "    member: Subscriber | UnsetType = UNSET\n"
                "    apn: Name | UnsetType = UNSET\n\n    SAYS: ",
            ),
            Edit(
                "streamproc/core/state/events.py",
                '        "member": "Who of a pool used it; the pool is the subscriber.",\n',
                '        "member": "Who of a pool used it; the pool is the subscriber.",\n'
                '        "apn": "Access point; nothing is decided by it.",\n',
            ),
        ),
        "schemas/usage.recorded.v1.json": (
            Edit(
                "schemas/usage.recorded.v1.json",
                '    "member": {',
                '    "apn": {"$ref": "common.v1.json#/$defs/name"},\n    "member": {',
            ),
        ),
        "streamproc/producing/events.py": (
            Edit(
                "streamproc/producing/events.py",
                "    member: str | None = None,\n",
                "    member: str | None = None,\n    apn: str | None = None,\n",
            ),
            Edit(
                "streamproc/producing/events.py",
                "        member=member,\n",
                "        member=member,\n        apn=apn,\n",
            ),
        ),
        "streamproc/contracts/records/personal.py": (
            Edit(
                "streamproc/contracts/records/personal.py",
                'Holds.NAME: (\n        "plan pack',
                'Holds.NAME: (\n        "apn plan pack',
            ),
        ),
        "streamproc/lab/oracle/reading.py": (
            Edit(
                "streamproc/lab/oracle/reading.py",
                '            "service": _NAME,\n            "roaming_zone": _NAME,\n',
                '            "apn": _NAME,\n            "service": _NAME,\n'
                '            "roaming_zone": _NAME,\n',
            ),
        ),
    },
    (
        "tests/house/test_usage_fields.py",
        "tests/house/test_personal.py",
        "tests/house/test_generated_tables.py",
        "tests/unit/test_native_interface.py",
        "tests/contract/test_schemas_types.py",
        "tests/contract/test_schemas_evolution.py",
    ),
    '''
from click.testing import CliRunner
from streamproc.cli import main
from streamproc.producer import usage
from streamproc.producing.readers.mapping import parse_mapping
text = """
source: a
fields: {subscriber: {column: s}, time: {column: t}, total_bytes: {column: b}, apn: {column: a}}
"""
row = {"s": "8613800000001", "t": "2026-01-05T12:00:00Z", "b": "7", "a": "internet"}
assert b'"apn":"internet"' in parse_mapping(text, "m").event(row, "1").value
assert usage("8613800000001", source="a", total_bytes=1, apn="ims").apn == "ims"
assert "--apn" in CliRunner().invoke(main, ["send", "--help"]).output
''',
)

_EFFECTS = "streamproc/core/state/effects.py"
_PLANS = """    plans: str = _named_by(
        Topic(
            "streamproc.plans",
            "Topic for plans that took effect.",
            ("plan.applied",),
            "the subscriber",
            written_by=("worker",),
            read_by=("billing",),
        )
    )
    policy: str = _named_by("""
_CHANNEL = """  plans:
    address: streamproc.plans
    title: Plans
    messages:
      planApplied: {$ref: '#/components/messages/planApplied'}
    bindings:
      kafka:
        topic: streamproc.plans
        partitions: 4
        replicas: 1
        topicConfiguration:
          cleanup.policy: [delete]
          retention.ms: 2592000000
        bindingVersion: 0.5.0
  policy:
    address: streamproc.policy
"""
_OPERATION = """  sendPlans:
    action: send
    channel: {$ref: '#/channels/plans'}
    summary: Tells which plan took effect.
    tags: [{name: worker}]
  sendPolicy:
"""
_MESSAGE = """    planApplied:
      name: plan.applied
      title: Plan applied
      traits: [{$ref: '#/components/messageTraits/keyed'}]
      payload: {$ref: ./plan.applied.v1.json}
    policyChanged:
      name: policy.changed
"""
_PLAN_APPLIED = '''class PlanApplied(Struct, frozen=True, tag="plan.applied", tag_field="type"):
    """A plan took effect."""

    id: ReminderId
    subscriber: Subscriber
    plan: Name
    cause: Cause


Order = ConfirmationDecided'''
_RECORD = {
    "type": "plan.applied",
    "id": "5a0e7b1f7c0f4f0c9d6a3f0b2c1d4e5f",
    "subscriber": "8613800000001",
    "plan": "basic",
    "cause": {"due_time": "2026-01-20T06:05:00Z"},
}
_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://streamproc.example/schemas/plan.applied.v1.json",
    "title": "Plan applied",
    "description": "A plan took effect.",
    "type": "object",
    "required": [*_RECORD],
    "properties": {
        "type": {"const": "plan.applied"},
        "id": {"description": "Names it.", "type": "string", "pattern": "^[0-9a-f]{32}$"},
        "subscriber": {"$ref": "common.v1.json#/$defs/subscriber"},
        "plan": {"$ref": "common.v1.json#/$defs/name"},
        "cause": {"$ref": "common.v1.json#/$defs/cause"},
    },
    "examples": [_RECORD],
}
_EXAMPLES = "schemas/examples/plan.applied.v1"
OUTPUT_TOPIC = Trial(
    "output-topic",
    {
        "streamproc/contracts/topics.py": (
            Edit("streamproc/contracts/topics.py", "    policy: str = _named_by(", _PLANS),
        ),
        "schemas/asyncapi.yaml": (
            Edit(
                "schemas/asyncapi.yaml",
                "  policy:\n    address: streamproc.policy\n",
                _CHANNEL,
            ),
            Edit("schemas/asyncapi.yaml", "  sendPolicy:\n", _OPERATION),
            Edit(
                "schemas/asyncapi.yaml",
                "    policyChanged:\n      name: policy.changed\n",
                _MESSAGE,
            ),
        ),
        _EFFECTS: (
            Edit(_EFFECTS, "Order = ConfirmationDecided", _PLAN_APPLIED),
            Edit(_EFFECTS, "| Order | PolicyChanged", "| Order | PolicyChanged | PlanApplied"),
        ),
        "schemas/NAME.json": (
            Edit("schemas/plan.applied.v1.json", "", json.dumps(_SCHEMA)),
            Edit(f"{_EXAMPLES}/valid/plain.json", "", json.dumps(_RECORD)),
            Edit(f"{_EXAMPLES}/valid/other.json", "", json.dumps({**_RECORD, "plan": "large"})),
            *(
                Edit(f"{_EXAMPLES}/invalid/no_{one}.json", "", json.dumps({**_RECORD, one: None}))
                for one in ("plan", "id", "cause")
            ),
        ),
    },
    (
        "tests/house/test_topics.py",
        "tests/house/test_generated_tables.py",
        "tests/contract/test_asyncapi.py",
        "tests/contract/test_schemas_types.py",
        "tests/contract/test_schemas.py",
        "tests/contract/test_schemas_docs.py",
    ),
    """
from click.testing import CliRunner
from streamproc.cli import main
from streamproc.contracts.records.codec import decode_effect
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.state.effects import PlanApplied
from streamproc.lab.demo.settings import Names
from streamproc.tools.play.happening_words import record_words
from streamproc.worker.outlets import outlets
from streamproc.worker.settings import WorkerSettings
from streamproc.worker.virtual import TOPICS
assert outlets(WorkerTopics())[PlanApplied] == ("plans", "streamproc.plans", True)
assert "streamproc.plans" in WorkerSettings("b:1").topics.outputs
assert "demo.plans" in Names("demo").topics
assert TOPICS.plans == "plans"
for command in ("worker", "verify-outputs"):
    assert "--plans" in CliRunner().invoke(main, [command, "--help"]).output
found = decode_effect(open("schemas/examples/plan.applied.v1/valid/plain.json", "rb").read())
assert record_words(found) == ("record", "plan.applied: plan basic")
""",
)

_AMOUNTS = '''"""Whether replies name amounts of money."""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.core.commands.arguments import Command, Spellings, word_of
from streamproc.core.commands.preferences.base import DEFAULT, StateChange, PreferenceHandler
from streamproc.core.commands.reply_words import fragment
from streamproc.core.notices.services import NoticeWork
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account
from streamproc.core.texts.formats import Formats


class AmountsHandler(PreferenceHandler):
    """``amounts``: ``off``; empty: as the texts have it."""

    action = "amounts"

    def parse(self, spellings: Spellings, rest: str) -> Command | None:
        word = word_of(rest, spellings, DEFAULT, "off")
        return Command(self.action, word) if word else None

    def change_by_sms(self, command: Command) -> StateChange:
        return {"amounts": "" if command.word == DEFAULT else command.word}

    def served(self, account: Account, rules: Rulebook) -> Iterable[Spoken]:
        return rules.speaking()

    def shown(self, told: NoticeWork, commands: Commands, written: Formats) -> str:
        extra = told.account.extra
        off = extra is not None and extra.amounts == "off"
        return fragment("word_off" if off else "word_default", told, commands)
'''
_ENTRY = """    Preference(
        action="amounts",
        says="whether replies name amounts of money",
        arguments="`OFF` or `DEFAULT`",
        example="AMOUNTS OFF",
        tries=(" OFF", " DEFAULT", ""),
        sample="{word_off}",
        words=("default", "off"),
        answers=_answers("amounts", "off", "reset"),
        state=("amounts",),
    ),
    Preference(
        action="schedule",
"""
_PACKAGED = "streamproc/contracts/rules/commands.yaml"
_TEXTS = """  amounts: {en: "Amounts: {amounts}. To change this: {keyword} OFF"}
  amounts_set: {en: "Done: {amounts}."}
  amounts_off: {en: "Done. We name no amounts."}
  amounts_reset: {en: "Done. We name amounts again."}
  help_amounts: {en: "{keyword}: amounts in replies"}
  thresholds:
"""
_ORACLE = "streamproc/lab/oracle"
PREFERENCE = Trial(
    "preference",
    {
        "streamproc/core/rules/preferences.py": (
            Edit(
                "streamproc/core/rules/preferences.py",
                '    Preference(\n        action="schedule",\n',
                _ENTRY,
            ),
        ),
        "streamproc/core/commands/preferences/": (
            Edit("streamproc/core/commands/preferences/amounts.py", "", _AMOUNTS),
            Edit(
                "streamproc/core/commands/preferences/__init__.py",
                "QuietHoursHandler(), SummariesHandler())",
                "QuietHoursHandler(), AmountsHandler(), SummariesHandler())",
            ),
            Edit(
                "streamproc/core/commands/preferences/__init__.py",
                "from streamproc.core.commands.preferences.base",
                "from streamproc.core.commands.preferences.amounts import AmountsHandler\n"
                "from streamproc.core.commands.preferences.base",
            ),
        ),
        "streamproc/core/state/account.py": (
            Edit(
                "streamproc/core/state/account.py",
                '    summary_every: str = ""\n',
                '    amounts: str = ""\n    summary_every: str = ""\n',
            ),
        ),
        "tests/support/truth/checks.py": (
            Edit(
                "tests/support/truth/checks.py",
                '    "schedule": conversation.says_schedule,\n',
                '    "schedule": conversation.says_schedule,\n'
                '    "amounts": lambda facts, text, tag: bool(text),\n',
            ),
        ),
        "streamproc/contracts/rules/": (
            Edit(_PACKAGED, "  thresholds: [YZ", "  amounts: [AMOUNTS]\n  thresholds: [YZ"),
            Edit(_PACKAGED, "  thresholds:\n", _TEXTS),
        ),
        "streamproc/lab/oracle/": (
            Edit(
                f"{_ORACLE}/choosing.py",
                '    "schedule": Choice(_is_by_choice, _schedule),\n',
                '    "schedule": Choice(_is_by_choice, _schedule),\n'
                '    "amounts": Choice(lambda rule, _: True, lambda *_: None),\n',
            ),
            Edit(
                f"{_ORACLE}/spelling.py",
                '    "quiet_hours": ("default", "off"),\n',
                '    "quiet_hours": ("default", "off"),\n    "amounts": ("default", "off"),\n',
            ),
        ),
    },
    (
        "tests/house/test_preferences.py",
        "tests/house/test_texts_docs.py::test_it_is_said_of_what_each_placeholder_of_a_reply_is",
        "tests/house/test_generated_tables.py",
        "tests/unit/test_truth_reader.py::test_the_reader_reads_the_setting_that_replies_to_a_choice_show",
    ),
    """
from tests.support.talking import Talking, talking_rules, texts
line = Talking(talking_rules())
line.begin()
assert texts(line.text("amounts off", 1)) == ["Done. We name no amounts."]
assert line.account.extra.amounts == "off"
assert "AMOUNTS" in texts(line.text("HELP", 1.1))[0]
line.close(2)
assert line.account.extra is None
""",
)
_COUNTED = "tests/driver/test_counted.py"
_METRICS = "streamproc/metrics/worker.py"
METRIC = Trial(
    "metric",
    {
        _METRICS: (
            Edit(
                _METRICS,
                "        self.rejects = self.counter(\n",
                "        self.chunks = self.counter(\n"
                '            "streamproc_worker_chunks_total", "Chunks of input.", line="chunks"\n'
                "        )\n"
                "        self.rejects = self.counter(\n",
            ),
            Edit(
                _COUNTED,
                "@pytest.mark.both_ways\ndef test_reminders_of_usage",
                "def test_chunks_are_counted(scene: Scene) -> None:\n"
                "    scene.driver.activate(ALICE)\n"
                "    scene.driver.use(ALICE, 100)\n"
                '    assert counted(scene.metrics, "chunks") == {(): 2}\n\n\n'
                "@pytest.mark.both_ways\ndef test_reminders_of_usage",
            ),
        ),
        "streamproc/worker/observing.py": (
            Edit(
                "streamproc/worker/observing.py",
                '            "rejects": metrics.rejects,\n',
                '            "chunks": metrics.chunks,\n            "rejects": metrics.rejects,\n',
            ),
        ),
        "streamproc/worker/quota_processor.py": (
            Edit(
                "streamproc/worker/quota_processor.py",
                '        outbox.counts["events", APPLIED] += len(records)\n',
                '        outbox.counts["events", APPLIED] += len(records)\n'
                '        outbox.counts["chunks",] += 1\n',
            ),
        ),
    },
    ("tests/unit/test_metrics.py", "tests/house/test_generated_tables.py", _COUNTED),
    """
from pathlib import Path
assert "streamproc_worker_chunks_total" in Path("docs/metrics.md").read_text()
""",
)
TRIALS = (USAGE_FIELD, OUTPUT_TOPIC, PREFERENCE, METRIC)
