"""The logins by password of kafka-python, as this package needs them."""

from __future__ import annotations

from typing import Any

from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram

from streamproc.kafka.secret import Password


class Plain(SaslMechanismPlain):  # type: ignore[misc]  # untyped library
    """Uses the password of this moment. kafka-python makes one object for each login."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**_present(options))


class Scram(SaslMechanismScram):  # type: ignore[misc]  # untyped library
    """The same; and the user's name is written as RFC 5802 says, which kafka-python forgets."""

    def __init__(self, **options: Any) -> None:
        name = options["sasl_plain_username"].replace("=", "=3D").replace(",", "=2C")
        super().__init__(**_present({**options, "sasl_plain_username": name}))


def _present(options: dict[str, Any]) -> dict[str, Any]:
    password = options.get("sasl_plain_password")
    if isinstance(password, Password):
        return {**options, "sasl_plain_password": password.present()}
    return options


def use_own_logins() -> None:
    """Have kafka-python log in with these, for the whole process."""
    register_sasl_mechanism("PLAIN", Plain, overwrite=True)
    for name in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        register_sasl_mechanism(name, Scram, overwrite=True)
