"""Keys and signatures of webhooks, by the published bytes and Python's official library."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from streamproc.contracts.webhook_keys import keys_of, signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_the_example_that_the_standard_s_libraries_publish() -> None:
    """The key, message and signature of the libraries' own tests."""
    signed = signatures(
        keys_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330_000, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_of_two_keys_is_enough_for_a_receiver_and_a_third_is_not() -> None:
    old, new, other = SECRET, "whsec_" + base64.b64encode(b"n" * 32).decode(), "whsec_b3RoZXI="
    second, body = int(time.time()), '{"text":"还剩 20%"}'
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(second),
        "webhook-signature": signatures(keys_of(f"{new} {old}"), "m", second * 1000, body.encode()),
    }
    assert Webhook(old).verify(body, headers) == Webhook(new).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (SECRET, (KEY,)),
        (f"{SECRET}\n", (KEY,)),
        ("whsec_a2V5cw==", (b"keys",)),
        ("whsec_a2V5cw", (b"keys",)),
        (f"whsec_a2V5 {SECRET}", (b"key", KEY)),
        (f"whsec_a2V5\n{SECRET} whsec_a2V5\n", (b"key", KEY)),
        ("raw:key", (b"key",)),
        ("raw:whsec_a2V5", (b"whsec_a2V5",)),
        ("raw:two words\nwhsec_a2V5", (b"two words", b"key")),
    ],
)
def test_keys_of_a_secret(text: str, keys: tuple[bytes, ...]) -> None:
    assert keys_of(text) == keys


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty; write whsec_ before a base64 key.* or raw: before a text"),
        (" \n ", "is empty"),
        ("key", "has no prefix; write whsec_ before a base64 key.* or raw: before a text"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "has no prefix"),
        ("some passphrase", "has no prefix"),
        (f"{SECRET} key", "has no prefix"),
        ("whsec_", "has a prefix and no key"),
        ("raw:", "has a prefix and no key"),
        ("whsec_pass!word", "is not base64 after whsec_; if the receiver uses its characters"),
        ("whsec_a2V5c", "is not base64 after whsec_"),
        ("whsec_ключ", "is not base64 after whsec_; if the receiver uses its characters"),
        ("whsec_a2V5,whsec_a2V5", "has a comma after whsec_; write several secrets with a space"),
        ("whsec_-_-_", r"is not base64 after whsec_: it has - or _ .* write \+ for each -"),
    ],
)
def test_what_is_no_key_says_what_to_do(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}") as refused:
        keys_of(text)
    assert "pass" not in str(refused.value)
