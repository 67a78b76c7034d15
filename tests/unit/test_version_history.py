"""Which published version of the rules is in force, and how new ones are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from streamproc.contracts.records.rule_versions import (
    RulesPublished,
    decode_rules,
    encode_rules,
    number_in,
)
from streamproc.contracts.records.version_history import UnreadableVersionError, VersionHistory
from streamproc.contracts.rules_file.texts import Content
from streamproc.core.instants import from_ms
from streamproc.kafka.logins import PasswordLogin
from streamproc.kafka.secret import Secret
from streamproc.kafka.settings import KafkaSettings
from streamproc.tools.publishing.versions import (
    Draft,
    PublishingError,
    approved,
    author_of,
    new_version,
    reverted,
)

NOW_MS = 1_770_000_000_000
HOUR_MS = 3_600_000


def history(**options: Any) -> VersionHistory:
    return VersionHistory("app", **options)


def draft(rules: str = "version: 1\n", **more: Any) -> Draft:
    content = Content(rules.encode(), {"/etc/rules.texts/pl.yaml": b"low: x\n"})
    return Draft(Path("/etc/rules.yaml"), content, 7, **more)


def published(found: VersionHistory, *more: Any, at_ms: int = NOW_MS, **fields: Any) -> int:
    """Publish a version; returns its number."""
    version = new_version(found, draft(*more, **fields), "alice", at_ms)
    taken(found, version)
    assert version.number is not UNSET
    return version.number


def taken(found: VersionHistory, version: RulesPublished) -> None:
    assert found.take(version.key, encode_rules(version))


def in_force(found: VersionHistory, now_ms: int = NOW_MS) -> int | None:
    version = found.in_force(now_ms)
    return None if version is None else int(version.number or 0)


def test_the_highest_number_that_has_started_is_in_force() -> None:
    found = history()
    assert in_force(found) is None
    assert [published(found), published(found, "version: 1 #\n")] == [1, 2]
    assert in_force(found) == 2
    published(found, "version: 1 ##\n", valid_from_ms=NOW_MS + HOUR_MS)
    assert in_force(found) == 2
    assert in_force(found, NOW_MS + HOUR_MS) == 3
    published(found, "version: 1 ###\n", at_ms=NOW_MS + 1)
    assert in_force(found, NOW_MS + HOUR_MS) == 4
    states = [found.state_of(one, NOW_MS + HOUR_MS) for one in found.newest_first]
    assert states == ["in force", "replaced before its start", "replaced", "replaced"]


def test_the_order_of_the_records_makes_no_difference() -> None:
    first, other = history(), history()
    for rules in ("version: 1\n", "version: 1 #\n"):
        published(first, rules)
    for version in first.newest_first:
        taken(other, version)
    assert in_force(other) == in_force(first) == 2


def test_a_version_that_waits_for_approval_is_not_in_force() -> None:
    found = history(needs_approval=True)
    published(found)
    assert in_force(found) is None
    with pytest.raises(PublishingError, match="somebody else must approve it"):
        approved(found, 1, "alice", NOW_MS)
    taken(found, approved(found, 1, "bob", NOW_MS))
    assert in_force(found) == 1
    with pytest.raises(PublishingError, match="needs no approval"):
        approved(found, 1, "carol", NOW_MS)


def test_a_worker_that_asks_for_approval_ignores_what_a_lax_publisher_writes() -> None:
    lax, strict = history(), history(needs_approval=True)
    published(lax)
    taken(strict, lax.versions[1])
    assert (in_force(lax), in_force(strict)) == (1, None)


def test_a_version_that_was_overtaken_cannot_be_approved() -> None:
    found = history(needs_approval=True)
    published(found)
    published(found, "version: 1 #\n")
    with pytest.raises(PublishingError, match="version 2 was published after"):
        approved(found, 1, "bob", NOW_MS)


def test_a_revert_brings_back_what_was_in_force_before() -> None:
    found = history()
    for rules in ("version: 1\n", "version: 1 #\n", "version: 1 #\n"):
        published(found, rules)
    back = reverted(found, None, "bob", "", NOW_MS + 1)
    assert (back.number, back.id, back.note) == (4, found.versions[1].id, "back to version 1")
    taken(found, back)
    again = reverted(found, None, "bob", "wrong", NOW_MS + 2)
    assert (again.number, again.id, again.note) == (5, found.versions[2].id, "wrong")
    with pytest.raises(PublishingError, match="has the same rules already"):
        reverted(found, 1, "bob", "", NOW_MS)
    with pytest.raises(PublishingError, match="version 9 of the rules of app is not there"):
        reverted(found, 9, "bob", "", NOW_MS)


def test_what_was_approved_once_is_reverted_to_without_another_approval() -> None:
    found = history(needs_approval=True)
    for number, rules in enumerate(("version: 1\n", "version: 1 #\n"), 1):
        published(found, rules)
        taken(found, approved(found, number, "bob", NOW_MS + number))
    taken(found, reverted(found, None, "alice", "", NOW_MS + 9))
    assert in_force(found, NOW_MS + 9) == 3
    published(found, "version: 1 ##\n")
    with pytest.raises(PublishingError, match="version 4 was never approved"):
        reverted(found, 4, "alice", "", NOW_MS + 10)


def test_nothing_is_reverted_if_nothing_was_before() -> None:
    found = history()
    with pytest.raises(PublishingError, match="no version is in force"):
        reverted(found, None, "bob", "", NOW_MS)
    published(found)
    with pytest.raises(PublishingError, match="no other rules were in force before version 1"):
        reverted(found, None, "bob", "", NOW_MS)


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b'{"type":"rules.published"}'])
def test_a_version_of_a_newer_release_is_never_passed_over(value: bytes) -> None:
    found = history()
    published(found)
    assert found.take(b"app #2", value)
    with pytest.raises(
        UnreadableVersionError, match="version 2 of the rules of app cannot be read"
    ):
        found.in_force(NOW_MS)
    published(found, "version: 1 #\n")
    assert in_force(found) == 3  # a later one takes its place


def test_the_number_in_the_record_is_that_of_its_key() -> None:
    found = history()
    published(found)
    found.take(b"app #2", encode_rules(found.versions[1]))
    assert found.unreadable == [2]


@pytest.mark.parametrize(
    "key", [None, b"", b"app", b"app #", b"app #x", b"app #-1", b"app #1 ", b"other #1", b"app 1"]
)
def test_other_keys_are_no_versions(key: bytes | None) -> None:
    assert number_in(key, "app") is None
    assert not history().take(key, b"{}")


def test_a_removed_version_is_gone_for_those_who_begin_later() -> None:
    found = history()
    assert not found.take(b"app #1", None)
    assert found.next_number == 1


def test_a_start_instant_must_be_to_come() -> None:
    with pytest.raises(PublishingError, match="is past"):
        published(history(), valid_from_ms=NOW_MS)


def test_what_is_published_is_read_again_as_it_was() -> None:
    found = history(needs_approval=True)
    published(found, note="why", valid_from_ms=NOW_MS + HOUR_MS)
    version = approved(found, 1, "bob", NOW_MS)
    assert decode_rules(encode_rules(version)) == version
    assert (version.author, version.approver, version.note) == ("alice", "bob", "why")
    assert version.valid_from == from_ms(NOW_MS + HOUR_MS)
    assert version.content().texts == {"rules.texts/pl.yaml": b"low: x\n"}
    assert replace(version, number=UNSET).key == f"app {version.id}".encode()


def test_the_author_is_the_login() -> None:
    login = PasswordLogin("PLAIN", "alice", Secret("x"))
    assert author_of(KafkaSettings("nowhere:9092", login=login)) == "alice"
    assert author_of("nowhere:9092")
