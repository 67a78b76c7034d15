"""The settings of TLS and logins for Faust's own clients. They are the same as for all other
clients."""

from __future__ import annotations

from typing import Any

from faust.auth import GSSAPICredentials, OAuthCredentials, SASLCredentials, SSLCredentials

from streamproc.kafka.aio_clients import aio_options
from streamproc.kafka.settings import Broker


def security_settings(broker: Broker) -> dict[str, Any]:
    """The settings of a Faust app. They are empty for a Kafka without security.

    Faust has one class for each form of credentials. The options of aiokafka decide which
    class is used.
    """
    options = aio_options(broker)
    settings: dict[str, Any] = {}
    if "client_id" in options:
        settings["broker_client_id"] = options["client_id"]
    tls = {"ssl_context": options.get("ssl_context")}
    if "sasl_oauth_token_provider" in options:
        tokens = options["sasl_oauth_token_provider"]
        settings["broker_credentials"] = OAuthCredentials(oauth_cb=tokens, **tls)
    elif "sasl_kerberos_service_name" in options:
        service = options["sasl_kerberos_service_name"]
        settings["broker_credentials"] = GSSAPICredentials(kerberos_service_name=service, **tls)
    elif "sasl_mechanism" in options:
        settings["broker_credentials"] = SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            **tls,
        )
    elif "ssl_context" in options:
        settings["broker_credentials"] = SSLCredentials(options["ssl_context"])
    return settings
