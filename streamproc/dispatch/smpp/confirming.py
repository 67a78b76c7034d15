"""Reports which answers to SMS have certainly arrived: the same SMS is a new one from then on.

An ``enquire_link`` that is written after an answer, and that is answered, proves it. One proves it
for all answers before it, so a flood of SMS does not become a flood of questions. If the session
ends without that proof, the answers may be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from streamproc.dispatch.model import IncomingSms
from streamproc.dispatch.smpp.session import Session
from streamproc.supervision import start_task

UNCONFIRMED_LIMIT: Final = 1_000
"""Answered SMS that wait for a proof. Of more than these nothing is reported, as if the dispatcher
had died."""
ENDING_SECONDS: Final = 5.0
"""How long an ended session may still report which answers may be lost."""

Report = Callable[[IncomingSms], Awaitable[None]]


class Confirming:
    """The answers of one session."""

    def __init__(self, session: Session, answered: Report, doubted: Report) -> None:
        self._session = session
        self._answered = answered
        self._doubted = doubted
        self._waiting: list[IncomingSms] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, sms: IncomingSms) -> None:
        """The answer to an SMS is written when the caller's task waits next."""
        if len(self._waiting) >= UNCONFIRMED_LIMIT:
            return
        self._waiting.append(sms)
        if self._task is None or self._task.done():
            self._task = start_task(self._confirm(), "confirming SMS", lambda _: None)

    async def close(self) -> None:
        """Report what is known when the session ends; it must be ending."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=ENDING_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _confirm(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # so that the answers are written
            asked, self._waiting = self._waiting, []
            has_arrived = False
            while not has_arrived and not self._session.closed.is_set():
                has_arrived = await self._session.is_alive()
            report = self._answered if has_arrived else self._doubted
            for sms in asked:
                with suppress(Exception):  # then this dispatcher counts as one that died
                    await report(sms)
