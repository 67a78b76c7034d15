"""The settings that a login to Kafka demands, found by asking for it without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.setting_fields import FIELDS, kafka_settings


def demanded_by(mechanism: str, file: Path) -> dict[str, Any]:
    """Values for each setting that ``kafka_settings`` refuses to do without.

    ``file`` stands for each file, and holds the token of OAUTHBEARER, which could be had otherwise.
    """
    values: dict[str, Any] = {"oauth_token_file": file} if mechanism == "OAUTHBEARER" else {}
    for _ in FIELDS:
        try:
            # Without TLS: authorities of the operating system take long to load.
            way = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": mechanism}
            kafka_settings("b:1", **way, **values)
        except KafkaSettingsError as error:
            missing = next(one for one in FIELDS if str(error).endswith(f"needs {one.option}"))
            values[missing.name.replace("-", "_")] = file if missing.kind == "path" else "x"
        else:
            break
    return values
