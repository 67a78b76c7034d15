"""A dispatcher whose login is refused while it runs says so, with the setting."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from kafka.errors import KafkaError, SaslAuthenticationFailedError

from streamproc.dispatch import main
from streamproc.dispatch.main import run_dispatcher
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.topics import DispatchError

REFUSAL = "b:1 refuses the login of user u (PLAIN): no; correct --kafka-sasl-username"


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (REFUSAL, REFUSAL),
        # The password was wrong for a moment only.
        (None, "Kafka at b:1: [Error 58] SaslAuthenticationFailedError: no; start it again"),
    ],
)
def test_a_refusal_while_it_runs_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, refusal: str | None, said: str
) -> None:
    def run(work: Any) -> None:
        work.close()
        raise error

    error: KafkaError = SaslAuthenticationFailedError("no")
    monkeypatch.setattr("asyncio.run", run)
    monkeypatch.setattr(main, "refusal_of", lambda _: refusal)
    monkeypatch.setattr(main, "watched", lambda _: nullcontext())
    monkeypatch.setattr(main, "prepare_topics", lambda _: {"streamproc.reminders": 1})
    monkeypatch.setattr(main, "watch_of", lambda *_: None)
    with pytest.raises(DispatchError) as caught:
        run_dispatcher(DispatchSettings("b:1"), None)
    assert str(caught.value) == said
