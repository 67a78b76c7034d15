"""Reads ``client.properties`` files as Java's clients and librdkafka have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import javaproperties

from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.fields import FIELDS
from streamproc.kafka.secret import Secret, refuse_if_public, unreadable

_KEYS = {key: field for field in FIELDS for key in field.properties}
_BOOTSTRAP = ("bootstrap.servers", "metadata.broker.list")
_JAAS = "sasl.jaas.config"
_TOKEN_URL = "sasl.oauthbearer.token.endpoint.url"

_WITHOUT_EFFECT = re.compile(
    r"""ssl\.(truststore|keystore)\.type | ssl\.(protocol|provider|enabled\.protocols)
    | ssl\.(key|trust)manager\.algorithm | ssl\.secure\.random\.implementation
    | sasl\.(login|client)\.(callback\.handler\.)?class
    | sasl\.login\.(refresh|retry|connect|read).*
    | sasl\.oauthbearer\.(method|jwt\.retriever\.class) | sasl\.kerberos\.(kinit|ticket|min).*
    | security\.providers""",
    re.VERBOSE,
)
"""Security keys that have no effect here: streamproc finds their values out or works in another
way."""
_OF_SECURITY = ("ssl.", "sasl.", "security.", "https.", "enable.ssl.", "enable.sasl.")
_MODULES = {
    "PlainLoginModule": {"username": "sasl-username", "password": "sasl-password"},
    "ScramLoginModule": {"username": "sasl-username", "password": "sasl-password"},
    "OAuthBearerLoginModule": {
        "clientId": "oauth-client-id",
        "clientSecret": "oauth-client-secret",
        "scope": "oauth-scope",
    },
    "Krb5LoginModule": {"serviceName": "kerberos-service"},
    "IAMLoginModule": {},
}
"""The settings that the options of a login module mean, by module."""
_OPTION = re.compile(r"""([\w.]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;]+)""", re.DOTALL)


def read_properties(path: Path) -> tuple[str | None, dict[str, Any]]:
    """The addresses, and the values by the names of ``fields.py``.

    Keys that do not concern the connection to Kafka are skipped, because the file may be that of a
    whole producer. Raises :class:`KafkaSettingsError` for a security key that is unknown here.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = javaproperties.loads(text)
    except (UnicodeDecodeError, javaproperties.InvalidUEscapeError) as error:
        raise KafkaSettingsError(f"{path} (--kafka-properties): {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    values = _values(path, found)
    if any(isinstance(value, Secret) for value in values.values()):
        refuse_if_public(path)
    bootstrap = next((found[key] for key in _BOOTSTRAP if found.get(key)), None)
    return bootstrap, values


def _values(path: Path, found: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, text in found.items():
        if re.fullmatch(r"\$\{.*\}", text):
            raise KafkaSettingsError(
                f"{path}: {key} names a config provider, which only Java knows; set "
                f"its value by an option or the environment (--kafka-help)"
            )
        if key == _JAAS:
            values.update(_from_jaas(path, text))
        elif key == _TOKEN_URL and text.startswith("file:"):
            values["oauth-token-file"] = Path(re.sub("^file:(//)?", "", text))
        elif key in _KEYS:
            field = _KEYS[key]
            # Two keys may mean one setting. The key that comes first in the table wins.
            if field.name not in values or key == field.properties[0]:
                values[field.name] = _value(field.kind, text)
        elif key.startswith(_OF_SECURITY) and not _WITHOUT_EFFECT.fullmatch(key):
            _refuse(path, key, text)
    return {name: value for name, value in values.items() if value not in ("", None)}


def _value(kind: str, text: str) -> Any:
    text = text.strip()
    if kind == "switch":
        # Java turns the check off with an empty value, librdkafka with "none".
        return text.lower() not in ("", "none", "false")
    if not text:
        return None
    return {"path": Path, "secret": Secret}.get(kind, str)(text)


def _refuse(path: Path, key: str, text: str) -> None:
    if key == "enable.ssl.certificate.verification" and text.strip().lower() == "true":
        return
    hints = {
        "enable.ssl.certificate.verification": "name the authority with ssl.ca.location",
        "ssl.keystore.certificate.chain": "put it into a file, and name that with "
        "ssl.keystore.location",
        "ssl.keystore.key": "put it into the file of ssl.keystore.location",
        "ssl.truststore.certificates": "put them into a file, and name that with "
        "ssl.truststore.location",
    }
    hint = hints.get(key, "take it out, or see --kafka-help for what there is")
    raise KafkaSettingsError(f"{path}: {key} is not understood here; {hint}")


def _from_jaas(path: Path, text: str) -> dict[str, Any]:
    """The settings in ``org...ScramLoginModule required username="..." password="...";``."""
    module, _, rest = text.strip().partition(" ")
    options = _MODULES.get(module.rpartition(".")[2])
    if options is None:
        raise KafkaSettingsError(
            f"{path}: the login module {module} of {_JAAS} is not understood here; there are "
            f"{', '.join(_MODULES)}"
        )
    values: dict[str, Any] = {}
    kinds = {field.name: field.kind for field in FIELDS}
    for name, quoted in _OPTION.findall(rest):
        if name in options:
            field = options[name]
            values[field] = _value(kinds[field], _unquoted(quoted))
    return values


def _unquoted(text: str) -> str:
    if text[:1] in ('"', "'"):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
