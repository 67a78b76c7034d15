"""Finds out why Kafka cannot be reached, and says it in words.

The libraries try again and again. Their last error says that no broker answers, for every reason.
So this module asks the brokers itself. :func:`refuse_unreachable` asks once before the first client
of a process, and finds problems that waiting cannot solve. :func:`why_no_answer` asks after a
client has failed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from streamproc.errors import StreamprocError
from streamproc.kafka.errors import ReachError, TokenError
from streamproc.kafka.missing_rights import missing_right, said
from streamproc.kafka.settings import Broker, KafkaSettings, settings_of
from streamproc.kafka.wire import SASL_HANDSHAKE, api_keys, sasl_handshake
from streamproc.supervision import one_thread

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
UNSUPPORTED_MECHANISM, ILLEGAL_STATE = 33, 34
HOSTNAME_MISMATCH = {62, 63, 64}
"""OpenSSL's codes: host name, e-mail, IP address."""

FRESH_SECONDS = 10.0
"""A broker that did not answer is not asked again for this time: nobody waits for it twice."""

_CLOSED = (OSError, EOFError)
_reached: set[KafkaSettings] = set()
_quiet_lock = threading.Lock()
_quiet: Counter[str] = Counter()
_levels: dict[str, int] = {}


@dataclass(frozen=True)
class Finding:
    """Why a broker cannot be used."""

    text: str
    is_refusal: bool = True
    """A broker answers, and waiting does not change its answer."""


_silent: dict[KafkaSettings, tuple[float, Finding]] = {}
"""Who did not answer, when, and how that was noticed."""


def refuse_unreachable(broker: Broker) -> None:
    """Raise :class:`ReachError` if brokers answer, but not to a client with these settings.

    Brokers that do not answer at all cause no error, because the client may wait for them. After a
    check without refusal, nothing is asked again. Blocks for some milliseconds, and for
    ``CONNECT_SECONDS`` if packets get lost.
    """
    settings = settings_of(broker)
    if settings in _reached or _fresh(settings) is not None:
        return
    finding = _look(settings)
    if finding is None:
        _reached.add(settings)
    elif finding.is_refusal:
        raise ReachError(finding.text)
    else:
        _silent[settings] = time.monotonic(), finding


def _fresh(settings: KafkaSettings) -> Finding | None:
    """The finding of a moment ago, if the broker did not answer."""
    since, finding = _silent.get(settings, (-FRESH_SECONDS, None))
    return finding if time.monotonic() - since < FRESH_SECONDS else None


@contextmanager
def told_by_us(library: str) -> Iterator[None]:
    """Keep a library from logging each attempt to connect. The one error at the end gives the
    reason."""
    logger = logging.getLogger(library)
    with _quiet_lock:
        # Several threads may use a library at once: the first saves its log level, and the
        # last restores it.
        _quiet[library] += 1
        if _quiet[library] == 1:
            _levels[library] = logger.level
            logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet[library] -= 1
            if not _quiet[library]:
                logger.setLevel(_levels[library])


def is_reachable(broker: Broker) -> bool:
    """Whether a broker answers to a client with these settings, now."""
    return _look(settings_of(broker)) is None


def refusal_of(broker: Broker) -> str | None:
    """Why brokers refuse a client with these settings now; None if they do not."""
    finding = _look(settings_of(broker))
    return finding.text if finding is not None and finding.is_refusal else None


def why_no_answer(broker: Broker, error: BaseException) -> str:
    """One line about a client that could not be opened or could not do its work."""
    settings = settings_of(broker)
    finding = _fresh(settings) or _look(settings)
    if finding is not None and finding.is_refusal:
        return finding.text
    refused = missing_right(error, broker)
    if finding is None and refused is not None:
        return refused
    login = settings.login
    if finding is None and login is not None and login.tokens is not None:
        return (
            f"{broker} answers, but not after the login with {login.who()} ({login.mechanism}): it "
            f"probably refuses the token, or the token has expired; correct {login.mends}"
        )
    because = f" ({said(error) if finding is None else finding.text})"
    return f"no Kafka broker answers at {broker}; start it or correct --broker{because}"


def _look(settings: KafkaSettings) -> Finding | None:
    """None as soon as one of the brokers can be used; else the finding that explains most."""
    findings = []
    for address in settings.addresses:
        host, _, port = address.rpartition(":")
        if not port.isdigit() or not host:
            findings.append(Finding(f"{address} is not HOST:PORT", False))
            continue
        found = _look_at(settings, host.strip("[]"), int(port), address)
        if found is None:
            return None
        findings.append(found)
    return min(findings, key=lambda one: not one.is_refusal, default=None)


def _look_at(settings: KafkaSettings, host: str, port: int, address: str) -> Finding | None:
    try:
        plain = socket.create_connection((host, port), CONNECT_SECONDS)
    except OSError as error:
        return Finding(_short(error), False)
    with plain:
        plain.settimeout(ANSWER_SECONDS)
        if settings.ssl_context is None:
            return _converse(settings, plain, host, port, address)
        try:
            secured = settings.ssl_context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            return Finding(_distrusted(error, address))
        except TimeoutError:
            return Finding("no answer to TLS", False)
        except (ssl.SSLError, *_CLOSED) as error:
            return _no_tls(settings, host, port, address, error)
        with secured:
            return _converse(settings, secured, host, port, address)


def _converse(
    settings: KafkaSettings, connection: socket.socket, host: str, port: int, address: str
) -> Finding | None:
    """Check over an open connection whether the other side is Kafka, and whether it takes the
    login."""
    login = settings.login
    try:
        if SASL_HANDSHAKE not in api_keys(connection):
            return None
        answer = sasl_handshake(connection, login.mechanism if login else "NONE")
    except TimeoutError:
        return Finding("no answer to the first question", False)
    except ssl.SSLError as error:
        return _refused_certificate(settings, address, error)
    except (ValueError, *_CLOSED):
        if settings.tls is None and _speaks_tls(host, port):
            return Finding(
                f"{address} expects TLS, and this client does not use it; set "
                f"--kafka-security-protocol {'SASL_SSL' if login else 'SSL'}, and --kafka-tls-ca "
                f"if the operating system does not know the authority of its certificate"
            )
        return Finding("it is not Kafka, or it closed the connection", False)
    offered = ", ".join(answer.mechanisms)
    if login is None:
        if answer.error_code == UNSUPPORTED_MECHANISM and answer.mechanisms:
            return Finding(
                f"{address} expects a login ({offered}), and there is none; set "
                f"--kafka-sasl-mechanism and what it needs (--kafka-help)"
            )
        return None
    if answer.error_code == ILLEGAL_STATE:
        return Finding(
            f"{address} expects no login; set --kafka-security-protocol "
            f"{settings.security_protocol.removeprefix('SASL_')} without --kafka-sasl-mechanism, "
            f"or name another port with --broker"
        )
    if answer.error_code == UNSUPPORTED_MECHANISM:
        return Finding(
            f"{address} takes no login by {login.mechanism}, but by {offered}; correct "
            f"--kafka-sasl-mechanism"
        )
    return _log_in(settings, host, port, address)


def _log_in(settings: KafkaSettings, host: str, port: int, address: str) -> Finding | None:
    """Log in with aiokafka, as a client does. kafka-python uses the same logins."""
    from aiokafka.conn import create_conn
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from streamproc.kafka.aio_connection import connection_options

    async def connect() -> None:
        timeout_ms = int(ANSWER_SECONDS * 1000)
        options = connection_options(settings)
        connection = await create_conn(host, port, request_timeout_ms=timeout_ms, **options)
        await connection.close()

    login = settings.login
    assert login is not None
    try:
        # The login gets its own thread, because the caller may be inside an event loop.
        with one_thread("probe") as pool:
            pool.submit(asyncio.run, connect()).result()
    except StreamprocError as error:
        return Finding(str(error))
    except (TimeoutError, KafkaConnectionError, OSError) as error:
        if isinstance(error.__cause__, TokenError):
            return Finding(str(error.__cause__))
        return Finding(_short(error), False)
    except Exception as error:  # a refusal, or any error of a Kerberos library
        said = _clean(str(error.args[0] if isinstance(error, KafkaError) and error.args else error))
        return Finding(
            f"{address} refuses the login of {login.who()} ({login.mechanism}): {said}; correct "
            f"{login.mends}"
        )
    return None


def _distrusted(error: ssl.SSLCertVerificationError, address: str) -> str:
    said = _clean(error.verify_message)
    if error.verify_code in HOSTNAME_MISMATCH:
        mends = (
            "call the broker by a name of its certificate (--broker), or give "
            "--no-kafka-tls-check-hostname"
        )
    elif "expired" in said or "not yet valid" in said:
        mends = "the broker needs a new certificate, or a clock is wrong"
    else:
        mends = "name the authority that signed it with --kafka-tls-ca"
    return f"the certificate of {address} is refused: {said}; {mends}"


def _no_tls(
    settings: KafkaSettings, host: str, port: int, address: str, error: Exception
) -> Finding:
    """The TLS handshake failed: the broker does not speak TLS there, or it refuses this client."""
    if _is_alert(error):
        return _refused_certificate(settings, address, error)
    with suppress(ValueError, *_CLOSED):
        with socket.create_connection((host, port), CONNECT_SECONDS) as plain:
            plain.settimeout(ANSWER_SECONDS)
            api_keys(plain)
        protocol = "PLAINTEXT" if settings.login is None else "SASL_PLAINTEXT"
        return Finding(
            f"{address} speaks without TLS; name its TLS port with --broker, or set "
            f"--kafka-security-protocol {protocol}"
        )
    return Finding(f"no TLS with {address}: {_short(error)}", False)


def _refused_certificate(settings: KafkaSettings, address: str, error: Exception) -> Finding:
    """The refusal of a certificate. TLS 1.3 reports it to the client only after the handshake."""
    if not _is_alert(error):
        return Finding(f"TLS with {address} broke off: {_short(error)}", False)
    if _is_about_versions(error):
        return Finding(
            f"{address} speaks no version or cipher of TLS that this client does (TLS 1.2 or 1.3): "
            f"{_short(error)}; change ssl.enabled.protocols or ssl.cipher.suites of the broker"
        )
    if settings.tls is not None and settings.tls.cert is None:
        text = f"{address} wants a certificate of this client; give --kafka-tls-cert"
    else:
        text = (
            f"{address} refuses the certificate of this client ({_short(error)}); correct "
            f"--kafka-tls-cert"
        )
    return Finding(text)


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # It only finds out whether the broker speaks TLS; nothing is sent.
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS) as plain:
            plain.settimeout(ANSWER_SECONDS)
            with context.wrap_socket(plain, server_hostname=host):
                return True
    except (ssl.SSLError, *_CLOSED) as error:
        return _is_alert(error)


def _is_alert(error: Exception) -> bool:
    """Whether the other side sent a TLS alert. If it did, it speaks TLS."""
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


def _is_about_versions(error: Exception) -> bool:
    """Whether both sides have no version or cipher of TLS in common. It is about no certificate."""
    words = "PROTOCOL_VERSION", "INSUFFICIENT_SECURITY", "UNSUPPORTED_PROTOCOL"
    reason = error.reason or "" if isinstance(error, ssl.SSLError) else ""
    return any(word in reason for word in words)


def _short(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return _clean(str(error) or type(error).__name__)


def _clean(text: str) -> str:
    """The text on one line, without characters that control a terminal."""
    return re.sub(r"[^\x20-\x7e]+", " ", text).strip().rstrip(".")
