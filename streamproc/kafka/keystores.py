"""Key stores and trust stores of Java's clients, in PKCS #12."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.secret import Secret

_JKS = b"\xfe\xed\xfe\xed"
_JCEKS = b"\xce\xce\xce\xce"
_SEQUENCE = b"\x30"
"""The first byte of DER, and therefore of PKCS #12. A text never begins with it."""


@dataclass(frozen=True)
class KeyStore:
    """The content of a store, as PEM."""

    authorities: str
    own: bytes = field(repr=False)
    """The certificate, its chain and its key; empty if there is no key."""


def is_key_store(path: Path) -> bool:
    """Whether a file is a key store and not PEM. Its name does not count: Java calls PKCS #12
    ``.jks``, too.

    Raises OSError, and :class:`KafkaSettingsError` for the old form of Java's own.
    """
    with path.open("rb") as file:
        begin = file.read(4)
    if begin in (_JKS, _JCEKS):
        raise KafkaSettingsError(
            f"{path} is a key store in Java's old form; convert it: keytool -importkeystore "
            f"-srckeystore {path} -destkeystore {path.with_suffix('.p12')} -deststoretype pkcs12"
        )
    return begin[:1] == _SEQUENCE


def read_key_store(path: Path, password: Secret | None, option: str) -> KeyStore:
    """Read a store. Raises :class:`KafkaSettingsError`; messages call the file ``option``."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.serialization import pkcs12
    except ImportError as error:
        raise KafkaSettingsError(
            f"{path} ({option}) is in PKCS #12, which needs an extra: pip install "
            f"'streamproc[keystores]'; or convert it to PEM: openssl pkcs12 -in {path} -nodes"
        ) from error
    secret = password.reveal().encode() if password is not None else None
    try:
        store = pkcs12.load_pkcs12(path.read_bytes(), secret)
    except ValueError as error:
        given = "its password is wrong" if secret else "give its password"
        raise KafkaSettingsError(f"cannot open {path} ({option}): {given}") from error
    pem = serialization.Encoding.PEM
    others = [one.certificate.public_bytes(pem) for one in store.additional_certs]
    own = b""
    if store.key is not None and store.cert is not None:
        key = store.key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        own = b"".join([key, store.cert.certificate.public_bytes(pem), *others])
    elif option == "--kafka-tls-cert":
        raise KafkaSettingsError(f"{path} ({option}) holds no key with its certificate")
    return KeyStore(b"".join(others).decode(), own)


@contextmanager
def pem_file(content: bytes) -> Iterator[str]:
    """A file name under which OpenSSL reads ``content``. The content is in memory only."""
    descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
