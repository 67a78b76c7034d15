"""Which topic settings are doubted, and which refused."""

from __future__ import annotations

import pytest

from streamproc.worker.safety import doubts, policy_problem, senders_clocks

SAFE = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}


def test_three_replicas_of_which_two_are_in_sync_are_not_doubted() -> None:
    assert doubts("t", 3, SAFE) == []


@pytest.mark.parametrize(
    ("replicas", "change", "word"),
    [
        (1, {}, "one replica"),
        (3, {"min.insync.replicas": "1"}, "min.insync.replicas"),
        (3, {"unclean.leader.election.enable": "true"}, "unclean"),
    ],
)
def test_what_a_lost_broker_takes_along_is_told(
    replicas: int, change: dict[str, str], word: str
) -> None:
    (doubt,) = doubts("t", replicas, SAFE | change)
    assert word in doubt


def test_a_changelog_must_be_compacted_and_nothing_else() -> None:
    assert policy_problem("log", "compact") is None
    for policy in ("delete", "compact,delete"):
        problem = policy_problem("log", policy)
        assert problem is not None
        assert f"cleanup.policy={policy}" in problem


def test_input_that_keeps_its_senders_time_is_told() -> None:
    kept = {name: {"message.timestamp.type": name} for name in ("CreateTime", "LogAppendTime")}
    assert senders_clocks(["CreateTime", "LogAppendTime", "hidden"], kept) == ["CreateTime"]
