"""Every setting of the connection to Kafka, once. The options, the variables of the environment and
the keys of properties files are made from this table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.logins import LOGINS, Values
from streamproc.kafka.secret import Secret
from streamproc.kafka.settings import KafkaSettings
from streamproc.kafka.tls import TlsSettings
from streamproc.printable import printable

_SHOWN_CHARACTERS = 100
LONGEST_TEXT = 2_000
"""Characters of a setting. Kafka's own bound is 32,767 bytes."""
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True)
class Field:
    """One setting. ``name`` is its option without ``--kafka-``, and the end of its variable's
    name."""

    name: str
    says: str
    kind: Literal["text", "path", "switch", "secret"] = "text"
    properties: tuple[str, ...] = ()
    """Its keys in ``client.properties``; Java's key comes first."""
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """The option. The option of a secret names the file that holds it."""
        return f"--kafka-{self.name}-file" if self.kind == "secret" else f"--kafka-{self.name}"

    @property
    def variable(self) -> str:
        """The variable of the environment that holds the value itself."""
        return "STREAMPROC_KAFKA_" + self.name.upper().replace("-", "_")


FIELDS: tuple[Field, ...] = (
    Field("client-id", "Name of this client in the brokers' logs and quotas.",
          properties=("client.id",)),
    Field("security-protocol", "How to connect. Default: SSL if there is a setting of TLS, "
          "SASL_SSL if there is one of the login, else PLAINTEXT.",
          properties=("security.protocol",), choices=PROTOCOLS),
    Field("tls-ca", "Certificates of the authorities to trust (PEM or PKCS #12). Default: those "
          "of the operating system.", "path", ("ssl.truststore.location", "ssl.ca.location")),
    Field("tls-ca-password", "File with the password of --kafka-tls-ca, if it is PKCS #12.",
          "secret", ("ssl.truststore.password",)),
    Field("tls-cert", "This client's certificate and chain (PEM), or key store (PKCS #12).",
          "path", ("ssl.keystore.location", "ssl.certificate.location")),
    Field("tls-key", "The key of --kafka-tls-cert, if it is not in the same file.",
          "path", ("ssl.key.location",)),
    Field("tls-key-password", "File with the password of the key.",
          "secret", ("ssl.keystore.password", "ssl.key.password")),
    Field("tls-check-hostname", "Whether a broker's certificate must have the name that the "
          "broker is called by. Default: yes.",
          "switch", ("ssl.endpoint.identification.algorithm",)),
    Field("sasl-mechanism", "How to log in.",
          properties=("sasl.mechanism", "sasl.mechanisms"), choices=tuple(LOGINS)),
    Field("sasl-username", "User of PLAIN and SCRAM.", properties=("sasl.username",)),
    Field("sasl-password", "File with the user's password.", "secret", ("sasl.password",)),
    Field("oauth-token-url", "OAUTHBEARER: where the authorisation server gives tokens.",
          properties=("sasl.oauthbearer.token.endpoint.url",)),
    Field("oauth-client-id", "OAUTHBEARER: the client's name there.",
          properties=("sasl.oauthbearer.client.credentials.client.id",
                      "sasl.oauthbearer.client.id")),
    Field("oauth-client-secret", "OAUTHBEARER: file with the client's secret.", "secret",
          ("sasl.oauthbearer.client.credentials.client.secret",
           "sasl.oauthbearer.client.secret")),
    Field("oauth-scope", "OAUTHBEARER: the scope to ask for.",
          properties=("sasl.oauthbearer.scope",)),
    Field("oauth-ca", "OAUTHBEARER: authorities of the authorisation server's certificate (PEM). "
          "Default: those of the operating system.", "path", ("https.ca.location",)),
    Field("oauth-token-file", "OAUTHBEARER: a file that always holds a good token.", "path"),
    Field("kerberos-service", "GSSAPI: first part of the brokers' principals. Default: kafka.",
          properties=("sasl.kerberos.service.name",)),
    Field("aws-region", "AWS_MSK_IAM: region of the cluster. Default: $AWS_REGION."),
)  # fmt: skip
BY_NAME = {field.name: field for field in FIELDS}
_TLS = ("tls-ca", "tls-ca-password", "tls-cert", "tls-key", "tls-key-password")
OF_EVERY_CONNECTION = ("client-id", "security-protocol")
"""Settings that need neither TLS nor a login."""
_LOGIN = tuple(
    one.name
    for one in FIELDS
    if one.name not in (*OF_EVERY_CONNECTION, *_TLS, "tls-check-hostname")
)
"""A setting that is not named above belongs to a login: without one it would have no effect."""


def kafka_settings(bootstrap: str, **values: Any) -> KafkaSettings:
    """Make settings from the fields' names, with ``_`` for ``-``. Secrets are texts or
    :class:`Secret`.

    ``kafka_settings("b:9093", tls_ca=Path("ca.pem"), sasl_mechanism="PLAIN", ...)``. Raises
    :class:`KafkaSettingsError`.
    """
    named: dict[str, Any] = {}
    for key, value in values.items():
        field = BY_NAME.get(key.replace("_", "-"))
        if field is None:
            raise KafkaSettingsError(f"there is no setting {key} of Kafka's clients")
        named[field.name] = Secret(value) if _is_bare(field, value) else value
    return settings_from(bootstrap, named)


def settings_from(bootstrap: str, values: Values) -> KafkaSettings:
    """Check the values, which have the fields' names, and read all files that are needed at the
    start."""
    for field in FIELDS:
        if field.kind == "text" and isinstance(text := values.get(field.name), str):
            _check_text(field, text)
    protocol = _protocol(values)
    encrypts, logs_in = protocol.endswith("SSL"), protocol.startswith("SASL_")
    if not encrypts:
        _refuse(values, _TLS, protocol, "SASL_SSL" if logs_in else "SSL")
    if not logs_in:
        _refuse(values, _LOGIN, protocol, "SASL_SSL" if encrypts else "")
    mechanism = values.get("sasl-mechanism")
    if logs_in and not mechanism:
        raise KafkaSettingsError(
            f"--kafka-security-protocol {protocol} needs --kafka-sasl-mechanism"
        )
    if logs_in and mechanism not in LOGINS:
        raise KafkaSettingsError(
            f"there is no --kafka-sasl-mechanism {mechanism}; choose one of {', '.join(LOGINS)}"
        )
    if values.get("tls-key") and not values.get("tls-cert"):
        raise KafkaSettingsError("--kafka-tls-key needs --kafka-tls-cert")
    checks = values.get("tls-check-hostname")
    tls = TlsSettings(
        ca=values.get("tls-ca"),
        ca_password=values.get("tls-ca-password"),
        cert=values.get("tls-cert"),
        key=values.get("tls-key"),
        key_password=values.get("tls-key-password"),
        check_hostname=checks is None or bool(checks),
    )
    settings = KafkaSettings(
        bootstrap,
        client_id=values.get("client-id"),
        tls=tls if encrypts else None,
        login=LOGINS[mechanism](values) if logs_in and mechanism else None,
        given=dict(values),
    )
    # A file that cannot be read is an error now, not at the first connection.
    settings.client_options()
    return settings


def environment_of(settings: KafkaSettings) -> Iterator[tuple[str, str]]:
    """The variables that give the same settings to another process of streamproc."""
    for name, value in settings.given.items():
        field = BY_NAME[name]
        if isinstance(value, Secret) and value.path is not None:
            yield f"{field.variable}_FILE", str(value.path)
        elif isinstance(value, Secret):
            yield field.variable, value.reveal()
        elif value is not None:
            yield field.variable, str(value)


def _check_text(field: Field, text: str) -> None:
    """Brokers write these texts into their logs, and a zero ends the user's name in SASL PLAIN."""
    if len(text) > LONGEST_TEXT:
        raise KafkaSettingsError(f"{field.option} is longer than {LONGEST_TEXT:,} characters")
    if printable(text) != text:
        raise KafkaSettingsError(
            f"{field.option} {printable(text[:_SHOWN_CHARACTERS])} has a character that nobody can "
            f"see; take it out"
        )


def _protocol(values: Values) -> str:
    given: str | None = values.get("security-protocol")
    if given is not None:
        if given.upper() not in PROTOCOLS:
            raise KafkaSettingsError(
                f"there is no --kafka-security-protocol {given}; choose one of "
                f"{', '.join(PROTOCOLS)}"
            )
        return given.upper()
    if values.get("sasl-mechanism"):
        return "SASL_SSL"
    return "SSL" if any(values.get(name) for name in _TLS) else "PLAINTEXT"


def _refuse(values: Values, names: tuple[str, ...], protocol: str, better: str) -> None:
    """Refuse settings without effect. A user who sets one of them expects a secured connection."""
    idle = [BY_NAME[name].option for name in names if values.get(name)]
    if idle:
        hint = f"; set --kafka-security-protocol {better}" if better else ""
        raise KafkaSettingsError(
            f"{', '.join(idle)} would have no effect with the security protocol {protocol}"
            f"{hint or '; set --kafka-security-protocol SASL_SSL'}"
        )


def _is_bare(field: Field, value: Any) -> bool:
    return field.kind == "secret" and isinstance(value, str)
