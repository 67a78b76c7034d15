"""The rules topic: what a worker keeps there, and what it finds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from structlog.testing import capture_logs

from streamproc.contracts.records.rule_versions import (
    RulesPublished,
    decode_rules,
    encode_rules,
    version_id,
)
from streamproc.contracts.rules_file.texts import Content
from streamproc.errors import StreamprocError
from streamproc.kafka.errors import TopicError
from streamproc.worker.rule_versions import RulesKeeper, RuleVersions
from streamproc.worker.rules import InForce, RulesFile
from tests.support.rules import YAML, edited
from tests.support.waiting import until

CONTENT = Content(b"version: 1\n", {"/etc/rules.texts/pl.yaml": b"low: x\n"})
RULES = InForce(Path("/etc/rules.yaml"), CONTENT, 7)


class Topic:
    """Stands for the rules topic."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.values: list[bytes | None] = []
        self.fails: Exception | None = None
        monkeypatch.setattr(RuleVersions, "last", self._last)
        monkeypatch.setattr(RuleVersions, "_write", self._write)

    def _last(self, versions: RuleVersions) -> RulesPublished | None:
        found = None
        for offset, value in enumerate(self.values):
            found = versions._of(SimpleNamespace(value=value, offset=offset)) or found
        return found

    def _write(self, version: RulesPublished) -> None:
        if self.fails is not None:
            raise self.fails
        self.values.append(encode_rules(version))


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    topic = Topic(monkeypatch)
    monkeypatch.setattr(RuleVersions, "last", lambda versions: topic._last(versions))
    monkeypatch.setattr(RuleVersions, "_write", lambda _, version: topic._write(version))
    return topic


def versions(app_id: str = "app") -> RuleVersions:
    return RuleVersions("nowhere:9092", "rules", app_id, "w1")


def test_what_one_worker_keeps_another_one_finds(topic: Topic) -> None:
    assert versions().last_good() is None
    versions().publish(RULES)
    kept = versions().last_good()
    assert kept is not None
    assert kept.path == Path("rules.yaml")
    assert kept.content == Content(CONTENT.rules, {"rules.texts/pl.yaml": b"low: x\n"})
    record = decode_rules(topic.values[0] or b"")
    assert (record.source, record.fingerprint, record.app_id) == ("w1", 7, "app")
    assert record.key == f"app {record.id}".encode()
    assert versions("other").last_good() is None


def test_the_same_rules_are_written_once_and_again_after_others(topic: Topic) -> None:
    changed = RULES._replace(content=Content(b"version: 1 #\n", {}))
    for rules in (RULES, RULES, changed, RULES):
        versions().publish(rules)
    ids = [decode_rules(one or b"").id for one in topic.values]
    assert ids == [ids[0], version_id("rules.yaml", changed.content), ids[0]]


def test_the_id_depends_on_all_that_the_rules_depend_on() -> None:
    one = version_id("rules.yaml", CONTENT)
    assert one == version_id("mine.yaml", CONTENT._replace(texts={"x/pl.yaml": b"low: x\n"}))
    others = [
        version_id("rules.toml", CONTENT),
        version_id("rules.yaml", CONTENT._replace(rules=b"version: 1")),
        version_id("rules.yaml", CONTENT._replace(texts={})),
        version_id("rules.yaml", CONTENT._replace(texts={"pl.yaml": b"low: "})),
        version_id("rules.yaml", CONTENT._replace(texts={"de.yaml": b"low: x\n"})),
        version_id("rules.yaml", CONTENT._replace(texts={"pl.yam": b"llow: x\n"})),
    ]
    assert len({one, *others}) == len(others) + 1


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"type":"rules.withdrawn"}']
    + [b'{"file": "%s"}' % name for name in (b".", b"/", b"./", b"a/", b"../a.yaml", b"/a.yaml")],
)
def test_what_is_no_version_is_ignored(topic: Topic, value: bytes) -> None:
    versions().publish(RULES)
    if value.startswith(b'{"file"'):  # a version of a name that is no file's
        value = msgspec.json.encode(msgspec.json.decode(topic.values[0] or b"") | json.loads(value))
    topic.values += [value, None]
    with capture_logs() as logs:
        assert versions().last_good() is not None
    assert [one["event"] for one in logs] == ["a record is not a version of rules; it is ignored"]
    assert logs[0]["offset"] == 1


def test_a_name_that_is_not_utf_8_is_told(topic: Topic) -> None:
    odd = os.fsdecode(b"\xff")
    for rules in (
        RULES._replace(path=Path(f"/etc/{odd}.yaml")),
        RULES._replace(content=CONTENT._replace(texts={f"/etc/{odd}.yaml": b"x"})),
    ):
        with pytest.raises(StreamprocError, match="is not UTF-8"):
            versions().publish(rules)


async def test_a_worker_keeps_what_it_takes_and_tells_a_failure_once(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(YAML, encoding="utf-8")
    rules = RulesFile(path)
    running: list[bool] = []
    keeper = RulesKeeper(rules, versions(), lambda: bool(running))
    await keeper.look()
    assert topic.values == [], "a worker that may not start leaves nothing"
    running.append(True)
    topic.fails = TopicError("the broker does not answer")
    with capture_logs() as logs:
        await keeper.look()
        await keeper.look()
        topic.fails = None
        await keeper.look()
        await keeper.look()
    assert [one["log_level"] for one in logs] == ["error", "info"]
    assert logs[0]["why"] == "the broker does not answer"
    path.write_text(edited(YAML, ("[80, 100]", "[50]")), encoding="utf-8")
    rules.refresh()
    rules.refresh()
    monkeypatch.setattr("streamproc.worker.rule_versions.LOOK_SECONDS", 0.001)
    await keeper.start()
    await until(lambda: len(topic.values) == 2)
    await keeper.close()
    await keeper.close()


async def test_an_odd_error_does_not_end_the_keeping(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(YAML, encoding="utf-8")
    topic.fails = RuntimeError("what no library says it raises")
    monkeypatch.setattr("streamproc.worker.rule_versions.RETRY_SECONDS", 0.001)
    keeper = RulesKeeper(RulesFile(path), versions(), lambda: True)
    with capture_logs() as logs:
        await keeper.start()
        await until(lambda: len(logs) > 1)
        topic.fails = None
        await until(lambda: len(topic.values) == 1)
    await keeper.close()
    assert logs[0]["event"] == "a part of the process has failed"


async def test_packaged_rules_are_not_kept(topic: Topic) -> None:
    await RulesKeeper(RulesFile(None), versions(), lambda: True).look()
    assert topic.values == []
