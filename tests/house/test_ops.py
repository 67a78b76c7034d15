"""ops/ and its pages: every name is defined, every alert has its tiers and its page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from streamproc.contracts.records.receipts import Status
from tests.support import ops

RUNBOOKS = ops.ROOT / "docs" / "runbooks"


@pytest.mark.parametrize("query", sorted(set(ops.queries())))
def test_a_query_names_only_what_the_program_or_a_rule_defines(query: str) -> None:
    assert ops.wrong_names(query) == []


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("sum(streamproc_worker_event_total)", ["streamproc_worker_event_total"]),
        (
            "rate(streamproc_worker_commit_duration_seconds[5m])",
            ["streamproc_worker_commit_duration_seconds"],
        ),
        (
            'streamproc_worker_events_total{reason="x"}',
            ["streamproc_worker_events_total{reason}"],
        ),
        ("streamproc:late:ratio5m > 1", ["streamproc:late:ratio5m"]),
        ("process_resident_memory_mb", ["process_resident_memory_mb"]),
    ],
)
def test_a_name_that_nothing_defines_is_found(query: str, wrong: list[str]) -> None:
    assert ops.wrong_names(query) == wrong


def test_every_record_is_used() -> None:
    used = " ".join(ops.queries())
    for rule in ops.rules():
        if "record" in rule:
            assert len(re.findall(rf"(?<![\w:]){rule['record']}(?![\w:])", used)) > 0, rule


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"index"}
    assert pages == set(ops.alerts())
    index = (RUNBOOKS / "index.md").read_text(encoding="utf-8")
    for name in sorted(pages):
        page = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {name}\n"), name
        for part in ("## Who is concerned", "## Look", "## Do"):
            assert part in page, f"{name} has no part {part}"
        assert f"[{name}]({name}.md)" in index, name


def test_the_handbook_leads_to_every_alert_by_metrics_that_exist() -> None:
    page = (ops.ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    part = page.partition("## What to watch, and why")[2].partition("\n## ")[0]
    linked = re.findall(r"\[(\w+)\]\(runbooks/(\w+)\.md\)", part)

    assert all(name == target for name, target in linked)
    assert {name for name, _ in linked} == set(ops.alerts())
    known = {re.sub(r"_(bucket|count|sum)$", "", name) for name in ops.defined()}
    assert set(re.findall(r"`((?:streamproc|process)_\w+)`", part)) - known == set()


@pytest.mark.parametrize("rule", [one for one in ops.rules() if "alert" in one], ids=str)
def test_an_alert_has_a_tier_a_summary_and_its_page(rule: dict[str, Any]) -> None:
    assert rule["labels"]["tier"] in ("orange", "red")
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"
    assert rule["annotations"]["summary"]
    assert rule.get("for", "0s") in ("0s", "15s", "30s", "45s", "10m"), "seen in two minutes"


def test_alerts_by_number_have_both_tiers() -> None:
    for rule in ops.rules():
        if "alert" in rule and ":concerned" in rule["expr"]:
            assert ops.alerts()[rule["alert"]] == {"orange", "red"}
            assert f"streamproc:tier_{rule['labels']['tier']}:subscribers" in rule["expr"]


@pytest.mark.parametrize("file", ops.DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_provisioned(file: Path) -> None:
    board = json.loads(file.read_text(encoding="utf-8"))
    assert board["uid"].startswith("streamproc-")
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in board["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"], panel["title"]
        assert {one["datasource"]["uid"] for one in panel["targets"]} <= OPS_SOURCES


OPS_SOURCES = {
    one["uid"]
    for file in (ops.OPS / "grafana" / "provisioning" / "datasources").glob("*.yml")
    for one in yaml.safe_load(file.read_text(encoding="utf-8"))["datasources"]
}


def test_statuses_of_receipts_in_queries_exist() -> None:
    known = set(get_args(Status))
    for query in ops.queries():
        for status in re.findall(r'status="(\w+)"', query):
            assert status in known


def test_the_jobs_in_rules_are_those_of_the_scrape_configuration() -> None:
    file = ops.OPS / "prometheus" / "prometheus.yml"
    jobs = {one["job_name"] for one in yaml.safe_load(file.read_text())["scrape_configs"]}
    assert jobs == {f"streamproc-{one}" for one in ("worker", "dispatcher", "canary", "tool")}
    for query in ops.queries():
        for job in re.findall(r'job="([^"]+)"', query):
            assert job in jobs
