"""asyncapi.yaml is a valid AsyncAPI 3 document and says of the topics what the program does."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from streamproc.contracts.records.cloudevents import PREFIX, SUFFIX
from streamproc.contracts.topic_settings import configs_of
from streamproc.contracts.topics import COMMANDS, EVENTS, PARTITIONS, ROLES, TOPICS
from streamproc.core.state.events import EventId, Source
from streamproc.dispatch.settings import DispatchSettings
from streamproc.worker.settings import WorkerSettings
from tests.contract.contract import COMMON, DATA, INPUTS, SCHEMAS, TYPES, schema, validator

DOCUMENT: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text(encoding="utf-8"))
SETTINGS = WorkerSettings(broker="127.0.0.1:9092")
DISPATCH = DispatchSettings(broker="127.0.0.1:9092")
ROLE_OF = {id(topic): role for role, topic in ROLES.items()} | {id(COMMANDS): "inputs"}
CHANNELS = {
    # dead-letters is deadLetters there
    re.sub(r"-(.)", lambda found: found[1].upper(), one.default.removeprefix("streamproc.")): one
    for one in TOPICS
}


def at(reference: dict[str, str], document: dict[str, Any] = DOCUMENT) -> Any:
    """What a local reference points at."""
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def messages(channel: str) -> list[dict[str, Any]]:
    return [at(one) for one in DOCUMENT["channels"][channel]["messages"].values()]


def payload(message: dict[str, Any]) -> str:
    """The record that a message carries."""
    file: str = message["payload"]["$ref"]
    return file.removeprefix("./").removesuffix(".json")


def key_of(message: dict[str, Any]) -> dict[str, Any] | None:
    for trait in message.get("traits", []):
        binding = at(trait).get("bindings", {}).get("kafka", {})
        if "key" in binding:
            key: dict[str, Any] = binding["key"]
            return key
    return None


def is_public(message: dict[str, Any]) -> bool:
    """Whether its payload is one of the contract's records."""
    reference: str = message["payload"].get("$ref", "#")
    return reference.startswith("./")


def is_structured(message: dict[str, Any]) -> bool:
    return str(message.get("contentType", "")).startswith("application/cloudevents")


def errors(document: Any) -> list[str]:
    official = json.loads((DATA / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
    return [error.message for error in Draft7Validator(official).iter_errors(document)]


def test_the_document_fits_the_official_schema() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert errors(DOCUMENT) == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("operations", "sendAudit", "action"), "publish"),
        (("channels", "audit", "bindings", "kafka", "partitions"), 0),
        (("info",), {"title": "no version"}),
    ],
)
def test_the_official_schema_finds_a_fault(place: tuple[str, ...], wrong: Any) -> None:
    broken = copy.deepcopy(DOCUMENT)
    inner = broken
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = wrong

    assert errors(broken)


def test_every_reference_points_at_something() -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node and node["$ref"].startswith("#/"):
                at(node)
            elif "$ref" in node:
                assert (SCHEMAS / node["$ref"]).is_file()
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(DOCUMENT)


def test_the_channels_are_the_topics_under_their_usual_names() -> None:
    addresses = {name: one["address"] for name, one in DOCUMENT["channels"].items()}

    assert addresses == {name: topic.default for name, topic in CHANNELS.items()}


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_is_made_as_the_program_makes_it(name: str) -> None:
    channel, topic = DOCUMENT["channels"][name], CHANNELS[name]
    binding = channel["bindings"]["kafka"]
    configured = dict(binding.get("topicConfiguration", {}))

    assert binding["topic"] == channel["address"]
    assert binding["partitions"] == (topic.partitions or PARTITIONS)
    assert binding["replicas"] == SETTINGS.replication_factor == DISPATCH.replication_factor
    made = configs_of(ROLE_OF[id(topic)], SETTINGS.clock, {})
    made.pop("min.cleanable.dirty.ratio", None)
    configured["cleanup.policy"] = ",".join(configured["cleanup.policy"])
    assert {key: str(value) for key, value in configured.items()} == made


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_carries_the_records_of_its_topic(name: str) -> None:
    carried = sorted(payload(one) for one in messages(name) if is_public(one))

    assert carried == sorted(one for one in TYPES if CHANNELS[name].carries(one[: -len(SUFFIX)]))


def test_every_record_lies_in_a_topic() -> None:
    assert [one for one in TYPES if not any(t.carries(one[: -len(SUFFIX)]) for t in TOPICS)] == []
    assert [one for one in INPUTS if not EVENTS.carries(one[: -len(SUFFIX)])] == ["sms.received.v1"]


def test_each_part_receives_and_sends_what_is_its() -> None:
    found = {
        (one["tags"][0]["name"], one["action"], one["channel"]["$ref"].rpartition("/")[2])
        for one in DOCUMENT["operations"].values()
    }

    assert found == {
        (part, action, name)
        for name, topic in CHANNELS.items()
        for action, parts in (("receive", topic.read_by), ("send", topic.written_by))
        for part in parts
        if part in ("worker", "dispatcher")
    }
    operations = DOCUMENT["operations"]
    for name, default in (("receiveEvents", SETTINGS.app_id), ("receiveReminders", DISPATCH.group)):
        assert operations[name]["bindings"]["kafka"]["groupId"]["default"] == default


@pytest.mark.parametrize(
    "name", [name for name, one in CHANNELS.items() if one.key in ("the subscriber", "none")]
)
def test_keys_are_subscribers_where_there_is_one(name: str) -> None:
    pattern = schema(COMMON)["$defs"]["subscriber"]["pattern"]
    for message in messages(name):
        if is_structured(message):
            continue
        key = key_of(message)
        properties = schema(payload(message))["properties"]

        assert (key is not None) == ("subscriber" in properties), message["name"]
        assert key is None or key["pattern"] == pattern
        assert key is None or CHANNELS[name].key == "the subscriber"


@pytest.mark.parametrize(
    "name", [name for name, one in CHANNELS.items() if one.key == "the reminder"]
)
def test_what_the_dispatcher_says_is_keyed_by_the_reminder(name: str) -> None:
    pattern = schema("receipt.recorded.v1")["properties"]["reminder_id"]["pattern"]
    (message,) = messages(name)
    key = key_of(message)

    assert key is not None
    assert key["pattern"] == pattern


def test_cloudevents_are_described_for_every_event() -> None:
    for message in (*messages("events"), *messages("commands")):
        if is_structured(message):
            continue
        (headers,) = (at(one)["headers"] for one in message["traits"] if "headers" in at(one))
        kind = message["headers"]["properties"]["ce_type"]["const"]

        assert kind == f"{PREFIX}{message['name']}{SUFFIX}"
        assert payload(message) == f"{message['name']}{SUFFIX}"
        for header, bounds in (("ce_id", EventId), ("ce_source", Source)):
            (meta,) = bounds.__metadata__  # type: ignore[attr-defined]  # an Annotated
            described = headers["properties"][header]
            assert described["minLength"] == meta.min_length
            assert described["maxLength"] == meta.max_length


def test_the_structured_envelope_names_every_event() -> None:
    envelope = DOCUMENT["components"]["schemas"]["structuredCloudEvent"]

    assert sorted(envelope["properties"]["type"]["enum"]) == sorted(
        f"{PREFIX}{name}" for name in INPUTS
    )
    (example,) = envelope["examples"]
    event = {
        "type": "usage.recorded",
        "id": example["id"],
        "source": example["source"],
        "subscriber": example["subject"],
        "time": example["time"],
        **example["data"],
    }
    validator("usage.recorded.v1").validate(event)
