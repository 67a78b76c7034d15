"""Posts each change of an alarm to a URL, signed as in Standard Webhooks.

In order, each until the receiver has taken it. ``webhook-id`` is the id of the change, so a
receiver that gets one twice, from a worker that was killed, recognises it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import structlog
from yarl import URL

from streamproc.alarms.decider import PlacedChange
from streamproc.contracts.records.alarms import encode_alarm
from streamproc.contracts.webhook_keys import keys_of, problem_of, signed_headers
from streamproc.errors import StreamprocError
from streamproc.kafka.secret import Secret, masked_urls
from streamproc.supervision import tell

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS: Final = 10.0
PAUSES_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Between attempts; the last one again and again."""
MOST_WAITING: Final = 10_000
"""Changes for a receiver that takes none. The topic has them all."""
PASSING: Final = frozenset((408, 409, 425, 429))
"""Refusals that pass by themselves, beside those of a server (5xx)."""


@dataclass(frozen=True)
class AlarmWebhookSettings:
    """The URL, and the keys that sign."""

    url: str
    keys: tuple[bytes, ...] = field(repr=False)


class AlarmWebhookError(StreamprocError):
    """The webhook cannot be used as it is configured."""


def webhook_of(url: str | None, key: Secret | None) -> AlarmWebhook | None:
    """The webhook of these settings; None if there is none. Raises :class:`AlarmWebhookError`."""
    if url is None and key is None:
        return None
    if url is None or key is None:
        raise AlarmWebhookError(
            "--alarm-webhook and --alarm-webhook-key-file belong together: what is posted is signed"
        )
    problem = problem_of(url) or _unwanted(URL(url))
    if problem:
        raise AlarmWebhookError(f"--alarm-webhook: {problem}")
    try:
        return AlarmWebhook(AlarmWebhookSettings(url, keys_of(key.reveal())))
    except ValueError as error:
        raise AlarmWebhookError(f"the key of --alarm-webhook-key-file {error}") from None


def _unwanted(url: URL) -> str:
    if url.scheme not in ("https", "http"):
        return "must be an https:// or http:// URL"
    if url.raw_user is not None or url.raw_password is not None:
        # All users of a machine see the options of its processes.
        return "must have no user and no password; the receiver checks the signature"
    return ""


class AlarmWebhook:
    """What is still to be posted."""

    def __init__(self, settings: AlarmWebhookSettings) -> None:
        self._settings = settings
        self._waiting: deque[PlacedChange] = deque()
        self._next_offset: int | None = None
        self._there = asyncio.Event()
        self._is_failing = False

    @property
    def told_offset(self) -> int | None:
        """The first change that was not posted yet; None if this worker does not decide."""
        return self._waiting[0].offset if self._waiting else self._next_offset

    def begin(self, known: Iterable[PlacedChange], told_offset: int | None) -> None:
        """This worker decides from now on: post what the former one has not posted."""
        self.end()
        self._next_offset = 0
        for one in known:
            self._next_offset = one.offset + 1
            if told_offset is not None and one.offset >= told_offset:
                self.add([one])

    def add(self, changes: Iterable[PlacedChange]) -> None:
        """Post these, too."""
        for one in changes:
            self._waiting.append(one)
            self._next_offset = one.offset + 1
            if len(self._waiting) > MOST_WAITING:
                lost = self._waiting.popleft()
                log.error(
                    "too many alarms wait for the webhook; the oldest is left out",
                    alarm=lost.record.alarm,
                )
        if self._waiting:
            self._there.set()

    def end(self) -> None:
        """Another worker decides now, and posts what is left."""
        self._waiting.clear()
        self._next_offset = None
        self._there.clear()

    async def run(self) -> None:
        """Post until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as client:
            failures = 0
            while True:
                await self._there.wait()
                if not self._waiting:
                    self._there.clear()
                    continue
                first = self._waiting[0]
                try:
                    is_taken = await self._post(client, first)
                except Exception as error:
                    # The task must not end: nothing would be posted any more.
                    tell("webhook of alarms", error)
                    is_taken = False
                if is_taken:
                    failures = 0
                    if self._waiting and self._waiting[0] is first:
                        self._waiting.popleft()
                    continue
                await asyncio.sleep(PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)])
                failures += 1

    async def _post(self, client: aiohttp.ClientSession, one: PlacedChange) -> bool:
        """Whether the receiver has taken it, or will never."""
        body = encode_alarm(one.record)
        now_ms = int(time.time() * 1000)
        headers = signed_headers(self._settings.keys, one.record.id, now_ms, body)
        try:
            # A redirect would send it to an address that nobody has configured.
            async with client.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            self._tell(masked_urls(repr(error)))
            return False
        if 200 <= status < 300:
            self._is_failing = False
            return True
        self._tell(f"http_{status}")
        if status in PASSING or status >= 500:
            return False
        log.error("the webhook refuses an alarm; it is left out", alarm=one.record.alarm)
        return True

    def _tell(self, why: str) -> None:
        """Log the first failure of several."""
        if not self._is_failing:
            log.error("the webhook does not take alarms; they are sent again", why=why)
        self._is_failing = True
