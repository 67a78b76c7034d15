"""What ``acls --format strimzi`` prints is a KafkaUser by Strimzi's own definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from streamproc.cli import main
from streamproc.contracts.rights import UserRole

DATA = Path(__file__).parent / "data" / "strimzi"
VERSIONS = ("v1", "v1beta2")


def strict(node: Any) -> Any:
    """As an API server with strict checks: a field that the definition does not have is an error,
    and the metadata of each resource is Kubernetes' own."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: strict(one) for name, one in node.items()}
    if made.get("type") == "object" and made.get("properties"):
        made.setdefault("additionalProperties", False)
    return made


def definition(version: str) -> Draft7Validator:
    text = (DATA / f"kafkauser-{version}.json").read_text(encoding="utf-8")
    return Draft7Validator(strict(json.loads(text)))


def printed(role: str, *options: str, code: int = 0) -> str:
    target = ("--target", "copy") if role == "replay" else ()
    result = CliRunner().invoke(
        main, ["acls", "--role", role, *target, "--format", "strimzi", *options]
    )
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", get_args(UserRole))
def test_a_manifest_is_one_of_strimzi(role: str, version: str) -> None:
    options = ["--strimzi-version", version, "--partitions", "3"]
    for authentication in ("scram-sha-512", "tls", "tls-external"):
        text = printed(role, *options, "--strimzi-authentication", authentication)
        document = yaml.safe_load(text)
        assert document["apiVersion"] == f"kafka.strimzi.io/{version}"
        assert [one.message for one in definition(version).iter_errors(document)] == []


def test_without_a_word_it_is_for_the_present_strimzi() -> None:
    assert yaml.safe_load(printed("worker"))["apiVersion"] == "kafka.strimzi.io/v1"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_definition_refuses_what_strimzi_does_not_know(version: str) -> None:
    document = yaml.safe_load(printed("worker"))
    document["spec"]["authorization"]["acls"][0]["resource"]["kind"] = "topic"
    assert list(definition(version).iter_errors(document))


@pytest.mark.parametrize("name", ["-worker", "worker-", "a..b", "A", "a_b", "", "a" * 254])
def test_a_user_that_kubernetes_cannot_have_is_told(name: str) -> None:
    assert "small letters" in printed("worker", "--principal", f"User:{name}", code=1)


@pytest.mark.parametrize("name", ["-kafka", "a b", "", "a" * 64])
def test_a_cluster_that_kubernetes_cannot_have_is_told(name: str) -> None:
    assert "--strimzi-cluster" in printed("worker", "--strimzi-cluster", name, code=1)
