"""The keys that sign webhooks, as Standard Webhooks writes them (``whsec_`` and base64)."""

from __future__ import annotations

import base64

from standardwebhooks import Webhook
from yarl import URL

from streamproc.core.instants import from_ms
from streamproc.kafka.secret import masked_urls

STANDARD = "whsec_"
RAW = "raw:"
_MEND = (
    f"write {STANDARD} before a base64 key, as the libraries of Standard Webhooks take it, or "
    f"{RAW} before a text whose characters are the key, as earlier versions took every secret"
)


def keys_of(text: str) -> tuple[bytes, ...]:
    """The keys of a secret. While a key is being replaced there are several, on lines or with
    spaces.

    A text without a prefix is refused. Earlier versions used its characters as the key, but the
    libraries of Standard Webhooks read it as base64. Most words are valid base64, so a wrong guess
    could make every receiver refuse every reminder. Raises ValueError, which says what to do and
    never shows the secret.
    """
    keys: dict[bytes, None] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        # The text after the raw prefix can contain spaces.
        for word in [line] if line.startswith(RAW) else line.split():
            keys[_key(word)] = None
    if not keys:
        raise ValueError(f"is empty; {_MEND}")
    return tuple(keys)


def problem_of(url: str) -> str:
    """Why nothing could be posted to a URL; empty if it is right."""
    try:
        host = URL(url).raw_host
        # The system's resolver encodes names with this codec, which refuses more than ``yarl``.
        return "" if host and host.encode("idna") else f"{masked_urls(url)!r} names no host"
    except ValueError as error:
        return f"{masked_urls(url)!r} is not a URL: {masked_urls(str(error))}"


def signatures(keys: tuple[bytes, ...], message_id: str, at_ms: int, body: bytes) -> str:
    """The value of ``webhook-signature``: one signature for each key. The receiver needs one that
    fits."""
    at, data = from_ms(at_ms), body.decode()
    return " ".join(Webhook(key).sign(message_id, at, data) for key in keys)


def signed_headers(
    keys: tuple[bytes, ...], message_id: str, now_ms: int, body: bytes
) -> dict[str, str]:
    """The headers of a JSON body that is posted now."""
    second = now_ms // 1000
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(second),
        "webhook-signature": signatures(keys, message_id, second * 1000, body),
    }


def _key(word: str) -> bytes:
    if word.startswith(RAW):
        key = word.removeprefix(RAW).encode()
    elif word.startswith(STANDARD):
        key = _from_base64(word.removeprefix(STANDARD))
    else:
        raise ValueError(f"has no prefix; {_MEND}")
    if not key:
        raise ValueError("has a prefix and no key behind it")
    return key


def _from_base64(text: str) -> bytes:
    # Libraries treat other characters differently: some ignore them silently.
    if "," in text:
        raise ValueError(
            f"has a comma after {STANDARD}; write several secrets with a space between"
        )
    if set(text) & set("-_"):
        raise ValueError(
            f"is not base64 after {STANDARD}: it has - or _ of the form for URLs; write + for each "
            "- and / for each _, here and at the receiver"
        )
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError(
            f"is not base64 after {STANDARD}; if the receiver uses its characters as the key, "
            f"write {RAW} before the whole text"
        ) from None
