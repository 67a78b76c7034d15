"""The Helm chart by helm itself: it lints, renders, and all that it renders is what the cluster's
own definitions and the program's registries know."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from streamproc.cli import main
from tests.contract.test_strimzi import DATA as STRIMZI
from tests.contract.test_strimzi import strict
from tests.support import ops
from tests.support.command_pages import REGISTRY
from tests.support.go_parts import TOOL_LIMIT_S, go_tool
from tests.support.packaging.chart import CHART, topics

# The first one may have to build helm.
pytestmark = pytest.mark.timeout(TOOL_LIMIT_S + 60)

DEFINITIONS = Path(__file__).parent / "data" / "kubernetes"
OF_OPERATORS = {
    "KafkaTopic": DEFINITIONS / "kafkatopic-v1.json",
    "KafkaUser": STRIMZI / "kafkauser-v1.json",
    "PrometheusRule": DEFINITIONS / "prometheusrule-v1.json",
    "ScaledObject": DEFINITIONS / "scaledobject-v1alpha1.json",
    "ServiceMonitor": DEFINITIONS / "servicemonitor-v1.json",
}
KUBERNETES = ("1.27", "1.37")
"""The oldest that the chart is for, and the newest that is known here."""
Document = dict[str, Any]

ALL = """
image: {repository: registry.example/streamproc, digest: "sha256:%s", pullSecrets: [registry]}
appId: sms
rules: "plans: {}"
alarmWebhook: https://alarms.example/hook
secrets:
  idKey: {secret: keys, key: id-key}
  numberKey: {secret: keys, key: number-key}
  alarmWebhookKey: {secret: keys, key: alarm-webhook-key}
worker:
  settings: {WORKER_COMMIT_INTERVAL_SECONDS: 0.2, LOG_LEVEL: debug}
  tolerations: [{key: dedicated, operator: Exists}]
  nodeSelector: {pool: sms}
dispatcher:
  gatewaysSecret: gateways
  gatewayFiles: [smsc-tls]
  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 2775, protocol: TCP}]}]
canary: {enabled: true}
strimzi: {namespace: kafka, users: [worker, dispatcher, canary, billing, history, operator, reader]}
monitoring: {labels: {release: prometheus}}
autoscaling: {enabled: true}
""" % ("ab" * 32)  # fmt: skip
PLAIN = """
kafka: {bootstrap: "kafka:9092", caSecret: "", login: none, ports: [9092]}
strimzi: {enabled: false}
dispatcher: {enabled: false}
networkPolicy: {enabled: false}
monitoring: {enabled: false, dashboards: false}
"""
CASES = {"as it is": "{}", "all": ALL, "plain": PLAIN}


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    program = go_tool("helm", "helm.sh/helm/v3/cmd/helm")
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=60)


@cache
def rendered(values: str, version: str = KUBERNETES[0]) -> tuple[Document, ...]:
    program = go_tool("helm", "helm.sh/helm/v3/cmd/helm")
    words = ["template", "sms", str(CHART), "--kube-version", version, "--namespace", "carrier"]
    done = subprocess.run(
        [str(program), *words, "--values", "-"],
        input=values, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.safe_load_all(done.stdout) if one)


def refused(values: str) -> str:
    with pytest.raises(AssertionError) as error:
        rendered(values)
    return str(error.value)


def of_kind(kind: str, values: str = ALL) -> list[Document]:
    return [one for one in rendered(values) if one["kind"] == kind]


def pods(values: str) -> dict[str, Document]:
    """The pod of each program, by its command."""
    found = {}
    for one in rendered(values):
        if one["kind"] in ("StatefulSet", "Deployment"):
            pod = one["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            found[container["args"][0]] = pod
    return found


def environment(pod: Document) -> dict[str, Any]:
    return {
        one["name"]: one.get("value", one.get("valueFrom")) for one in pod["containers"][0]["env"]
    }


def test_helm_finds_nothing_to_say() -> None:
    done = helm("lint", "--strict", "--kube-version", KUBERNETES[0], str(CHART))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered_is_what_a_cluster_knows(case: str) -> None:
    for version in KUBERNETES:
        for one in rendered(CASES[case], version):
            if one["kind"] in OF_OPERATORS:
                schema = strict(json.loads(OF_OPERATORS[one["kind"]].read_text(encoding="utf-8")))
                assert [error.message for error in Draft7Validator(schema).iter_errors(one)] == []
            else:
                kubernetes_validate.validate(one, version, strict=True)


def test_the_definitions_refuse_what_a_cluster_does_not_know() -> None:
    worker = json.loads(json.dumps(of_kind("StatefulSet")[0]))
    worker["spec"]["template"]["spec"]["terminationGraceSeconds"] = 30
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(worker, KUBERNETES[0], strict=True)
    for kind, file in OF_OPERATORS.items():
        one = json.loads(json.dumps(of_kind(kind)[0]))
        one["spec"]["nobody"] = "knows"
        schema = strict(json.loads(file.read_text(encoding="utf-8")))
        assert list(Draft7Validator(schema).iter_errors(one)), kind


@pytest.mark.parametrize("case", CASES)
def test_each_variable_is_one_of_the_program(case: str) -> None:
    known: dict[str, set[str]] = {}
    for path in REGISTRY.commands:
        for setting in REGISTRY.of(path).values():
            known.setdefault(path[0], set()).update(setting.variables)
    for command, pod in pods(CASES[case]).items():
        wrong = {name.removesuffix("_FILE") for name in environment(pod)} - {
            name.removesuffix("_FILE") for name in known[command]
        }
        assert wrong == set(), command


def test_topics_are_those_that_the_program_would_make() -> None:
    made = {one["spec"]["topicName"]: one["spec"] for one in of_kind("KafkaTopic")}
    assert made.keys() == {one["name"].replace("@app@", "sms") for one in topics()}
    for one in topics():
        spec = made[one["name"].replace("@app@", "sms")]
        assert spec["partitions"] == (one["partitions"] or 12)
        assert spec["config"] == {**one["config"], "min.insync.replicas": 2}


@pytest.mark.parametrize(
    "role", ["worker", "dispatcher", "billing", "history", "operator", "reader"]
)
def test_rights_are_those_that_the_program_prints(role: str) -> None:
    (user,) = [one for one in of_kind("KafkaUser") if one["metadata"]["name"].endswith(f"-{role}")]
    words = ["acls", "--role", role, "--format", "strimzi", "--app-id", "sms"]
    words += ["--group", "sms-dispatch"] if role == "dispatcher" else []
    printed = yaml.safe_load(CliRunner().invoke(main, words).stdout)
    assert user["spec"] == printed["spec"]


def test_a_program_logs_in_as_the_user_that_is_made() -> None:
    users = {one["metadata"]["name"] for one in of_kind("KafkaUser")}
    for command, pod in pods(ALL).items():
        variables = environment(pod)
        assert variables["STREAMPROC_KAFKA_SASL_USERNAME"] in users, command
        secrets = {one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one}
        assert variables["STREAMPROC_KAFKA_SASL_USERNAME"] in secrets


@pytest.mark.parametrize("case", CASES)
def test_no_secret_is_in_a_variable_and_each_file_is_mounted_and_closed(case: str) -> None:
    for pod in pods(CASES[case]).values():
        volumes = {one["name"]: one for one in pod["volumes"]}
        (container,) = pod["containers"]
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert volumes.keys() == set(mounts.values())
        for name, value in environment(pod).items():
            assert not re.search("PASSWORD$|KEY$|SECRET$", name)
            if isinstance(value, str) and value.startswith("/"):
                assert Path(value).parent.as_posix() in mounts, name
            if name.endswith("_FILE"):
                volume = volumes[mounts[Path(str(value)).parent.as_posix()]]
                assert volume["secret"]["defaultMode"] == 0o440
                assert pod["securityContext"]["fsGroup"] == 10001


@pytest.mark.parametrize("case", CASES)
def test_a_pod_may_do_little_and_ends_in_time(case: str) -> None:
    for pod in pods(CASES[case]).values():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        pages = {
            probe: container[probe]["httpGet"]["path"]
            for probe in ("livenessProbe", "readinessProbe")
        }
        assert pages == {"livenessProbe": "/livez", "readinessProbe": "/readyz"}
        waits = container.get("lifecycle", {}).get("preStop", {"exec": {"command": ["sleep", "0"]}})
        _, seconds = waits["exec"]["command"]
        # docs/operations.md: a stop takes at most 15 s.
        assert int(seconds) + 15 < pod["terminationGracePeriodSeconds"]


def test_a_pod_keeps_its_name_in_the_group_and_its_partitions() -> None:
    for command in ("worker", "dispatch"):
        name = f"STREAMPROC_{command.upper()}_INSTANCE_ID"
        assert environment(pods(ALL)[command])[name] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_rules_and_dashboards_are_those_of_ops() -> None:
    (made,) = of_kind("PrometheusRule", "tiers: {orange: 77, red: 888}")
    groups = {one["name"]: one for one in made["spec"]["groups"]}
    source = [
        group
        for file in sorted(ops.RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    ]
    assert groups.keys() == {one["name"] for one in source}
    tiers = groups.pop("streamproc-tiers")["rules"]
    (wanted,) = (one["rules"] for one in source if one["name"] == "streamproc-tiers")
    assert [one["record"] for one in tiers] == [one["record"] for one in wanted]
    assert [one["expr"] for one in tiers] == ["vector(77)", "vector(888)"]
    assert all(groups[one["name"]] == one for one in source if one["name"] in groups)
    boards = {
        name: json.loads(text)
        for one in of_kind("ConfigMap")
        for name, text in one["data"].items()
        if name.endswith(".json")
    }
    assert boards == {one.name: json.loads(one.read_text()) for one in ops.DASHBOARDS}


def test_the_jobs_are_those_that_the_rules_know() -> None:
    jobs = {
        one["spec"]["endpoints"][0]["relabelings"][0]["replacement"]
        for one in of_kind("ServiceMonitor")
    }
    config = yaml.safe_load((ops.OPS / "prometheus" / "prometheus.yml").read_text())
    known = {one["job_name"] for one in config["scrape_configs"]}
    assert jobs == known - {"streamproc-tool"}


def test_more_workers_come_by_lag_in_seconds() -> None:
    (scaled,) = of_kind("ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    assert ops.wrong_names(re.sub(r',namespace="\w+"', "", query)) == []
    assert "streamproc_worker_lag_seconds" in query
    (worker,) = (
        one for one in of_kind("StatefulSet") if one["metadata"]["name"].endswith("worker")
    )
    assert "replicas" not in worker["spec"], "each deployment would undo what KEDA has done"
    assert scaled["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("worker: {replica: 4}", "additional properties 'replica' not allowed"),
        ("partitions: many", "/partitions"),
        ("kafka: {bootstrap: kafka}", "/kafka/bootstrap"),
        ("canary: {deadlineSeconds: 90}", "/canary/deadlineSeconds"),
        ("worker: {replicas: 13}", "worker.replicas is greater than partitions"),
        ("worker: {standbys: 3}", "worker.standbys must be less"),
        ("worker: {preStopSeconds: 11}", "a stop takes 15 s at most"),
        ("dispatcher: {terminationGracePeriodSeconds: 15}", "a stop takes 15 s at most"),
        ("autoscaling: {enabled: true, maxReplicas: 13}", "greater than partitions"),
        ("autoscaling: {enabled: true, minReplicas: 1}", "greater than worker.standbys"),
        ("{autoscaling: {enabled: true}, monitoring: {enabled: false}}", "needs monitoring"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_words(values: str, words: str) -> None:
    assert words in refused(values)
