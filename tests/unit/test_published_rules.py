"""A worker without a rules file: which published version it takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.contracts.records.rule_versions import encode_rules
from streamproc.contracts.records.version_history import UnreadableVersionError, VersionHistory
from streamproc.contracts.rules_file.load import default_rulebook, load_rulebook
from streamproc.contracts.rules_file.texts import Content
from streamproc.core.state.account import ACTIVE, Account, Bucket
from streamproc.kafka.errors import TopicError
from streamproc.tools.publishing.held_entries import lacking
from streamproc.tools.publishing.versions import Draft, new_version
from streamproc.worker.published_rules import PublishedRules
from streamproc.worker.what_rules_lack import sources_of
from tests.support.rules import YAML, edited

NOW_MS = 1_770_000_000_000
CHANGED = edited(YAML, ("[80, 100]", "[75, 100]"))
IN_FORCE, REFUSED = (
    "published rules are in force",
    "published rules are refused; those in force stay",
)


class Log:
    """Stands for the rules topic and its reader."""

    def __init__(self) -> None:
        self.history = VersionHistory("app")
        self.fails: Exception | None = None
        self.is_closed = False

    def look(self) -> None:
        if self.fails is not None:
            raise self.fails

    def close(self) -> None:
        self.is_closed = True

    def publish(self, rules: str, **more: Any) -> None:
        content = Content(rules.encode(), {})
        fingerprint = load_rulebook(rules, "rules.yaml").fingerprint
        draft = Draft(Path("rules.yaml"), content, fingerprint, **more)
        version = new_version(self.history, draft, "alice", NOW_MS)
        self.history.take(version.key, encode_rules(version))


class Clock:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def source(log: Log, clock: Clock | None = None) -> PublishedRules:
    return PublishedRules(log, "", clock or Clock())  # type: ignore[arg-type]


def percents(rules: PublishedRules) -> tuple[int, ...]:
    return rules.rulebook.usage_rules[0].thresholds


def test_the_packaged_rules_are_used_until_something_is_published() -> None:
    log = Log()
    rules = source(log)
    rules.begin()
    assert rules.rulebook.fingerprint == default_rulebook().fingerprint
    assert rules.refresh() is None
    log.publish(YAML)
    with capture_logs() as logs:
        assert rules.refresh() is rules.rulebook
        assert rules.refresh() is None
    assert percents(rules) == (80, 100)
    assert [(one["event"], one["version"]) for one in logs] == [(IN_FORCE, 1)]


def test_a_start_takes_the_version_in_force() -> None:
    log = Log()
    log.publish(YAML)
    log.publish(CHANGED)
    rules = source(log)
    rules.begin()
    assert percents(rules) == (75, 100)
    assert rules.in_force is None  # there is nothing to keep


def test_a_version_begins_at_its_start_instant() -> None:
    log, clock = Log(), Clock()
    log.publish(YAML)
    log.publish(CHANGED, valid_from_ms=NOW_MS + 1000)
    rules = source(log, clock)
    rules.begin()
    clock.now_ms += 999
    assert (rules.refresh(), percents(rules)) == (None, (80, 100))
    clock.now_ms += 1
    assert rules.refresh() is rules.rulebook
    assert percents(rules) == (75, 100)


def test_rules_that_a_worker_took_by_force_lack_what_subscribers_have() -> None:
    log = Log()
    log.publish(YAML)
    rules = source(log)
    rules.begin()
    log.publish(edited(YAML, ("id: basic", "id: other")))
    assert rules.refresh() is rules.rulebook  # `publish` has judged it
    assert list(rules.rulebook.plans) == ["other"]


@pytest.mark.parametrize("value", [b'{"layout":2}', None])
def test_what_this_release_does_not_read_stops_a_start_and_no_running_worker(
    value: bytes | None,
) -> None:
    log = Log()
    log.publish(YAML)
    running = source(log)
    running.begin()
    if value is None:  # a kind of rules of a newer release
        version = log.history.versions[1]
        newer = edited(version.rules, ("kind: usage_percent", "kind: usage_of_tomorrow"))
        content = Content(newer.encode(), {})
        made = new_version(log.history, Draft(Path("rules.yaml"), content, 1), "bob", NOW_MS)
        value = encode_rules(made)
    log.history.take(b"app #2", value)
    with pytest.raises(UnreadableVersionError, match="version 2 of the rules of app"):
        source(log).begin()
    with capture_logs() as logs:
        assert running.refresh() is None
        assert running.refresh() is None
    assert [one["event"] for one in logs] == [REFUSED]
    assert running.refusal is not None
    assert "streamproc rules revert NUMBER" in running.refusal
    log.publish(CHANGED)
    assert running.refresh() is not None
    assert running.refusal is None


def test_a_topic_that_cannot_be_read_is_told_once_and_the_rules_stay() -> None:
    log = Log()
    log.publish(YAML)
    rules = source(log)
    rules.begin()
    log.fails = TopicError("no broker answers")
    with capture_logs() as logs:
        assert [rules.refresh() for _ in range(3)] == [None] * 3
    assert len(logs) == 1
    assert percents(rules) == (80, 100)
    log.fails = None
    log.publish(CHANGED)
    assert rules.refresh() is not None
    log.fails = TopicError("no broker answers")
    with pytest.raises(TopicError):
        source(log).begin()


async def test_after_the_end_nothing_is_read() -> None:
    log = Log()
    rules = source(log)
    rules.begin()
    await rules.close()
    log.publish(YAML)
    assert log.is_closed
    assert rules.refresh() is None


def test_what_an_account_has_and_rules_lack_is_named() -> None:
    account = Account(status=ACTIVE, plan="basic", next_plan="gold")
    account.buckets = [
        Bucket("b1", "allowance", "data", 10, 0, NOW_MS, 1000),
        Bucket("b2", "topup", "", 90, 0, NOW_MS, 1000),
    ]
    rules = load_rulebook(YAML, "rules.yaml")
    assert list(lacking(account, rules, sources_of(rules))) == ["plan 'gold'"]
    other = load_rulebook(edited(YAML, ("id: data", "id: bytes"), ("basic", "start")), "rules.yaml")
    assert list(lacking(account, other, sources_of(other))) == [
        "plan 'basic'",
        "plan 'gold'",
        "pack or allowance 'data'",
    ]
