"""The files of the Helm chart that follow others: topics, rights, rules and dashboards."""

from __future__ import annotations

from tests.support.ops import OPS
from tests.support.packaging import chart


def test_topics_and_rights_are_those_of_the_registry() -> None:
    assert chart.FILE.read_text(encoding="utf-8") == chart.text(), "make tables"


def test_rules_and_dashboards_are_the_files_of_ops_themselves() -> None:
    for name, home in {"rules": "prometheus/rules", "dashboards": "grafana/dashboards"}.items():
        assert (chart.CHART / "files" / name).resolve() == (OPS / home).resolve()
