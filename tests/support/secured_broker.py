"""A Kafka broker with TLS, logins and rights: users may do only what a rule allows.

Listeners on loopback: ``bootstrap`` has no security, and its user may do everything; tests look
with it. ``tls`` has TLS, and ``mutual`` also needs a certificate of the broker's authority.
``sasl`` has TLS and then PLAIN, SCRAM or OAUTHBEARER. ``sasl_plain`` has a login without TLS.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from streamproc.contracts.rights import USER_ROLES
from tests.support.certificates import Authority, Issued, secret_file
from tests.support.jvm_broker import JvmBroker, serve
from tests.support.ports import free_port

USER = "app"
PASSWORD = 'app\'s "secret" =1'
"""It has characters that need care in files."""
POOR_USER, POOR_PASSWORD = "poor", "poor-secret"
"""A user who may log in, and nothing else."""
ROLE_PASSWORD = "role-secret"
"""The password of the users ``streamproc-ROLE``, who have no rights until a test gives some."""
CLIENT_NAME = "client.example"
"""The owner's name in the client's certificate."""

_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class SecuredAddresses:
    """The addresses and certificates that clients need. The module explains the listeners."""

    bootstrap: str
    tls: str
    mutual: str
    sasl: str
    sasl_plain: str
    authority: bytes
    """The certificate of the authority that signed the broker's, as PEM."""
    client: Issued
    """A certificate that the broker takes, for a user who may do everything."""


class SecuredBroker(JvmBroker):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.authority = Authority()
        self._ports = {name: free_port() for name in ("TLS", "MUTUAL", "LOGIN", "OPENLOGIN")}
        self.addresses = SecuredAddresses(
            self.bootstrap,
            tls=f"localhost:{self._ports['TLS']}",
            mutual=f"localhost:{self._ports['MUTUAL']}",
            sasl=f"localhost:{self._ports['LOGIN']}",
            sasl_plain=f"localhost:{self._ports['OPENLOGIN']}",
            authority=self.authority.certificate,
            client=self.authority.issue(CLIENT_NAME),
        )

    def _settings(self, data: Path) -> dict[str, str]:
        store = data.parent / "broker.pem"
        trusted = data.parent / "trusted.pem"
        own = self.authority.issue("broker", "localhost")
        store.write_bytes(own.key + own.certificate + self.authority.certificate)
        trusted.write_bytes(self.authority.certificate)
        plain = super()._settings(data)
        added = ",".join(f"{name}://localhost:{port}" for name, port in self._ports.items())
        users = f'user_{USER}="{_quoted(PASSWORD)}" user_{POOR_USER}="{POOR_PASSWORD}"'
        logins = {
            "plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule required {users};",
            "scram-sha-256.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
            "scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
            "oauthbearer.sasl.jaas.config": (
                f"{_MODULES}.oauthbearer.OAuthBearerLoginModule required "
                'unsecuredLoginStringClaim_sub="broker";'
            ),
            # A client must log in again within this time: with a new token, if it has one.
            "oauthbearer.connections.max.reauth.ms": "3000",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        }
        return plain | {
            "listeners": f"{plain['listeners']},{added}",
            "advertised.listeners": f"{plain['advertised.listeners']},{added}",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,MUTUAL:SSL,LOGIN:SASL_SSL,"
                "OPENLOGIN:SASL_PLAINTEXT"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(trusted),
            "listener.name.mutual.ssl.client.auth": "required",
            **{f"listener.name.login.{key}": value for key, value in logins.items()},
            **{f"listener.name.openlogin.{key}": value for key, value in logins.items()},
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{USER};User:CN={CLIENT_NAME}",
        }

    def _format_options(self) -> tuple[str, ...]:
        roles = [(f"streamproc-{role}", ROLE_PASSWORD) for role in USER_ROLES]
        options: list[str] = []
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            for user, password in ((USER, PASSWORD), (POOR_USER, POOR_PASSWORD), *roles):
                credentials = f"{mechanism}=[name={user},password={password}]"
                options += ["--add-scram", credentials]
        return tuple(options)


def _quoted(value: str) -> str:
    """Within double quotes of a JAAS line, within a line of Java's properties."""
    return value.replace("\\", "\\\\\\\\").replace('"', '\\\\"')


def write_way(folder: Path, addresses: SecuredAddresses) -> None:
    """Files with which the commands reach the broker, as a user who may do everything."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "ca.pem").write_bytes(addresses.authority)
    secret_file(folder / "password", PASSWORD)
    secret_file(
        folder / "streamproc.toml",
        f"""[kafka]
broker = "{addresses.sasl}"
tls_ca = "ca.pem"
sasl_mechanism = "SCRAM-SHA-512"
sasl_username = "{USER}"
sasl_password_file = "password"
""",
    )


def main() -> None:
    """Run a broker until SIGINT or SIGTERM, for a trial; the files are in a folder."""
    parser = argparse.ArgumentParser(
        description="Run a throw-away Kafka broker with TLS and SCRAM."
    )
    parser.add_argument("folder", type=Path, help="where ca.pem, password and streamproc.toml go")
    folder: Path = parser.parse_args().folder
    broker = SecuredBroker()

    def announce(_: JvmBroker) -> None:
        write_way(folder, broker.addresses)
        print(f"{broker.addresses.sasl}; commands reach it from {folder.resolve()}", flush=True)

    serve(broker, announce)


if __name__ == "__main__":
    main()
