"""docker-compose.yml, without a container engine: its schema, its broker, its commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from streamproc.cli import main
from tests.support.docker_broker import KAFKA_IMAGE
from tests.support.jvm_broker import JvmBroker
from tests.support.kafka_jars import kafka_tool
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
SERVICES: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
GREETINGS = {
    "worker-1": "input flows",
    "worker-2": "input flows",
    "dispatcher": "partition opened",
    "canary": "metrics are served",
}
"""What a service that stays writes when it works."""
LIMIT_SECONDS = 60.0


class ComposeBroker(JvmBroker):
    """The broker that the file describes; only its ports and its folder are others."""

    _quorum_options = ()  # its voters are in the settings

    def __init__(self) -> None:
        super().__init__()
        self._ports = {"9092": free_port(), "29092": self.port, "9093": self.controller_port}
        self.inside = f"127.0.0.1:{self._ports['9092']}"
        """Where containers reach it, which call it ``kafka:9092``."""

    def described(self) -> dict[str, str]:
        """The settings, from the variables as the image reads them."""
        found = {}
        for name, value in SERVICES["kafka"]["environment"].items():
            words = value.replace("kafka:9092", "127.0.0.1:9092").replace("//:", "//127.0.0.1:")
            ported = re.sub(r":(\d+)\b", lambda port: f":{self._ports[port[1]]}", words)
            found[name.removeprefix("KAFKA_").lower().replace("_", ".")] = ported
        return found

    def _settings(self, data: Path) -> dict[str, str]:
        return self.described() | {"log.dirs": str(data)}


def test_the_file_is_valid_compose() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [str(check), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_containers_write_nothing_and_have_time_to_stop() -> None:
    for name in OURS:
        service = SERVICES[name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        # docs/operations.md: a stop takes at most 15 s.
        assert service["stop_grace_period"] == "20s"


def test_the_rules_are_those_of_the_first_example_and_of_the_canary() -> None:
    rules = yaml.safe_load((ROOT / "examples/compose/rules/rules.yaml").read_text())
    first = yaml.safe_load((ROOT / "examples/first/rules.yaml").read_text())
    canary = yaml.safe_load(CliRunner().invoke(main, ["canary", "--show-rules"]).stdout)
    assert rules["plans"] == [*first["plans"], *canary["plans"]]
    assert rules["rules"] == [*first["rules"], *canary["rules"]]
    assert {**rules, "plans": 0, "rules": 0} == {**first, "plans": 0, "rules": 0}


def test_prometheus_reads_the_pages_of_the_services_and_its_files_are_there() -> None:
    settings = tomllib.loads((ROOT / "examples/compose/streamproc.toml").read_text())
    targets = ROOT / "ops" / "prometheus" / "targets"
    watched = {"worker": "worker", "dispatcher": "dispatch", "canary": "canary"}
    for job, section in watched.items():
        (group,) = yaml.safe_load((targets / f"{job}.yml").read_text())
        port = settings[section]["http_port"]
        services = [name for name in OURS if SERVICES[name]["command"] == [section]]
        assert group["targets"] == [f"{name}:{port}" for name in services]
        assert settings[section]["http_host"] == "0.0.0.0"
        # The image asks this port whether the program is well.
        assert {SERVICES[name]["environment"]["HEALTH_PORT"] for name in services} == {str(port)}
    for name in ("prometheus", "alertmanager", "grafana"):
        mounted = [one.split(":")[0] for one in SERVICES[name]["volumes"] if one.startswith("./")]
        assert mounted
        assert all((ROOT / one).is_dir() for one in mounted)
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "ops" / "grafana" / "dashboards" / Path(home).name).is_file()


def test_it_runs_the_broker_of_the_tests() -> None:
    image, _, _digest = SERVICES["kafka"]["image"].partition("@")
    assert image == KAFKA_IMAGE


@pytest.mark.timeout(240)
def test_the_services_run_in_their_order_on_the_broker_of_the_file(tmp_path: Path) -> None:
    with ComposeBroker() as broker:
        check_settings(broker)
        check_health(broker)
        run_services(broker, tmp_path)


def check_settings(kafka: ComposeBroker) -> None:
    """Kafka knows the name of each setting. It says nothing about one that does not exist."""
    admin: Any = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        resource = ConfigResource(ConfigResourceType.BROKER, "1")
        answer = admin.describe_configs([resource], config_filter="all")
    finally:
        admin.close()
    known = {name: one["value"] for name, one in answer["broker"]["1"].items()}
    wanted = {name: one for name, one in kafka.described().items() if name != "log.dirs"}
    assert {name: known.get(name) for name in wanted} == wanted


def check_health(kafka: ComposeBroker) -> None:
    """The command that says when the broker is ready."""
    kind, script, *arguments = SERVICES["kafka"]["healthcheck"]["test"]
    assert kind == "CMD"
    words = [word.replace("localhost:9092", kafka.inside) for word in arguments]
    command = kafka_tool(Path(script).stem, *words, version=kafka.version)
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def command_of(name: str) -> list[str]:
    """The command line of a service, with the entry point of the image."""
    (entry,) = re.findall(r'^ENTRYPOINT \["(\w+)"\]$', (ROOT / "Dockerfile").read_text(), re.M)
    words = SERVICES[name]["command"]
    assert not any(word.startswith("-") for word in words), "the settings file says all"
    return [sys.executable, "-m", entry, *words]


def environment_of(name: str, kafka: ComposeBroker, directory: Path) -> dict[str, str]:
    """The variables of a service: its settings file, with paths and the broker of the host."""
    service = SERVICES[name]
    volumes = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", one) for one in service["volumes"]]
    variables = service["environment"].items()
    own = {key: value for key, value in variables if key.startswith("STREAMPROC_")}
    mounted = {inside: ROOT / host for host, inside, *_ in (one.split(":") for one in volumes)}
    settings = mounted.pop(service["environment"]["STREAMPROC_CONFIG"])
    text = settings.read_text(encoding="utf-8")
    assert "kafka:9092" in text
    text = text.replace("kafka:9092", kafka.inside)
    for port in re.findall(r"(?m)^http_port = (\d+)$", text):
        text = text.replace(port, str(free_port()))
    for inside, outside in mounted.items():
        assert f"{inside}/" in text
        assert outside.is_dir(), "an editor replaces a file, and a container keeps the old one"
        text = text.replace(f"{inside}/", f"{outside}/")
    file = directory / f"{name}.toml"
    file.write_text(text)
    return {**os.environ, **own, "STREAMPROC_CONFIG": str(file)}


def run_services(kafka: ComposeBroker, tmp_path: Path) -> None:
    """Each command, when those that it waits for have come so far."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in OURS:
            conditions = {of: one["condition"] for of, one in SERVICES[name]["depends_on"].items()}
            assert conditions.keys() <= {"kafka", *started}, "the file names them in their order"
            with (tmp_path / name).open("wb") as log:
                process = started[name] = subprocess.Popen(
                    command_of(name),
                    stdout=log,
                    stderr=log,
                    cwd=tmp_path,
                    env=environment_of(name, kafka, tmp_path),
                )
            if name not in GREETINGS:
                assert process.wait(LIMIT_SECONDS) == 0, (tmp_path / name).read_text()
        for name, words in GREETINGS.items():
            log_file, process = tmp_path / name, started[name]
            wait_until(partial(has_come, process, log_file, words), LIMIT_SECONDS)
            assert words in log_file.read_text(), log_file.read_text()
        # A usage event of the canary became an SMS that the dispatcher has delivered.
        wait_until(partial(is_delivered, tmp_path / "canary"), LIMIT_SECONDS)
        for name in reversed(GREETINGS):
            log_file, process = tmp_path / name, started[name]
            # What is to be restarted only when it fails ends with success when it is stopped.
            assert SERVICES[name]["restart"] == "on-failure"
            process.terminate()
            assert process.wait(LIMIT_SECONDS) == 0, log_file.read_text()
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def is_delivered(log: Path) -> bool:
    """What the page of the canary says, whose address is in its log."""
    (url,) = re.findall(r"url=(\S+)", log.read_text())
    with urllib.request.urlopen(url.replace("0.0.0.0", "127.0.0.1"), timeout=5) as page:
        text = page.read().decode()
    found = re.findall(
        r'(?m)^streamproc_canary_stage_seconds_count\{stage="delivered",way="usage"\} (\S+)', text
    )
    return any(float(count) > 0 for count in found)


def has_come(process: subprocess.Popen[bytes], log: Path, words: str) -> bool:
    return words in log.read_text() or process.poll() is not None
