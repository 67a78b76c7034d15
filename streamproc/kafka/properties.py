"""Reads ``client.properties`` files as Java's clients and librdkafka have them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.jaas import JAAS, options_of_jaas
from streamproc.kafka.secret import Secret, refuse_if_public, refuse_special, unreadable
from streamproc.kafka.setting_fields import BY_NAME, FIELDS
from streamproc.printable import printable

_MOST_BYTES = 1 << 20
_WHOLLY_PROVIDED = re.compile(r"\$\{.*\}")
_PROVIDED = re.compile(r"\$\{[^}:]+:[^}]*\}")
_KEYS = {key: field for field in FIELDS for key in field.properties}
_BOOTSTRAP = ("bootstrap.servers", "metadata.broker.list")
_TOKEN_URL = "sasl.oauthbearer.token.endpoint.url"

_WITHOUT_EFFECT = re.compile(
    r"""ssl\.(truststore|keystore)\.type | ssl\.(protocol|provider|enabled\.protocols)
    | ssl\.(key|trust)manager\.algorithm | ssl\.secure\.random\.implementation
    | sasl\.(login|client)\.(callback\.handler\.)?class
    | sasl\.login\.(refresh|retry|connect|read).*
    | sasl\.oauthbearer\.(method|jwt\.retriever\.class)
    | sasl\.kerberos\.(principal|(kinit|ticket|min).*)
    | security\.providers""",
    re.VERBOSE,
)
"""Security keys that have no effect here: streamproc finds their values out or works in another
way."""
_OF_SECURITY = ("ssl.", "sasl.", "security.", "https.", "enable.ssl.", "enable.sasl.")


def read_properties(path: Path) -> tuple[str | None, dict[str, Any]]:
    """The addresses, and the values by the names of ``fields.py``.

    Keys that do not concern the connection to Kafka are skipped, because the file may be that of a
    whole producer. Raises :class:`KafkaSettingsError` for a security key that is unknown here.
    """
    import javaproperties  # it brings XML and an HTTP client, and most commands have no such file

    refuse_special(path)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise KafkaSettingsError(f"{path} (--kafka-properties) is larger than 1 MiB")
        found = javaproperties.loads(_decoded(content))
    except javaproperties.InvalidUEscapeError as error:
        raise KafkaSettingsError(printable(f"{path} (--kafka-properties): {error}")) from error
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        values = _values(path, found)
    except KafkaSettingsError as error:
        raise KafkaSettingsError(printable(str(error))) from None
    if any(isinstance(value, Secret) for value in values.values()):
        refuse_if_public(path)
    bootstrap = next((found[key] for key in _BOOTSTRAP if found.get(key)), None)
    return bootstrap, values


def _decoded(content: bytes) -> str:
    """librdkafka reads UTF-8, Java Latin-1. Text in Latin-1 is almost never valid UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _values(path: Path, found: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    has_providers = "config.providers" in found
    for key, text in found.items():
        if _WHOLLY_PROVIDED.fullmatch(text) or (has_providers and _PROVIDED.search(text)):
            raise KafkaSettingsError(
                f"{path}: {key} names a config provider, which only Java knows; set "
                f"its value by an option or the environment (--kafka-help)"
            )
        if key == JAAS:
            values.update(_from_jaas(path, text))
        elif key == _TOKEN_URL and text.startswith("file:"):
            values["oauth-token-file"] = Path(re.sub("^file:(//)?", "", text))
        elif key in _KEYS:
            field = _KEYS[key]
            # Two keys may mean one setting. The key that comes first in the table wins.
            if field.name not in values or key == field.properties[0]:
                values[field.name] = _value(field.kind, text)
        elif key == "ssl.enabled.protocols":
            _check_versions(path, key, text)
        elif key.startswith(_OF_SECURITY) and not _WITHOUT_EFFECT.fullmatch(key):
            _refuse(path, key, text)
    return {name: value for name, value in values.items() if value not in ("", None)}


def _from_jaas(path: Path, text: str) -> dict[str, Any]:
    try:
        options = options_of_jaas(text)
    except KafkaSettingsError as error:
        raise KafkaSettingsError(f"{path}: {error}") from None
    return {name: _value(BY_NAME[name].kind, value) for name, value in options.items()}


def _value(kind: str, text: str) -> Any:
    text = text.strip()
    if kind == "switch":
        # Java turns the check off with an empty value, librdkafka with "none".
        return text.lower() not in ("", "none", "false")
    if not text:
        return None
    return {"path": Path, "secret": Secret}.get(kind, str)(text)


def _check_versions(path: Path, key: str, text: str) -> None:
    """TLS 1.2 and 1.3 are spoken; older ones never."""
    versions = {one.strip() for one in text.split(",") if one.strip()}
    if versions and "TLSv1.2" not in versions:
        raise KafkaSettingsError(
            f"{path}: {key} has no TLSv1.2, which is spoken here beside TLSv1.3; let the brokers "
            f"refuse it, and take this line out"
        )


def _refuse(path: Path, key: str, text: str) -> None:
    if key == "enable.ssl.certificate.verification" and text.strip().lower() == "true":
        return
    if key == "sasl.kerberos.keytab" and text.strip() == os.environ.get("KRB5_CLIENT_KTNAME"):
        return
    hints = {
        "sasl.kerberos.keytab": f"set KRB5_CLIENT_KTNAME={text.strip()} in the environment",
        "ssl.ca.pem": "put it into a file, and name that with ssl.ca.location",
        "ssl.certificate.pem": "put it into a file, and name that with ssl.certificate.location",
        "ssl.key.pem": "put it into a file, and name that with ssl.key.location",
        "enable.ssl.certificate.verification": "name the authority with ssl.ca.location",
        "ssl.keystore.certificate.chain": "put it into a file, and name that with "
        "ssl.keystore.location",
        "ssl.keystore.key": "put it into the file of ssl.keystore.location",
        "ssl.truststore.certificates": "put them into a file, and name that with "
        "ssl.truststore.location",
    }
    hint = hints.get(key, "take it out, or see --kafka-help for what there is")
    raise KafkaSettingsError(f"{path}: {key} is not understood here; {hint}")
