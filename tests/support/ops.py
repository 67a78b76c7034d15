"""What stands in ops/: rules, dashboards, and the names that they use."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client import CollectorRegistry

from streamproc.metrics.homes import HOMES
from streamproc.metrics.process import register_process

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
RULES = OPS / "prometheus" / "rules"
DASHBOARDS = sorted((OPS / "grafana" / "dashboards").glob("*.json"))
SUFFIXES = {
    "counter": ("",),
    "gauge": ("",),
    "info": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}
OF_PROMETHEUS = frozenset({"job", "instance", "le"})
"""Labels that series have beside those of their declaration."""


class Panel(NamedTuple):
    """A query of a dashboard."""

    dashboard: str
    title: str
    query: str


@functools.cache
def defined() -> dict[str, frozenset[str]]:
    """The labels of each sample that a process can show, by its name."""
    found: dict[str, frozenset[str]] = {}
    for home in HOMES:
        for one in home(CollectorRegistry()).declared:
            for suffix in SUFFIXES[one.kind]:
                found[f"{one.name}{suffix}"] = frozenset(one.labels) | OF_PROMETHEUS
    registry = CollectorRegistry()
    register_process(registry)
    for family in registry.collect():
        for sample in family.samples:
            found[sample.name] = frozenset(sample.labels) | OF_PROMETHEUS
    return found


@functools.cache
def rules() -> list[dict[str, Any]]:
    """All rules of all files, in order."""
    return [
        rule
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]


def alerts() -> dict[str, set[str]]:
    """The tiers of each alert, by its name."""
    found: dict[str, set[str]] = {}
    for rule in rules():
        if "alert" in rule:
            found.setdefault(rule["alert"], set()).add(rule["labels"]["tier"])
    return found


def panels() -> Iterator[Panel]:
    """All queries of all dashboards."""
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield Panel(file.stem, panel["title"], target["expr"])


def queries() -> Iterator[str]:
    """All expressions of rules and dashboards."""
    yield from (rule["expr"] for rule in rules())
    yield from (panel.query for panel in panels())


def wrong_names(query: str) -> list[str]:
    """Names and labels in a query that nothing defines."""
    records = {rule["record"] for rule in rules() if "record" in rule}
    found = []
    for name, matchers in re.findall(
        r"(?<![\w:\"])((?:streamproc|process|python)[_:][\w:]+)(?:\{([^}]*)\})?", query
    ):
        if ":" in name:
            if name not in records:
                found.append(name)
        elif name not in defined():
            found.append(name)
        else:
            labels = set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", matchers))
            found += [f"{name}{{{label}}}" for label in sorted(labels - defined()[name])]
    return found
