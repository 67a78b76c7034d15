"""Tokens for SASL OAUTHBEARER: from a file, from an authorisation server, from Amazon."""

from __future__ import annotations

import base64
import http.client
import json
import math
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any

from streamproc.http_limits import TimeLimit
from streamproc.kafka.errors import KafkaSettingsError, TokenError
from streamproc.kafka.secret import Secret, read_private, refuse_special
from streamproc.printable import printable

REFRESH_AT = 0.8
"""A token is replaced after this part of its life."""
DEFAULT_LIFE_SECONDS = 300.0
"""The life of a token if the server does not say how long it is good."""
REQUEST_SECONDS = 10.0
MAX_ANSWER_BYTES = 1 << 20
MAX_SHOWN = 200
"""Characters of a server's text that a message shows."""
MAX_LIFE_SECONDS = 86_400.0
"""A token is asked for again after a day, whatever its server says about its life."""

_TOKEN = re.compile(r"[\x20-\x7e]+")
"""What a token may be made of: nothing that could end a field of the login."""


class TokenSource(ABC):
    """Gives a token that is good now. Any number of threads may use it."""

    mends = ""
    """The settings to look at if the broker refuses the token."""

    @abstractmethod
    def token(self) -> str:
        """A token. Raises :class:`TokenError`. May block for ``REQUEST_SECONDS``."""


@dataclass(frozen=True)
class FileTokens(TokenSource):
    """A file that another program keeps up to date, such as the token of a Kubernetes service
    account."""

    path: Path
    mends = "--kafka-oauth-token-file"

    def token(self) -> str:
        """The present content of the file."""
        try:
            refuse_special(self.path)
            found = read_private(self.path).strip()
        except KafkaSettingsError as error:
            raise TokenError(str(error)) from error
        if not found:
            raise TokenError(f"{self.path} (--kafka-oauth-token-file) is empty")
        if not _TOKEN.fullmatch(found):
            raise TokenError(f"{self.path} (--kafka-oauth-token-file) does not hold one token")
        return found


class RenewedTokens(TokenSource):
    """Keeps a token, and gets a new one before the old one ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = self._ends_at = 0.0

    def token(self) -> str:
        """The kept token, or a new one if the kept one is old."""
        with self._lock:
            now = monotonic()
            if now >= self._renew_at:
                try:
                    self._token, life_seconds = self.fetch()
                    self._renew_at = now + life_seconds * REFRESH_AT
                    self._ends_at = now + life_seconds
                except TokenError:
                    # If there is no new token, the old one serves until it ends.
                    if now >= self._ends_at:
                        raise
            return self._token

    @abstractmethod
    def fetch(self) -> tuple[str, float]:
        """A new token, and the number of seconds for which it is good. Raises
        :class:`TokenError`."""


@dataclass(frozen=True)
class OAuthClient:
    """The client that asks an authorisation server, and the server's address (OAuth 2.0 client
    credentials)."""

    url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    ca: Path | None = None
    """Authorities of the server's certificate. With None, those of the operating system are
    trusted."""


class ClientCredentials(RenewedTokens):
    """Tokens for a client of an authorisation server."""

    mends = "--kafka-oauth-client-id and --kafka-oauth-scope"

    def __init__(self, client: OAuthClient) -> None:
        super().__init__()
        self._client = client

    def __repr__(self) -> str:
        return f"ClientCredentials({self._client!r})"

    def fetch(self) -> tuple[str, float]:
        """Ask the server."""
        client = self._client
        form, limit = {"grant_type": "client_credentials"}, TimeLimit(REQUEST_SECONDS)
        if client.scope:
            form["scope"] = client.scope
        try:
            # RFC 6749, section 2.3.1: both parts are form-encoded first.
            pair = f"{_encoded(client.client_id)}:{_encoded(client.client_secret.reveal())}"
            request = urllib.request.Request(
                client.url,
                urllib.parse.urlencode(form).encode(),
                {
                    "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                    "Accept": "application/json",
                },
            )
            if client.ca is not None:
                refuse_special(client.ca)
            with limit, limit.opener(client.ca).open(request, timeout=REQUEST_SECONDS) as got:
                return _token_in(json.loads(got.read(MAX_ANSWER_BYTES)))
        except urllib.error.HTTPError as error:
            raise TokenError(
                f"{client.url} (--kafka-oauth-token-url) gives no token to the client "
                f"{client.client_id}: {error.code} {_reason(error)}; correct "
                f"--kafka-oauth-client-id or --kafka-oauth-client-secret-file"
            ) from error
        except KafkaSettingsError as error:
            raise TokenError(str(error)) from error
        except (
            *(OSError, http.client.HTTPException),
            *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
        ) as error:
            why = f"no answer within {REQUEST_SECONDS:g} s" if limit.is_over else str(error)
            raise TokenError(
                f"no token from {client.url} (--kafka-oauth-token-url): {_shown(why)}"
            ) from error


class MskTokens(RenewedTokens):
    """Tokens that Amazon MSK takes from an IAM identity. The AWS SDK finds the identity."""

    mends = "--kafka-aws-region and the rights of the IAM identity"

    def __init__(self, region: str) -> None:
        super().__init__()
        self._region = region
        try:
            from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
        except ImportError as error:
            raise KafkaSettingsError(
                "--kafka-sasl-mechanism AWS_MSK_IAM needs an extra: pip install 'streamproc[msk]'"
            ) from error
        self._provider = MSKAuthTokenProvider

    def fetch(self) -> tuple[str, float]:
        """Sign a token. Nothing is sent."""
        try:
            token, expires_ms = self._provider.generate_auth_token(self._region)
        except AttributeError as error:  # so the signer says that the SDK finds no identity
            raise TokenError(
                "no AWS identity to sign a Kafka token with: set AWS_ACCESS_KEY_ID or AWS_PROFILE, "
                "or give this machine a role"
            ) from error
        except Exception as error:  # the SDK has many errors for an identity that does not work
            raise TokenError(
                f"no AWS identity to sign a Kafka token with: {_shown(str(error))}"
            ) from error
        return token, expires_ms / 1000 - time()


def _token_in(answer: Any) -> tuple[str, float]:
    """The token of an answer, and the number of seconds for which it is good."""
    token, life = answer["access_token"], answer.get("expires_in", DEFAULT_LIFE_SECONDS)
    if not isinstance(token, str):
        raise TypeError("access_token is not a text")
    if not _TOKEN.fullmatch(token):
        raise ValueError("access_token has characters that no token has")
    seconds = float(life)
    if math.isnan(seconds):
        raise ValueError("expires_in is not a number")
    return token, min(max(seconds, 0.0), MAX_LIFE_SECONDS)


def _encoded(value: str) -> str:
    return urllib.parse.quote_plus(value)


def _reason(error: urllib.error.HTTPError) -> str:
    """The server's reason for a refusal (RFC 6749, section 5.2)."""
    try:
        answer = json.loads(error.read(MAX_ANSWER_BYTES))
        return _shown(str(answer.get("error_description") or answer["error"]))
    except (
        *(OSError, http.client.HTTPException),
        *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
    ):
        return _shown(str(error.reason))


def _shown(text: str) -> str:
    """Text of a server on one line, without characters that steer a terminal."""
    return printable(" ".join(text[:MAX_SHOWN].split()))
