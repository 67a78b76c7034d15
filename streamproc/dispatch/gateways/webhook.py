"""Posts each reminder to a URL, signed as in Standard Webhooks (standardwebhooks.com).

``webhook-id`` is the message's id and does not change when the message is sent again. The
receiver accepts each id once, so sending again is safe. ``webhook-signature`` has one
signature for each key. ``traceparent`` and ``tracestate`` are those of the reminder, if any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta
from yarl import URL

from streamproc.contracts.records.codec import encode_effect
from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.contracts.webhook_keys import keys_of, problem_of, signed_headers
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import (
    ChannelEntry,
    GatewayKind,
    GatewaysError,
    Seconds,
    SecretEntry,
    Site,
)
from streamproc.dispatch.gateways.retry_after import retry_after_ms
from streamproc.dispatch.model import Accepted, ErrorClass, Outcome, Outgoing, Refused, Unknown

if TYPE_CHECKING:  # it takes long to import, and few dispatchers have a webhook
    import aiohttp


@dataclass(frozen=True)
class WebhookSettings:
    """The URL, and the keys that sign."""

    url: str = field(repr=False)
    """It may contain a user and password."""
    keys: tuple[bytes, ...] = field(repr=False)
    timeout_seconds: float = 10.0


class WebhookGateway:
    """One POST per message; the connection is kept open."""

    idempotent = True
    reports = False

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._client: aiohttp.ClientSession | None = None
        self._events: Events | None = None

    async def start(self, events: Events) -> None:
        import aiohttp

        self._events = events
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds)
        # No cookies, no redirects: a reminder must not go to any other place than the
        # configured one.
        self._client = aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def send(self, message: Outgoing) -> Outcome:
        import aiohttp

        assert self._client is not None
        assert self._events is not None
        body = encode_effect(message.reminder)
        headers = signed_headers(self._settings.keys, message.id, self._events.now_ms(), body)
        for name, content in message.trace:
            headers[name] = content.decode("ascii")  # no other bytes are in a trace
        try:
            # A redirect would send the message to an address that the gateways file does not name.
            async with self._client.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                # The body is neither read nor unpacked, so it may have any length.
                wait_ms = retry_after_ms(
                    response.headers.get("retry-after", ""), self._events.now_ms()
                )
                return _outcome(response.status, wait_ms)
        except aiohttp.ClientConnectorError as error:
            # There was no connection, so nothing was sent.
            return Refused(ErrorClass.UNREACHABLE, type(error).__name__)
        except (aiohttp.ClientError, TimeoutError) as error:
            # The request may have arrived.
            return Unknown(type(error).__name__)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def _outcome(status: int, wait_ms: int) -> Outcome:
    code = f"http_{status}"
    if 200 <= status < 300:
        return Accepted()
    if status == 429:
        return Refused(ErrorClass.THROTTLED, code, retry_after_ms=wait_ms)
    if status in (408, 409, 425) or status >= 500:
        return Refused(ErrorClass.TRANSIENT, code, retry_after_ms=wait_ms)
    return Refused(ErrorClass.PERMANENT, code)


Url = Annotated[str, Meta(pattern=r"^https?://[^\s/]+", description="an http:// or https:// URL")]


class WebhookEntry(ChannelEntry, frozen=True, kw_only=True, tag="webhook"):
    """Entry of a gateway that posts to a URL."""

    url: Url
    secret_env: str | None = None
    secret_file: str | None = None
    timeout_seconds: Seconds = 10.0


class Webhook(GatewayKind):
    entry = WebhookEntry
    secret = SecretEntry("secret")

    def problems(self, written: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        yield from self.secret.problems(written)
        url = written.get("url")
        if isinstance(url, str) and (problem := problem_of(url)):
            yield ("url",), problem

    def plain_text_host(self, entry: WebhookEntry) -> str | None:
        url = URL(entry.url)
        return url.raw_host if url.scheme == "http" else None

    def gateway(self, entry: WebhookEntry, site: Site) -> WebhookGateway:
        text = self.secret.of(entry, site)
        try:
            keys = keys_of(text)
        except ValueError as error:
            problem = f"gateway {entry.name}: {self.secret.place(entry)} {error}"
            raise GatewaysError(problem) from None
        return WebhookGateway(WebhookSettings(entry.url, keys, entry.timeout_seconds))


KIND = Webhook()
