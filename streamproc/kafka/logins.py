"""The ways to log in to Kafka (SASL). Add a new way here: docs/recipes/login-method.md."""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.secret import Password, Secret

if TYPE_CHECKING:  # most logins have no tokens, and these import an HTTP client
    from streamproc.kafka.tokens import TokenSource

Values = Mapping[str, Any]
"""The values that the user set, by the names of ``fields.py``."""


class Login(ABC):
    """How a client logs in."""

    mechanism: str
    """SASL's name of the login, as brokers know it."""
    mends: str
    """The settings to look at if the broker refuses the login."""
    tokens: TokenSource | None = None
    """For OAUTHBEARER. Each library has its own form in which it asks for a token."""

    @abstractmethod
    def who(self) -> str:
        """The user who logs in, for messages."""

    def options(self) -> dict[str, Any]:
        """The options of kafka-python and aiokafka, which have the same names. ``tokens`` come
        later."""
        return {}


@dataclass(frozen=True)
class PasswordLogin(Login):
    """PLAIN and SCRAM."""

    mechanism: str
    username: str
    password: Secret
    mends = "--kafka-sasl-username or --kafka-sasl-password-file"

    def who(self) -> str:
        """The user."""
        return f"user {self.username}"

    def options(self) -> dict[str, Any]:
        """The password is read again at each login (:class:`Password`)."""
        return {"sasl_plain_username": self.username, "sasl_plain_password": self._password}

    @cached_property
    def _password(self) -> Password:
        """One for all clients, so that the log says once that it changed."""
        return Password(self.password)


@dataclass(frozen=True)
class TokenLogin(Login):
    """OAUTHBEARER, with any source of tokens."""

    tokens: TokenSource
    mechanism: str = "OAUTHBEARER"

    @property
    def mends(self) -> str:  # type: ignore[override]  # it depends on the source
        """The settings of the source of tokens."""
        return self.tokens.mends

    def who(self) -> str:
        """The user's name is inside the token, which is not read here."""
        return "the token"


@dataclass(frozen=True)
class KerberosLogin(Login):
    """GSSAPI. Kerberos itself finds the ticket or keytab (KRB5_CLIENT_KTNAME, kinit)."""

    service: str
    mechanism: str = field(default="GSSAPI", init=False)
    mends = "--kafka-kerberos-service, the keytab (KRB5_CLIENT_KTNAME) or the ticket (kinit)"

    def who(self) -> str:
        """The ticket's owner. Only Kerberos knows the name."""
        return "the Kerberos ticket"

    def options(self) -> dict[str, Any]:
        """The first part of the brokers' principals."""
        return {"sasl_kerberos_service_name": self.service}


def password_login(mechanism: str) -> Callable[[Values], Login]:
    """A login by user and password."""

    def build(values: Values) -> Login:
        username = _needed(values, mechanism, "sasl-username", "--kafka-sasl-username")
        password = _needed(values, mechanism, "sasl-password", "--kafka-sasl-password-file")
        return PasswordLogin(mechanism, username, password)

    return build


def token_login(values: Values) -> Login:
    """A token from a file, or from an authorisation server."""
    from streamproc.kafka.tokens import ClientCredentials, FileTokens, OAuthClient

    path: Path | None = values.get("oauth-token-file")
    url: str | None = values.get("oauth-token-url")
    if (path is None) == (url is None):
        raise KafkaSettingsError(
            "--kafka-sasl-mechanism OAUTHBEARER needs either --kafka-oauth-token-url or "
            "--kafka-oauth-token-file"
        )
    if path is not None:
        return TokenLogin(FileTokens(path))
    assert url is not None
    _check_token_url(url)
    client = OAuthClient(
        url,
        _needed(values, "OAUTHBEARER", "oauth-client-id", "--kafka-oauth-client-id"),
        _needed(values, "OAUTHBEARER", "oauth-client-secret", "--kafka-oauth-client-secret-file"),
        values.get("oauth-scope") or "",
        values.get("oauth-ca"),
    )
    return TokenLogin(ClientCredentials(client))


def _check_token_url(url: str) -> None:
    """Refuse what is not a web address, and secrets inside it: messages show it."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise KafkaSettingsError("--kafka-oauth-token-url must be an https:// or http:// URL")
    if "@" in parts.netloc:
        raise KafkaSettingsError(
            "--kafka-oauth-token-url must not contain a user or password; give them with "
            "--kafka-oauth-client-id and --kafka-oauth-client-secret-file"
        )


def kerberos_login(values: Values) -> Login:
    """A Kerberos ticket."""
    if importlib.util.find_spec("gssapi") is None:
        raise KafkaSettingsError(
            "--kafka-sasl-mechanism GSSAPI needs an extra: pip install 'streamproc[kerberos]'"
        )
    return KerberosLogin(values.get("kerberos-service") or "kafka")


def msk_login(values: Values) -> Login:
    """Amazon MSK by IAM. Brokers get a token, which is signed here."""
    region = values.get("aws-region") or os.environ.get("AWS_REGION")
    if not region:
        raise KafkaSettingsError(
            "--kafka-sasl-mechanism AWS_MSK_IAM needs --kafka-aws-region (or AWS_REGION)"
        )
    from streamproc.kafka.tokens import MskTokens

    return TokenLogin(MskTokens(region))


LOGINS: dict[str, Callable[[Values], Login]] = {
    "PLAIN": password_login("PLAIN"),
    "SCRAM-SHA-256": password_login("SCRAM-SHA-256"),
    "SCRAM-SHA-512": password_login("SCRAM-SHA-512"),
    "OAUTHBEARER": token_login,
    "GSSAPI": kerberos_login,
    "AWS_MSK_IAM": msk_login,
}
"""The logins by the name that ``--kafka-sasl-mechanism`` takes. Each raises
:class:`KafkaSettingsError`."""


def _needed(values: Values, mechanism: str, name: str, option: str) -> Any:
    found = values.get(name)
    if not found:
        raise KafkaSettingsError(f"--kafka-sasl-mechanism {mechanism} needs {option}")
    return found
