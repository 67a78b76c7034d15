"""Reads ``sasl.jaas.config`` of Java's clients: a login module and its options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from streamproc.kafka.errors import KafkaSettingsError

JAAS = "sasl.jaas.config"


@dataclass(frozen=True)
class Module:
    """What the options of a login module mean here."""

    means: Mapping[str, str]
    """Settings by the names of ``fields.py``."""
    without_effect: str = ""
    """A pattern of the options that change nothing for a client of this kind."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Options whose place is a variable of the environment, which other libraries read."""


_PASSWORD = Module(
    {"username": "sasl-username", "password": "sasl-password"}, r"serviceName|user_\w+"
)
_MODULES = {
    "PlainLoginModule": _PASSWORD,
    "ScramLoginModule": _PASSWORD,
    "OAuthBearerLoginModule": Module(
        {
            "clientId": "oauth-client-id",
            "clientSecret": "oauth-client-secret",
            "scope": "oauth-scope",
            # The names of Strimzi's client library.
            "oauth.client.id": "oauth-client-id",
            "oauth.client.secret": "oauth-client-secret",
            "oauth.scope": "oauth-scope",
            "oauth.token.endpoint.uri": "oauth-token-url",
        },
    ),
    "Krb5LoginModule": Module(
        {"serviceName": "kerberos-service"},
        r"useKeyTab|storeKey|useTicketCache|doNotPrompt|renewTGT|refreshKrb5Config|isInitiator"
        r"|principal|debug|ticketCache|clearPass|storePass|tryFirstPass|useFirstPass",
        {"keyTab": "KRB5_CLIENT_KTNAME"},
    ),
    "IAMLoginModule": Module({}, "awsDebugCreds", {"awsProfileName": "AWS_PROFILE"}),
}

_BEGIN = re.compile(r"\s*([\w.$]+)\s+(required|requisite|sufficient|optional)\b", re.IGNORECASE)
_OPTION = re.compile(
    r"""\s*([\w.-]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s;"']+)(?=[\s;]|$)""", re.DOTALL
)
_ESCAPED = re.compile(r"\\([0-3]?[0-7]{1,2}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}


def options_of_jaas(text: str) -> dict[str, str]:
    """The values in ``org...ScramLoginModule required username="..." password="...";``, by the
    names of ``fields.py``.

    Raises :class:`KafkaSettingsError`, without any value, if an option has a meaning that no
    setting has.
    """
    begin = _BEGIN.match(text)
    name = begin[1].rpartition(".")[2] if begin else ""
    module = _MODULES.get(name)
    if begin is None or module is None:
        # Anything but a name may be a secret.
        named = re.match(r"\s*([\w.$]+)(?=\s|$)", text)
        raise KafkaSettingsError(
            f"the login module {named[1] if named else '(none)'} of {JAAS} is not understood here; "
            f"write MODULE required OPTION=VALUE ...; with one of {', '.join(_MODULES)}"
        )
    values: dict[str, str] = {}
    for option, value in _options(text[begin.end() :]):
        if re.fullmatch(r"\$\{.*\}", value):
            raise KafkaSettingsError(
                f"{option} of {JAAS} names a config provider, which only Java knows"
            )
        if option in module.means:
            values[module.means[option]] = value
        elif not re.fullmatch(module.without_effect, option):
            _check(name, module, option, value)
    return values


def _options(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while found := _OPTION.match(text, at):
        yield found[1], _unquoted(found[2])
        at = found.end()
    if text[at:].strip() not in ("", ";"):
        count = text.count("=", 0, at) + 1
        raise KafkaSettingsError(
            f"option {count} of {JAAS} cannot be read; write OPTION=VALUE with one login module "
            f"and ; at the end, and a value with blanks in quotes"
        )


def _check(name: str, module: Module, option: str, value: str) -> None:
    """Refuse an option that is not followed, unless the environment says the same."""
    variable = module.variables.get(option)
    if variable is not None:
        if os.environ.get(variable) != value:
            raise KafkaSettingsError(
                f"{option} of {name} ({JAAS}) has its place in the environment here; set "
                f"{variable}={value}"
            )
        return
    close = get_close_matches(option, module.means, 1, 0.5)
    hint = f"did you mean {close[0]}?" if close else "take it out, or see --kafka-help"
    raise KafkaSettingsError(f"option {option} of {name} ({JAAS}) is not understood here; {hint}")


def _unquoted(text: str) -> str:
    """As Java's StreamTokenizer reads it."""
    if text[:1] in ('"', "'"):
        return _ESCAPED.sub(_meant, text[1:-1])
    return text


def _meant(found: re.Match[str]) -> str:
    told = found[1]
    return chr(int(told, 8)) if told[0] in "01234567" else _LETTERS.get(told, told)
