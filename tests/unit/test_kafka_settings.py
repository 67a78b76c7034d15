"""How Kafka is reached: from options, the environment and client.properties to one object."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.cli.kafka_options import kafka_options
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.logins import LOGINS, PasswordLogin, TokenLogin
from streamproc.kafka.properties import read_properties
from streamproc.kafka.secret import Secret
from streamproc.kafka.setting_fields import (
    FIELDS,
    Field,
    environment_of,
    kafka_settings,
    settings_from,
)
from streamproc.kafka.settings import KafkaSettings, settings_of
from streamproc.kafka.tokens import ClientCredentials, FileTokens
from tests.support.certificates import Authority, secret_file
from tests.support.logins import demanded_by

PASSWORD = "correct horse"
OAUTH = {"sasl_mechanism": "OAUTHBEARER", "oauth_client_id": "me", "oauth_client_secret": "s"}


def settings_given(*arguments: str, variables: dict[str, str] | None = None) -> KafkaSettings:
    """What a command with these arguments gets."""
    got: list[KafkaSettings] = []

    @click.command()
    @kafka_options()
    def command(broker: KafkaSettings) -> None:
        got.append(broker)

    result = CliRunner().invoke(command, arguments, env=variables, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return got[0]


def problem_of(*arguments: str, variables: dict[str, str] | None = None) -> str:
    """What a command says of wrong settings, in its one line."""
    options = ("--reminders", "x", *arguments)
    result = CliRunner().invoke(main, ("dispatch", *options), env=variables)
    assert result.exit_code == 1, result.output
    (line,) = result.output.splitlines()
    return line


@pytest.fixture
def password(tmp_path: Path) -> Path:
    return secret_file(tmp_path / "password", PASSWORD + "\n")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca(tmp_path: Path, authority: Authority) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.certificate)
    return path


def test_an_address_alone_asks_for_nothing() -> None:
    settings = settings_given("--broker", "a:1, b:2")
    assert settings.addresses == ("a:1", "b:2")
    assert settings.client_options() == {}
    assert settings == settings_of("a:1, b:2")


def test_options_win_over_the_environment_and_this_over_properties(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("client.id=file\nbootstrap.servers=file:1\nacks=all\n")
    path = {"STREAMPROC_KAFKA_PROPERTIES": str(file)}
    assert settings_given(variables=path).client_id == "file"
    assert settings_given(variables=path).bootstrap == "file:1"
    both = {**path, "STREAMPROC_KAFKA_CLIENT_ID": "environment", "STREAMPROC_BROKER": "e:1"}
    assert settings_given(variables=both).client_id == "environment"
    assert settings_given(variables=both).bootstrap == "e:1"
    option = ("--kafka-client-id", "option", "--broker", "o:1")
    assert settings_given(*option, variables=both).client_id == "option"
    assert settings_given(*option, variables=both).bootstrap == "o:1"


@pytest.mark.parametrize("by", ["option", "file variable", "variable"])
def test_a_password_comes_from_a_file_or_the_environment(password: Path, by: str) -> None:
    arguments = ["--broker", "b:1", "--kafka-sasl-mechanism", "PLAIN"]
    arguments += ["--kafka-sasl-username", "u"]
    variables = {}
    if by == "option":
        arguments += ["--kafka-sasl-password-file", str(password)]
    elif by == "file variable":
        variables = {"STREAMPROC_KAFKA_SASL_PASSWORD_FILE": str(password)}
    else:
        variables = {"STREAMPROC_KAFKA_SASL_PASSWORD": PASSWORD}
    settings = settings_given(*arguments, variables=variables)
    options = settings.client_options()
    assert options.pop("ssl_context") is not None
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": PASSWORD,
    }
    for shown in (repr(settings), str(settings), f"{settings.given}", f"{settings.login}"):
        assert PASSWORD not in shown


def test_no_option_takes_a_secret() -> None:
    for field in FIELDS:
        if field.kind == "secret":
            argument = (f"--kafka-{field.name}", "x")
            result = CliRunner().invoke(main, ["dispatch", "--broker", "b:1", *argument])
            assert result.exit_code == 2
            assert "No such option" in result.output


def test_a_secret_that_everybody_may_read_is_refused(password: Path) -> None:
    password.chmod(0o644)
    arguments = ["--broker", "b:1", "--kafka-sasl-mechanism", "PLAIN", "--kafka-sasl-username"]
    said = problem_of(*arguments, "u", "--kafka-sasl-password-file", str(password))
    assert f"everybody on this machine may read {password}" in said
    assert f"chmod o-r {password}" in said


def test_properties_from_a_pipe_are_refused() -> None:
    """They are read twice, and the second time the settings about TLS would be gone."""
    end, begin = os.pipe()
    os.write(begin, b"bootstrap.servers=b:9093\nsecurity.protocol=SSL\n")
    os.close(begin)
    try:
        with pytest.raises(KafkaSettingsError, match="is not a regular file"):
            read_properties(Path(f"/dev/fd/{end}"))
    finally:
        os.close(end)


def test_properties_of_endless_size_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(KafkaSettingsError, match="is larger than 1 MiB"):
        read_properties(path)


def test_a_directory_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(KafkaSettingsError, match="is a directory"):
        Secret(path=tmp_path).reveal()


def test_properties_with_a_secret_that_everybody_may_read_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("sasl.password=x\n")
    file.chmod(0o644)
    with pytest.raises(KafkaSettingsError, match="everybody on this machine may read"):
        read_properties(file)
    file.chmod(0o640)
    assert read_properties(file)[1] == {"sasl-password": Secret("x")}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sasl_mechanism": "PLAIN"}, "PLAIN needs --kafka-sasl-username"),
        ({"sasl_mechanism": "PLAIN", "sasl_username": "u"}, "needs --kafka-sasl-password-file"),
        ({"sasl_mechanism": "OAUTHBEARER"}, "needs either --kafka-oauth-token-url or"),
        (
            {"sasl_mechanism": "OAUTHBEARER", "oauth_token_url": "http://x"},
            "OAUTHBEARER needs --kafka-oauth-client-id",
        ),
        ({"sasl_mechanism": "SCRAM"}, "no --kafka-sasl-mechanism SCRAM; choose one of PLAIN, SCR"),
        ({"security_protocol": "TLS"}, "no --kafka-security-protocol TLS; choose one of PLAINT"),
        ({"security_protocol": "SASL_SSL"}, "SASL_SSL needs --kafka-sasl-mechanism"),
        (
            {"security_protocol": "PLAINTEXT", "tls_ca": Path("x")},
            "--kafka-tls-ca would have no effect with the security protocol PLAINTEXT; set "
            "--kafka-security-protocol SSL",
        ),
        (
            {"security_protocol": "SSL", "oauth_scope": "s"},
            "--kafka-oauth-scope would have no effect with the security protocol SSL",
        ),
        (
            {"kerberos_service": "k"},
            "--kafka-kerberos-service would have no effect with the security protocol PLAINTEXT",
        ),
        (
            {"security_protocol": "SSL", "sasl_username": "u"},
            "--kafka-sasl-username would have no effect with the security protocol SSL; set "
            "--kafka-security-protocol SASL_SSL",
        ),
        ({"tls_ca": Path("/nowhere")}, "cannot read /nowhere: No such file"),
        ({"tls_key": Path("x")}, "--kafka-tls-key needs --kafka-tls-cert"),
        ({"tls_kay": Path("x")}, "there is no setting tls_kay"),
        ({"sasl_mechanism": "AWS_MSK_IAM"}, "AWS_MSK_IAM needs --kafka-aws-region"),
        ({**OAUTH, "oauth_token_url": "file:///etc/passwd"}, "must be an https:// or http:// URL"),
        ({**OAUTH, "oauth_token_url": "https://[x/token"}, "must be an https:// or http:// URL"),
        ({**OAUTH, "oauth_token_url": "https://me:pw@idp/t"}, "must not contain a user or pass"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_setting(
    values: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(KafkaSettingsError) as caught:
        kafka_settings("b:1", **values)
    assert said in str(caught.value)
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize(
    ("mechanism", "module", "extra"),
    [("GSSAPI", "gssapi", "kerberos"), ("AWS_MSK_IAM", "aws_msk_iam_sasl_signer", "msk")],
)
def test_a_login_without_its_library_names_the_extra(
    mechanism: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(KafkaSettingsError, match=rf"pip install 'streamproc\[{extra}\]'"):
        kafka_settings("b:1", sasl_mechanism=mechanism, aws_region="eu-west-1")


def test_kerberos_is_told_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    settings = kafka_settings("b:1", sasl_mechanism="GSSAPI", kerberos_service="broker")
    assert settings.client_options()["sasl_kerberos_service_name"] == "broker"
    assert settings.security_protocol == "SASL_SSL"


JAVA = r"""
# a producer's file, as Java has it
bootstrap.servers = k1:9093,\
    k2:9093
security.protocol=SASL_SSL
ssl.truststore.location={ca}
ssl.truststore.type=PEM
ssl.endpoint.identification.algorithm=
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
    username="caf\u00e9" password="a \\"b\\" =;c";
acks=all
key.serializer=org.apache.kafka.common.serialization.StringSerializer
"""
LIBRDKAFKA = """
metadata.broker.list=k1:9093,k2:9093
security.protocol=sasl_ssl
ssl.ca.location={ca}
ssl.endpoint.identification.algorithm=none
enable.ssl.certificate.verification=true
sasl.mechanisms=SCRAM-SHA-512
sasl.username=caf\u00e9
sasl.password=a "b" =;c
queue.buffering.max.ms=5
"""


@pytest.mark.parametrize("text", [JAVA, LIBRDKAFKA], ids=["java", "librdkafka"])
def test_a_file_of_other_clients_is_read_as_it_is(tmp_path: Path, ca: Path, text: str) -> None:
    file = secret_file(tmp_path / "client.properties", text.replace("{ca}", str(ca)))
    settings = settings_given("--kafka-properties", str(file))
    assert settings.addresses == ("k1:9093", "k2:9093")
    assert settings.tls is not None
    assert settings.tls.ca == ca
    assert not settings.tls.check_hostname
    assert settings.security_protocol == "SASL_SSL"
    assert settings.login == PasswordLogin("SCRAM-SHA-512", "café", Secret('a "b" =;c'))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("enable.ssl.certificate.verification=false", "name the authority with ssl.ca.location"),
        ("ssl.keystore.key=-----BEGIN", "put it into the file of ssl.keystore.location"),
        ("ssl.crl.location=x", "ssl.crl.location is not understood here"),
        ("sasl.password=${file:/x:y}", "sasl.password names a config provider"),
        ("sasl.jaas.config=com.example.Magic required;", "login module com.example.Magic of sasl"),
        ("config.providers=f\nsasl.password=a${f:x:y}b", "sasl.password names a config provider"),
        ("ssl.enabled.protocols=TLSv1.3", "ssl.enabled.protocols has no TLSv1.2"),
        ("ssl.key.pem=-----BEGIN", "name that with ssl.key.location"),
        ("ssl.ca.pem=-----BEGIN", "name that with ssl.ca.location"),
        ("sasl.kerberos.keytab=/k", "set KRB5_CLIENT_KTNAME=/k"),
    ],
)
def test_what_a_file_asks_for_and_we_cannot_do_is_an_error(
    tmp_path: Path, line: str, said: str
) -> None:
    file = secret_file(tmp_path / "client.properties", line + "\n")
    with pytest.raises(KafkaSettingsError) as caught:
        read_properties(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


USER = {"sasl-username": "u"}
COMMON = "org.apache.kafka.common.security"
PLAIN = f"{COMMON}.plain.PlainLoginModule required"
OAUTHBEARER = f"{COMMON}.oauthbearer.OAuthBearerLoginModule required"
KRB5 = "com.sun.security.auth.module.Krb5LoginModule required"
USER_AND_PASSWORD = {"sasl-username": "u", "sasl-password": Secret("p w")}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (f"{PLAIN} username='u' password='p w';", USER_AND_PASSWORD),
        (f'{PLAIN} username = u password = "p w"', USER_AND_PASSWORD),
        (f'\\\n  {PLAIN} \\\n\t username=u \\\r\n password="p w" ;', USER_AND_PASSWORD),
        (f'{PLAIN}\\tusername=u password="p w" serviceName=x user_admin="x";', USER_AND_PASSWORD),
        (
            f'{COMMON}.scram.ScramLoginModule REQUIRED username="u" password="p\\\\x20w";',
            {"sasl-username": "u", "sasl-password": Secret("px20w")},
        ),
        (
            f'{PLAIN} username="u" password="\\\\"=;\\\\\\\\\\\\n\\\\101\\u00e9";',
            {"sasl-username": "u", "sasl-password": Secret('"=;\\\nA\u00e9')},
        ),
        (
            f'{OAUTHBEARER} oauth.client.id="c" oauth.client.secret="s" '
            f'oauth.token.endpoint.uri="https://idp/t" oauth.scope="k";',
            {
                "oauth-client-id": "c",
                "oauth-client-secret": Secret("s"),
                "oauth-token-url": "https://idp/t",
                "oauth-scope": "k",
            },
        ),
        (
            f'{KRB5} useKeyTab=true storeKey=true keyTab="/k" principal="u@R" serviceName="b";',
            {"kerberos-service": "b"},
        ),
        (
            'software.amazon.msk.auth.iam.IAMLoginModule required awsProfileName="mine" '
            "awsDebugCreds=true;",
            {},
        ),
    ],
)
def test_a_jaas_line_is_read_as_java_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, values: dict[str, Any]
) -> None:
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", "/k")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    file = secret_file(tmp_path / "client.properties", f"sasl.jaas.config={line}\n")
    assert read_properties(file)[1] == values


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the login module (none) of sasl.jaas.config is not understood here"),
        ("password=hush", "the login module (none) of"),
        ("hush required", "the login module hush of"),
        (f'{PLAIN} username="u password="hush";', "option 1 of sasl.jaas.config cannot be read"),
        (f'{PLAIN} username="u" password=hush word;', "option 3 of"),
        (f"{PLAIN} username=u password=hush; {PLAIN} username=v;", "with one login module"),
        (f"{PLAIN} user=u password=hush;", "option user of PlainLoginModule (sasl.jaas.config) is "
         "not understood here; did you mean username?"),
        (f"{COMMON}.scram.ScramLoginModule required username=u tokenauth=true;", "option tok"),
        (f"{OAUTHBEARER} clientId=a clientSecret=hush extension_x=y;", "option extension_x"),
        (f"{OAUTHBEARER} unsecuredLoginStringClaim_sub=hush;", "option unsecuredLoginStringClaim_"),
        (f'{KRB5} keyTab="/k";', "set KRB5_CLIENT_KTNAME=/k"),
        ("a.IAMLoginModule required awsProfileName=mine;", "set AWS_PROFILE=mine"),
        ("a.IAMLoginModule required awsRoleArn=hush;", "option awsRoleArn"),
        (f'{PLAIN} username=u password="${{file:/hush:p}}";', "password of sasl.jaas.config names"),
    ],
)  # fmt: skip
def test_a_jaas_line_that_cannot_be_followed_is_told_without_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    for name in ("KRB5_CLIENT_KTNAME", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = secret_file(tmp_path / "client.properties", f"sasl.jaas.config={line}\n")
    with pytest.raises(KafkaSettingsError) as caught:
        read_properties(file)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value) or line.startswith("hush")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"\xef\xbb\xbfsasl.username=u", {"sasl-username": "u"}),  # an editor of Windows
        (b"sasl.username=caf\xe9", {"sasl-username": "caf\u00e9"}),  # as Java reads it
        ("sasl.username=caf\u00e9".encode(), {"sasl-username": "caf\u00e9"}),
        (b"sasl.username : u\r\nsasl.password u\\\r\n  v", {**USER, "sasl-password": Secret("uv")}),
        (b"sasl.password=a${x}b${env:Y}c", {"sasl-password": Secret("a${x}b${env:Y}c")}),
        (b"ssl.keystore.password=a\nssl.key.password=b", {"tls-key-password": Secret("a")}),
        (b"ssl.key.password=b\nssl.keystore.password=a", {"tls-key-password": Secret("a")}),
        (b"ssl.enabled.protocols=TLSv1.3, TLSv1.2\nclient.id=c", {"client-id": "c"}),
        (b"ssl.keystore.type=PEM\nssl.key.password=b", {"tls-key-password": Secret("b")}),
    ],
)
def test_forms_of_a_file_that_java_and_librdkafka_read(
    tmp_path: Path, content: bytes, values: dict[str, Any]
) -> None:
    assert read_properties(secret_file(tmp_path / "client.properties", content))[1] == values


def test_tokens_come_from_a_server_or_a_file_also_by_properties(tmp_path: Path) -> None:
    module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
    begin = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\n"
    server = secret_file(
        tmp_path / "server.properties",
        begin
        + "sasl.oauthbearer.token.endpoint.url=https://idp/token\n"
        + f"sasl.jaas.config={module} required clientId='me' clientSecret=\"s\" scope=kafka;\n",
    )
    _, values = read_properties(server)
    login = settings_from("b:1", values).login
    assert isinstance(login, TokenLogin)
    assert isinstance(login.tokens, ClientCredentials)
    assert "https://idp/token" in repr(login.tokens)
    assert "client_secret=***" in repr(login.tokens)
    file = secret_file(
        tmp_path / "file.properties",
        begin + "sasl.oauthbearer.token.endpoint.url=file:///run/token\n",
    )
    _, values = read_properties(file)
    login = settings_from("b:1", values).login
    assert isinstance(login, TokenLogin)
    assert login.tokens == FileTokens(Path("/run/token"))


def test_another_process_gets_the_same_settings_by_its_environment(
    password: Path, ca: Path
) -> None:
    arguments = ["--kafka-tls-ca", str(ca), "--no-kafka-tls-check-hostname"]
    arguments += ["--kafka-sasl-mechanism", "SCRAM-SHA-256", "--kafka-sasl-username", "u"]
    from_file = settings_given(
        "--broker", "b:1", *arguments, "--kafka-sasl-password-file", str(password)
    )
    variables = dict(environment_of(from_file))
    assert PASSWORD not in variables.values()
    again = settings_given("--broker", "b:1", variables=variables)
    assert again == from_file
    assert again.client_options()["sasl_plain_password"] == PASSWORD


def test_a_command_that_writes_test_data_takes_no_broker_from_the_environment(
    tmp_path: Path,
) -> None:
    out = str(tmp_path / "out.ndjson")
    environment = {"STREAMPROC_BROKER": "127.0.0.1:9"}
    arguments = ["workload", "--events", "10", "--out", out]
    result = CliRunner().invoke(main, arguments, env=environment)
    assert result.exit_code == 0, result.output


def test_every_command_that_talks_to_kafka_has_the_options_and_their_help() -> None:
    with_broker = [
        (name, command)
        for name, command in main.commands.items()
        if any("--broker" in param.opts for param in command.params)
    ]
    assert len(with_broker) >= 11
    for name, command in with_broker:
        options = {option for param in command.params for option in param.opts}
        assert {field.option for field in FIELDS} <= options, name
        result = CliRunner().invoke(main, [name, "--kafka-help"])
        assert result.exit_code == 0
        for field in FIELDS:
            assert field.option in result.output
            assert f"${field.variable}" in result.output.replace("\n", " ")


def test_every_login_is_a_choice_and_says_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, password: Path
) -> None:
    (field,) = (field for field in FIELDS if field.name == "sasl-mechanism")
    assert field.choices == tuple(LOGINS)
    options = {field.option for field in FIELDS}
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    for name in LOGINS.keys() - {"AWS_MSK_IAM"}:
        login = kafka_settings("b:1", sasl_mechanism=name, **demanded_by(name, password)).login
        assert login is not None
        assert login.who()
        assert any(option in login.mends for option in options)


class Asking(dict[str, Any]):
    """Remembers what was asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


@pytest.mark.parametrize("name", LOGINS)
def test_a_login_asks_for_settings_that_are_there(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    given = {"sasl-username": "u", "sasl-password": Secret("p"), "aws-region": "r"}
    server = {"oauth-token-url": "u", "oauth-client-id": "c", "oauth-client-secret": Secret("s")}
    values = Asking({**given, **server})
    with suppress(KafkaSettingsError):  # a library may be missing
        LOGINS[name](values)
    assert values.asked
    assert values.asked <= {field.name for field in FIELDS}


def test_settings_may_be_compared_and_kept_in_sets(password: Path) -> None:
    def make() -> KafkaSettings:
        return kafka_settings(
            "b:1", sasl_mechanism="PLAIN", sasl_username="u", sasl_password=Secret(path=password)
        )

    assert make() == make()
    assert len({make(), make()}) == 1


@pytest.mark.parametrize("one", [one for one in FIELDS if one.kind == "text"], ids=str)
@pytest.mark.parametrize("text", ["a\0b", "a\x1b[2J", "a\n", "a\u202eb", "\ud800", "a" * 9_000])
def test_a_text_that_brokers_log_can_be_seen(one: Field, text: str) -> None:
    """Brokers write a client id into their logs, and a zero ends the user's name in SASL PLAIN."""
    with pytest.raises(KafkaSettingsError, match=f"{one.option} ") as told:
        settings_from("b:9092", {one.name: text})

    assert len(str(told.value)) < 250
    assert str(told.value).isprintable()


def test_a_text_may_be_of_any_language() -> None:
    assert kafka_settings("b:9092", client_id="Zähler 計").client_id == "Zähler 計"


def test_a_password_with_a_zero_is_refused(tmp_path: Path) -> None:
    file = secret_file(tmp_path / "password", "a\0b")
    values = {"sasl-mechanism": "PLAIN", "sasl-username": "u", "sasl-password": Secret(path=file)}

    with pytest.raises(KafkaSettingsError, match="password has a zero character"):
        settings_from("b:9092", values)
