"""A group that refuses a dispatcher: the error names the option or the broker's setting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kafka.errors import (
    FencedInstanceIdError,
    GroupMaxSizeReachedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
)

from streamproc.dispatch import main
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.topics import DispatchError

SETTINGS = DispatchSettings(
    broker="nowhere:1", group="senders", instance_id="one", session_timeout_seconds=5
)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            FencedInstanceIdError(),
            "another dispatcher has joined the group senders with the same --instance-id one",
        ),
        (GroupMaxSizeReachedError(), "group.max.size"),
        (InconsistentGroupProtocolError(), "another program uses this --group"),
        (InvalidGroupIdError(), "--group senders is no name"),
        (InvalidSessionTimeoutError(), "--session-timeout-seconds 5"),
    ],
)
def test_the_error_says_what_to_do(
    error: KafkaError, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(main, "prepare_topics", lambda _: {"streamproc.reminders": 1})
    monkeypatch.setattr(main, "watch_of", lambda *_: None)
    monkeypatch.setattr(asyncio, "run", refuse)
    monkeypatch.setattr(main, "_until_signal", lambda *_: None)

    with pytest.raises(DispatchError) as caught:
        main.run_dispatcher(SETTINGS, None)

    assert says in str(caught.value)
    assert "start it again" not in str(caught.value)
