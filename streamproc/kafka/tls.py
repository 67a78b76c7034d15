"""TLS of Kafka's clients, from files that may be replaced at any time."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import structlog

from streamproc.errors import StreamprocError
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.keystores import is_key_store, pem_file, read_key_store
from streamproc.kafka.secret import Secret, refuse_if_public, refuse_special, unreadable

log = structlog.get_logger(__name__)

_PRIVATE = b"PRIVATE KEY-----"


@dataclass(frozen=True)
class TlsSettings:
    """The authorities that a client trusts, and the certificate that it shows. Files are PEM or
    PKCS #12."""

    ca: Path | None = None
    """Certificates of the authorities. With None, a client trusts those of the operating system."""
    ca_password: Secret | None = None
    """The password of a PKCS #12 trust store."""
    cert: Path | None = None
    """The client's certificate and its chain; it may hold the key, too."""
    key: Path | None = None
    key_password: Secret | None = None
    """The password of the key, or of a PKCS #12 key store."""
    check_hostname: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of these settings."""
        passwords = (self.ca_password, self.key_password)
        kept = [one.path for one in passwords if one is not None]
        return tuple(one for one in (self.ca, self.cert, self.key, *kept) if one is not None)

    def load(self) -> ssl.SSLContext:
        """Make a context from the present files. Raises :class:`KafkaSettingsError`."""
        for one in (self.ca, self.cert, self.key):
            if one is not None:
                refuse_special(one)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.check_hostname
        if self.ca is None:
            context.load_default_certs()
        else:
            self._load_authorities(context, self.ca)
        if self.cert is not None:
            self._load_own(context, self.cert)
        return context

    def _load_authorities(self, context: ssl.SSLContext, path: Path) -> None:
        try:
            if is_key_store(path):
                store = read_key_store(path, self.ca_password, "--kafka-tls-ca")
                context.load_verify_locations(cadata=store.authorities)
            else:
                context.load_verify_locations(path)
        except ssl.SSLError as error:
            raise KafkaSettingsError(
                f"{path} (--kafka-tls-ca) holds no certificate in PEM"
            ) from error
        except OSError as error:
            raise unreadable(path, error) from error

    def _load_own(self, context: ssl.SSLContext, path: Path) -> None:
        try:
            if is_key_store(path):
                refuse_if_public(path)
                store = read_key_store(path, self.key_password, "--kafka-tls-cert")
                with pem_file(store.own) as readable:
                    context.load_cert_chain(readable)
                return
            if self.key is not None or _PRIVATE in path.read_bytes():
                refuse_if_public(self.key or path)
            context.load_cert_chain(path, self.key, self._key_password)
        except ssl.SSLError as error:
            raise KafkaSettingsError(self._problem(error, path)) from error
        except OSError as error:
            wrong = next((one for one in (path, self.key) if one and not one.is_file()), path)
            raise unreadable(wrong, error) from error

    def _key_password(self) -> str:
        """The password of the key. OpenSSL asks for it only if the key is encrypted; without a
        password it would ask on the terminal."""
        if self.key_password is None:
            raise KafkaSettingsError(
                f"the key in {self.key or self.cert} is encrypted; give its password with "
                f"--kafka-tls-key-password-file"
            )
        return self.key_password.reveal()

    def _problem(self, error: ssl.SSLError, path: Path) -> str:
        key = self.key or path
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the key in {key} (--kafka-tls-key) does not belong to the certificate {path}"
        if self.key_password is not None and self.key_password.reveal() and _is_encrypted(key):
            return (
                f"the key in {key} cannot be decrypted; correct the password "
                f"(--kafka-tls-key-password-file)"
            )
        named = f"{path} (--kafka-tls-cert)"
        if self.key is not None:
            named += f" and {key} (--kafka-tls-key)"
        return f"{named} must hold a certificate and its key in PEM ({error.reason or 'no PEM'})"


def _is_encrypted(path: Path) -> bool:
    return b"ENCRYPTED" in path.read_bytes()


class RotatingContext(ssl.SSLContext):
    """Makes each new connection with the files of that moment.

    Connections that are open stay open when a file changes. If a file is half written or wrong, a
    warning is logged, and new connections use the last valid certificates.
    """

    _settings: TlsSettings
    _lock: threading.Lock
    _seen: tuple[tuple[int, int, int] | None, ...]
    _context: ssl.SSLContext

    def __new__(cls, settings: TlsSettings) -> Self:
        """Make the context. Raises :class:`KafkaSettingsError` if the files are not valid at the
        start."""
        self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        self._settings = settings
        self._lock = threading.Lock()
        self._seen = _stamps(settings.files)
        self._context = settings.load()
        return self

    def __init__(self, settings: TlsSettings) -> None:
        """Do nothing: ``__new__`` makes ``SSLContext``."""

    def current(self) -> ssl.SSLContext:
        """The context for a connection that starts now."""
        with self._lock:
            seen = _stamps(self._settings.files)
            if seen != self._seen:
                self._seen = seen
                try:
                    self._context = self._settings.load()
                    log.info("Kafka's clients use changed certificates for new connections")
                except StreamprocError as error:
                    log.warning("the former certificates stay in use", error=str(error))
            return self._context

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """kafka-python starts a connection with this method."""
        return self.current().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """asyncio, and so aiokafka, starts a connection with this method."""
        return self.current().wrap_bio(*args, **kwargs)


def _stamps(paths: tuple[Path, ...]) -> tuple[tuple[int, int, int] | None, ...]:
    """Values that change when a file changes. A Kubernetes secret is a link, so the file behind the
    link counts."""
    stamps: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
    return tuple(stamps)
