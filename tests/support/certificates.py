"""Certificates of a throw-away authority, for brokers and clients of tests."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2120, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    def encrypted_key(self, password: bytes) -> bytes:
        """The key, as a client may keep it."""
        key = serialization.load_pem_private_key(self.key, None)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )

    def pkcs12(self, authority: bytes, password: bytes) -> bytes:
        """A key store as Java's clients have."""
        return pkcs12.serialize_key_and_certificates(
            b"client",
            serialization.load_pem_private_key(self.key, None),  # type: ignore[arg-type]
            x509.load_pem_x509_certificate(self.certificate),
            [x509.load_pem_x509_certificate(authority)],
            serialization.BestAvailableEncryption(password),
        )


class Authority:
    """Signs certificates. ``certificate`` is its own, as PEM."""

    def __init__(self, name: str = "authority of tests") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        extension = x509.BasicConstraints(ca=True, path_length=None)
        builder = _builder(self._name, self._name, self._key).add_extension(extension, True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, True)
        # Since Python 3.13 a certificate is checked as the standard says.
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        signed = builder.add_extension(identifier, False).sign(self._key, hashes.SHA256())
        self.certificate: bytes = signed.public_bytes(serialization.Encoding.PEM)
        self._identifier = identifier

    def issue(self, name: str, *hosts: str, expired: bool = False) -> Issued:
        """A certificate for a client or, with host names and addresses, for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), self._name, key, expired)
        if hosts:
            alternatives = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
            builder = builder.add_extension(alternatives, False)
        own = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier)
        signed = builder.add_extension(own, False).sign(self._key, hashes.SHA256())
        return Issued(
            signed.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


def secret_file(path: Path, content: bytes | str) -> Path:
    """A file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, expired: bool = False
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=1) if expired else END)
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
