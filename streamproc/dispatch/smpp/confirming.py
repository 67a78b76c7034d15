"""Reports which answers to SMS have certainly arrived: the same SMS is a new one from then on.

An ``enquire_link`` that is written after an answer, and that is answered, proves it. One proves it
for all answers before it, so a flood of SMS does not become a flood of questions.
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
"""Answered SMS that wait for a proof. Of more than these a repetition within the hour counts as
one."""


class Confirming:
    """The answers of one session."""

    def __init__(
        self, session: Session, answered: Callable[[IncomingSms], Awaitable[None]]
    ) -> None:
        self._session = session
        self._answered = answered
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
        """Stop; what was not proved stays unknown."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _confirm(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # so that the answers are written
            asked, self._waiting = self._waiting, []
            if not await self._session.is_alive():
                continue
            for sms in asked:
                # If it fails, the same SMS within the hour counts as a repetition.
                with suppress(Exception):
                    await self._answered(sms)
