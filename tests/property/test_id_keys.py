"""With a key nobody can test a number against the id of a record; all else stays as it is."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.cli.replay_options import name_of
from streamproc.contracts.topics import WorkerTopics
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import record_id
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.secret import Secret
from streamproc.lab.workload import WorkloadSettings
from streamproc.lab.workload_quota import quota_month
from streamproc.lab.workload_talk import mixed
from streamproc.worker.id_keys import IdKeyError, id_key_of
from streamproc.worker.rules import RulesFile
from tests.support.certificates import secret_file
from tests.support.everything import everything
from tests.support.talking import talking_rules
from tests.unit.test_native import Log, Run, compared, needs_native

ID_KEY = "a key of sixteen characters or more"
TOPICS = WorkerTopics()
ID = re.compile(rb'"(?:id|reminder)":"([0-9a-f]{32})"')


SETTINGS = WorkloadSettings(seed=3, events=700, subscribers=12)
TALK, ALL = talking_rules(), everything()
CASES = {
    "stories": (TALK, mixed(SETTINGS, TALK, 120), ("reminders", "audit", "orders")),
    "quota": (ALL, quota_month(SETTINGS, ALL), ("reminders", "audit", "policy")),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Rulebook, list[Log], tuple[str, ...]]:
    rules, records, topics = CASES[request.param]
    return rules, [Log(*one, offset=number) for number, one in enumerate(records)], topics


def written(rules: Rulebook, log: list[Log]) -> dict[str, list[bytes]]:
    """The values of each output topic."""
    run = Run("off", rules)
    for start in range(0, len(log), 200):
        run.apply(log[start : start + 200])
        run.commit()
    return {
        topic: [value or b"" for _, value, *_ in records]
        for topic, records in run.outbox.topics.items()
    }


def test_an_id_without_a_key_is_that_of_earlier_releases() -> None:
    assert (
        record_id("", "8613800000001", "low", "1767600000000", "b/80/2")
        == "ccdd62200b93cf764685f64febf55dd2"
    )


def test_a_number_can_be_tested_against_an_id_without_a_key_alone() -> None:
    """Somebody knows rule, cycle and occasion, and tries the numbers."""
    rest = ("low", "1767600000000", "b/80/2")
    numbers = [f"86138000{number:05}" for number in range(3_000)]
    for id_key, found in (("", True), (ID_KEY, False)):
        id = record_id(id_key, "8613800000001", *rest)
        assert any(record_id("", one, *rest) == id for one in numbers) is found


def test_with_a_key_the_ids_alone_are_others_and_joins_hold(
    case: tuple[Rulebook, list[Log], tuple[str, ...]],
) -> None:
    rules, log, topics = case
    plain, keyed = written(rules, log), written(rules.keyed(ID_KEY), log)
    assert keyed == written(rules.keyed(ID_KEY), log), "law 5"
    assert plain.keys() == keyed.keys()
    other: dict[bytes, bytes] = {}
    for topic, values in plain.items():
        for before, after in zip(values, keyed[topic], strict=True):
            ids, new = ID.findall(before), ID.findall(after)
            assert ID.sub(b"", before) == ID.sub(b"", after)
            for one, another in zip(ids, new, strict=True):
                assert one != another, topic
                assert other.setdefault(one, another) == another
    assert all(ID.search(b"".join(plain[getattr(TOPICS, one)])) for one in topics)
    assert len(set(other.values())) == len(other)


@needs_native
def test_the_compiled_part_writes_the_same_ids(
    case: tuple[Rulebook, list[Log], tuple[str, ...]],
) -> None:
    rules, log, _ = case
    run = compared(log, list(range(400, len(log), 400)), rules.keyed(ID_KEY))
    assert run.outbox.topics[TOPICS.reminders]


def test_the_key_is_that_of_each_rulebook_of_a_worker(tmp_path: Path) -> None:
    assert RulesFile(None, id_key=ID_KEY).rulebook.id_key == ID_KEY
    assert RulesFile(None).rulebook.id_key == ""
    file = tmp_path / "rules.yaml"
    example = (Path(__file__).parents[2] / "examples/first/rules.yaml").read_text()
    file.write_text(example)
    rules = RulesFile(file, id_key=ID_KEY)
    assert rules.rulebook.id_key == ID_KEY
    before = rules.rulebook.fingerprint
    file.write_text(example.replace("thresholds: [50", "thresholds: [51"))
    assert rules.refresh() is None
    changed = rules.refresh()
    assert changed is not None
    assert (changed.id_key, changed.fingerprint == before) == (ID_KEY, False)


def test_the_key_comes_from_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    assert id_key_of(None) == ""
    file = secret_file(tmp_path / "key", f"{ID_KEY}\n")
    assert id_key_of(Secret(path=file)) == ID_KEY
    file.chmod(0o644)
    with pytest.raises(KafkaSettingsError, match="everybody on this machine may read"):
        id_key_of(Secret(path=file))
    for wrong in ("short", "x" * 20 + "\n" + "y" * 20):
        with pytest.raises(IdKeyError, match="one line of at least 16 characters") as caught:
            id_key_of(Secret(wrong))
        assert wrong not in str(caught.value)


def test_the_default_name_of_a_replay_of_one_subscriber_is_a_slow_hash() -> None:
    options: dict[str, Any] = dict.fromkeys(
        ("topic", "types", "topics", "from_time", "to_time", "shift", "advance_clock")
    )
    options["topic"] = "copy"
    source: Any = SimpleNamespace(identity="live")
    began = time.process_time()
    names = {name_of(source, {**options, "subscribers": (one,)}) for one in ("346", "347")}
    assert time.process_time() - began > 0.1
    assert len(names) == 2
    assert all(re.fullmatch(r"[0-9a-f]{12}", one) for one in names)
    assert len(name_of(source, {**options, "subscribers": ()})) == 12
