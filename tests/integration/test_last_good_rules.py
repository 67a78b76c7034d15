"""Rules in the log: a worker on a new machine with a wrong rules file starts with the last good."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from streamproc.contracts.records.rule_versions import version_id
from streamproc.contracts.rules_file.texts import Content
from streamproc.worker.rule_versions import RuleVersions
from tests.support.cluster import Names, WorkerProcess
from tests.support.edges import wait_for_words
from tests.support.rules import YAML, edited

WRONG = edited(YAML, ("[80, 100]", "[500]"))
CHANGED = edited(YAML, ("[80, 100]", "[50]"))


def test_the_rules_that_a_worker_took_last_start_another_one(
    bootstrap: str, tmp_path: Path
) -> None:
    names = Names(f"g{uuid4().hex[:8]}")
    here, there = tmp_path / "here.yaml", tmp_path / "there.yaml"
    here.write_text(YAML, encoding="utf-8")
    there.write_text(WRONG, encoding="utf-8")
    others = "--rules", str(there), "--last-good-rules"
    first = WorkerProcess(bootstrap, names, tmp_path, "first", "--rules", str(here)).start()
    try:
        wait_for_words(first, "the rules in force are kept")
        here.write_text(CHANGED, encoding="utf-8")
        wait_for_words(first, "the changed rules are in force")
        versions = RuleVersions(bootstrap, names.worker.rule_versions, names.app_id)
        wait_for_words(first, version_of(versions, CHANGED))
        assert first.stop() == 0
    finally:
        first.kill()
    second = WorkerProcess(bootstrap, names, tmp_path, "second", *others).start()
    try:
        wait_for_words(second, "the rules file was refused; the last good rules are used")
        wait_for_words(second, "input flows")
        assert second.stop() == 0
    finally:
        second.kill()
    kept = versions.last_good()
    assert kept is not None
    assert kept.content.rules == CHANGED.encode()
    assert RuleVersions(bootstrap, names.worker.rule_versions, "another").last_good() is None
    assert RuleVersions(bootstrap, "no-such-topic", names.app_id).last_good() is None


def version_of(versions: RuleVersions, text: str) -> str:
    return version_id("here.yaml", Content(text.encode(), {}))
