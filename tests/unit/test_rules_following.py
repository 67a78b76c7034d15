"""A running worker's rules file: loaded when a change is good, else refused with a log line."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamproc.contracts.rules_file.load import RulesError, default_rulebook, load_rulebook
from streamproc.contracts.rules_file.texts import Content
from streamproc.core.rules.rulebook import Rulebook
from streamproc.kafka.errors import TopicError
from streamproc.worker import rules as worker_rules
from streamproc.worker.app import take_changed_rules
from streamproc.worker.quota_processor import QuotaProcessor
from streamproc.worker.rules import KeptRules, RulesFile
from streamproc.worker.virtual import TOPICS
from tests.support.rules import TOML, YAML, edited

CHANGED = edited(YAML, ("[80, 100]", "[50]"))
WRONG = edited(YAML, ("[80, 100]", "[500]"))


class Followed:
    """A rules file that a worker follows, with what it logs."""

    def __init__(self, path: Path, text: str = YAML) -> None:
        self.path = path
        path.write_text(text, encoding="utf-8")
        self.rules = RulesFile(path)
        self.logs: list[Any] = []

    def look(self, times: int = 3) -> list[Rulebook]:
        """The rulebooks that so many looks brought."""
        with capture_logs() as logs:
            found = [self.rules.refresh() for _ in range(times)]
        self.logs = logs
        return [one for one in found if one is not None]

    @property
    def errors(self) -> list[str]:
        return [log["problems"] for log in self.logs if log["log_level"] == "error"]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path / "rules.yaml")


def thresholds(rulebook: Rulebook) -> tuple[int, ...]:
    return rulebook.usage_rules[0].thresholds


def test_a_wrong_file_starts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(WRONG, encoding="utf-8")
    with pytest.raises(RulesError, match=r"rules.yaml:14: rules\[0\].thresholds\[0\]: must be at"):
        RulesFile(path)
    with pytest.raises(RulesError, match=r"missing.yaml:1: cannot be read: No such file"):
        RulesFile(tmp_path / "missing.yaml")


def test_without_a_file_the_packaged_rules_stay() -> None:
    rules = RulesFile(None)
    assert rules.rulebook.fingerprint == default_rulebook().fingerprint
    assert rules.refresh() is None


def test_an_unchanged_file_says_nothing(followed: Followed) -> None:
    assert followed.look() == []
    os.utime(followed.path, (1, 1))
    assert followed.look() == []
    assert followed.logs == []


def test_a_changed_file_is_taken_over_once(followed: Followed) -> None:
    followed.path.write_text(CHANGED, encoding="utf-8")
    (taken,) = followed.look()
    assert thresholds(taken) == thresholds(followed.rules.rulebook) == (50,)
    assert [log["event"] for log in followed.logs] == ["the changed rules are in force"]


def test_toml_is_followed_too(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "rules.toml", TOML)
    followed.path.write_text(edited(TOML, ("[80, 100]", "[50]")), encoding="utf-8")
    assert [thresholds(one) for one in followed.look()] == [(50,)]


def test_a_file_replaced_by_renaming_is_taken_over(followed: Followed) -> None:
    beside = followed.path.with_suffix(".new")
    beside.write_text(CHANGED, encoding="utf-8")
    beside.replace(followed.path)
    assert [thresholds(one) for one in followed.look()] == [(50,)]


def test_a_link_turned_to_another_file_is_taken_over(tmp_path: Path) -> None:
    """As Kubernetes changes a ConfigMap."""
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text(YAML, encoding="utf-8")
    second.write_text(CHANGED, encoding="utf-8")
    link = tmp_path / "rules.yaml"
    link.symlink_to(first)
    rules = RulesFile(link)
    new_link = tmp_path / "new"
    new_link.symlink_to(second)
    new_link.replace(link)
    found = [rules.refresh() for _ in range(3)]
    assert [thresholds(one) for one in found if one] == [(50,)]


def test_a_wrong_change_is_refused_once_and_the_old_rules_stay(followed: Followed) -> None:
    before = followed.rules.rulebook
    followed.path.write_text(WRONG, encoding="utf-8")
    assert followed.look(10) == []
    problem = f"{followed.path}:14: rules[0].thresholds[0]: must be at most 100, not 500"
    assert followed.errors == [problem]
    assert followed.rules.refusal == problem
    assert followed.rules.rulebook is before


def test_another_wrong_change_is_told_again_and_a_right_one_ends_it(followed: Followed) -> None:
    followed.path.write_text(WRONG, encoding="utf-8")
    followed.look()
    followed.path.write_text(edited(YAML, ("[80, 100]", "[0]")), encoding="utf-8")
    followed.look()
    assert len(followed.errors) == 1
    followed.path.write_text(CHANGED, encoding="utf-8")
    assert [thresholds(one) for one in followed.look()] == [(50,)]
    assert followed.rules.refusal is None


def test_going_back_to_the_rules_in_force_ends_the_refusal(followed: Followed) -> None:
    followed.path.write_text(WRONG, encoding="utf-8")
    followed.look()
    followed.path.write_text(YAML, encoding="utf-8")
    assert followed.look() == []
    assert [log["event"] for log in followed.logs] == [
        "the rules file contains the rules in force again"
    ]
    assert followed.rules.refusal is None
    assert thresholds(followed.rules.rulebook) == (80, 100)


def test_the_rules_taken_over_last_are_the_ones_in_force(followed: Followed) -> None:
    for text, taken in ((CHANGED, 1), (WRONG, 0), (CHANGED, 0), (YAML, 1)):
        followed.path.write_text(text, encoding="utf-8")
        assert len(followed.look()) == taken


def test_a_file_caught_half_written_is_not_judged(followed: Followed) -> None:
    """Half of this file would be right, with fewer rules."""
    whole = CHANGED + CHANGED[CHANGED.index("  - id: low") :].replace("low", "second")
    for size in range(len(CHANGED), len(whole), 40):
        followed.path.write_text(whole[:size], encoding="utf-8")
        assert followed.look(1) == []
        assert followed.logs == []
    followed.path.write_text(whole, encoding="utf-8")
    (taken,) = followed.look()
    assert [rule.id for rule in taken.usage_rules] == ["low", "second"]


def test_an_emptied_file_is_refused(followed: Followed) -> None:
    followed.path.write_text("", encoding="utf-8")
    assert followed.look() == []
    assert followed.errors == [f"{followed.path}:1: the file is empty"]


def test_a_deleted_file_is_told_once_and_may_come_back(followed: Followed) -> None:
    followed.path.unlink()
    assert followed.look(10) == []
    assert followed.errors == [f"{followed.path}:1: cannot be read: No such file or directory"]
    followed.path.write_text(CHANGED, encoding="utf-8")
    assert [thresholds(one) for one in followed.look()] == [(50,)]


def test_a_file_that_vanishes_between_two_looks_is_not_told_of(followed: Followed) -> None:
    followed.path.unlink()
    followed.look(1)
    followed.path.write_text(YAML, encoding="utf-8")
    assert followed.look() == []
    assert followed.logs == []


def test_a_file_that_may_not_be_read_is_told_once(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # the tests may run as root, whom nothing is forbidden

        def refuse(path: Path, _flags: int) -> int:
            raise PermissionError(13, "Permission denied", str(path))

        patch.setattr(os, "open", refuse)
        assert followed.look(10) == []
        assert followed.errors == [f"{followed.path}:1: cannot be read: Permission denied"]
    assert followed.look() == []
    assert followed.errors == []
    assert followed.rules.refusal is None


def test_a_directory_in_the_files_place_is_refused(followed: Followed) -> None:
    followed.path.unlink()
    followed.path.mkdir()
    assert followed.look() == []
    assert followed.errors == [f"{followed.path}:1: cannot be read: Is a directory"]


def test_bytes_that_are_no_text_are_refused(followed: Followed) -> None:
    followed.path.write_bytes(YAML.encode() + b"# \xff\n")
    followed.look()
    assert followed.errors == [f"{followed.path}:17: not UTF-8: byte 0xff; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        (("id: basic", "id: other"), "plan 'basic'"),
        (("id: extra", "id: other"), "pack 'extra'"),
        (("id: data", "id: other"), "allowance 'data'"),
    ],
)
def test_what_subscribers_may_have_cannot_vanish_while_running(
    followed: Followed, change: tuple[str, str], gone: str
) -> None:
    followed.path.write_text(edited(YAML, change), encoding="utf-8")
    assert followed.look() == []
    (problem,) = followed.errors
    assert problem.startswith(f"{followed.path}:1: {gone}: gone, but subscribers may have it; ")
    # A restart takes the file: the operator was told.
    assert RulesFile(followed.path).rulebook.fingerprint != followed.rules.rulebook.fingerprint


ODD = {
    "a list for a kind": edited(YAML, ("kind: usage_percent", "kind: [usage_percent]")),
    "half a character": edited(YAML, ("version: 1", 'version: 1\n"\\ud800": 1')),
    "nested": "a: " + "[" * 5_000,
    "a cron field of 5,000 digits": edited(
        YAML, ("kind: usage_percent", 'kind: cron, cron: "' + "9" * 5_000 + ' * * * *"')
    ),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_whatever_the_file_becomes_the_worker_keeps_its_rules_and_takes_a_later_good_one(
    followed: Followed, text: str
) -> None:
    followed.path.write_text(text, encoding="utf-8")
    assert followed.look() == []
    (error,) = followed.errors
    assert error.startswith(f"{followed.path}:")
    followed.path.write_text(CHANGED, encoding="utf-8")
    assert [thresholds(one) for one in followed.look()] == [(50,)]


def test_a_fault_of_a_check_leaves_the_rules_in_force(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError

    followed.path.write_text(CHANGED, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(worker_rules, "load_rulebook", broken)
        assert followed.look() == []
    assert "cannot be checked (LookupError)" in (followed.rules.refusal or "")


def test_a_pipe_in_the_place_of_the_file_is_refused_without_waiting(followed: Followed) -> None:
    followed.path.unlink()
    os.mkfifo(followed.path)
    assert followed.look() == []
    assert followed.errors == [f"{followed.path}:1: cannot be read: it is not a regular file"]


def test_a_pipe_among_the_texts_is_refused_without_waiting(followed: Followed) -> None:
    texts = followed.path.with_suffix(".texts")
    texts.mkdir()
    os.mkfifo(texts / "pl.yaml")
    assert followed.look() == []
    assert followed.errors == [f"{texts / 'pl.yaml'}:1: cannot be read: it is not a regular file"]


@pytest.mark.parametrize("what", ["file", "dangling", "loop"])
def test_texts_that_are_no_directory_are_refused_and_stay_in_force(
    followed: Followed, what: str
) -> None:
    texts = followed.path.with_suffix(".texts")
    if what == "file":
        texts.write_text("x", encoding="utf-8")
    else:
        texts.symlink_to("away" if what == "dangling" else texts.name)
    assert followed.look() == []
    assert followed.errors == [f"{texts}:1: cannot be read: Not a directory"]


def test_of_several_texts_the_one_that_cannot_be_read_is_told(followed: Followed) -> None:
    texts = followed.path.with_suffix(".texts")
    texts.mkdir()
    (texts / "de.yaml").mkdir()
    assert followed.look() == []
    assert followed.errors == [f"{texts / 'de.yaml'}:1: cannot be read: Is a directory"]
    (texts / "de.yaml").rmdir()
    (texts / "pl.yaml").mkdir()
    assert followed.look() == []
    assert followed.errors == [f"{texts / 'pl.yaml'}:1: cannot be read: Is a directory"]


def test_texts_of_a_directory_have_a_bound_together(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamproc.contracts.rules_file.texts.MAX_TEXTS_BYTES", 2 << 20)
    texts = followed.path.with_suffix(".texts")
    texts.mkdir()
    for locale in ("de", "fr", "pl"):
        (texts / f"{locale}.yaml").write_bytes(b"#" * (1 << 20))
    assert followed.look() == []
    assert followed.errors == [f"{texts}:1: cannot be read: the texts have more than 2 MiB"]


async def test_a_file_that_takes_long_does_not_hold_up_the_worker() -> None:
    processor = QuotaProcessor(default_rulebook(), TOPICS, "wall", "off")
    rules, may_end = RulesFile(None), threading.Event()

    def slow() -> Rulebook:
        assert may_end.wait(10), "the loop was held up"
        return default_rulebook()

    rules.refresh = slow  # type: ignore[method-assign]
    looking = asyncio.ensure_future(take_changed_rules(rules, processor))
    await asyncio.sleep(0)
    may_end.set()
    await looking


def test_a_start_with_a_wrong_file_uses_the_last_good_rules_by_choice(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(WRONG, encoding="utf-8")
    with pytest.raises(RulesError, match="must be at"):
        RulesFile(path)
    with pytest.raises(RulesError, match=r"must be at(.|\n)*:1: no good rules are kept yet"):
        RulesFile(path, lambda: None)
    good = KeptRules(Path("other.toml"), Content(TOML.encode(), {}))

    with capture_logs() as logs:
        again = RulesFile(path, lambda: good)

    assert thresholds(again.rulebook) == thresholds(load_rulebook(TOML, "other.toml"))
    assert [one["event"] for one in logs] == [
        "the rules file was refused; the last good rules are used"
    ]
    assert "must be at" in (again.refusal or "")
    assert again.in_force is None, "they are kept already"
    path.write_text(YAML, encoding="utf-8")
    assert [again.refresh() for _ in range(3)].count(None) == 2
    assert thresholds(again.rulebook) == (80, 100)
    assert again.in_force == (path, Content(YAML.encode(), {}), again.rulebook.fingerprint)
    path.unlink()
    assert thresholds(RulesFile(path, lambda: good).rulebook) == thresholds(
        load_rulebook(TOML, "other.toml")
    )
    with pytest.raises(RulesError, match="cannot be read"):
        RulesFile(path)


def test_last_good_rules_are_not_looked_for_if_the_file_is_good(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(YAML, encoding="utf-8")

    def last_good() -> KeptRules:
        raise AssertionError("asked")

    rules = RulesFile(path, last_good)
    assert rules.in_force == (path, Content(YAML.encode(), {}), rules.rulebook.fingerprint)


def test_last_good_rules_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(WRONG, encoding="utf-8")

    def unreadable() -> KeptRules:
        raise TopicError("the broker does not answer")

    with pytest.raises(
        RulesError,
        match=r"must be at(.|\n)*the last good rules cannot be read: the broker does not answer",
    ):
        RulesFile(path, unreadable)
    # A release that knows less cannot read them.
    newer = KeptRules(Path("rules.yaml"), Content(b"version: 9", {}))
    with pytest.raises(RulesError, match="version"):
        RulesFile(path, lambda: newer)
