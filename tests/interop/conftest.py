"""Findings of the interop suite: tests record them, and ``--write-findings`` writes the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.interop.page import PAGE, Finding, written
from tests.interop.parts import Part

_FINDINGS = "interop findings"

Record = Callable[[Part, str, str], None]
"""Part, what was tried, what came of it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("streamproc").addoption(
        "--write-findings",
        action="store_true",
        help="write the tables of docs/interop.md if every test passes (make interop)",
    )


@pytest.fixture
def record_finding(request: pytest.FixtureRequest) -> Record:
    """Records a row of docs/interop.md."""
    # Of the report, so that it comes back from another process (pytest-xdist), too.
    properties = request.node.user_properties
    return lambda part, tried, result: properties.append((_FINDINGS, (part.name, tried, result)))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    if not config.getoption("write_findings", default=False):
        return
    if exitstatus != pytest.ExitCode.OK or terminalreporter.stats.get("skipped"):
        terminalreporter.line(f"{PAGE.name} was not written: not every test passed", red=True)
        return
    findings = list(_found(terminalreporter.stats.get("passed", [])))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), findings), encoding="utf-8")
    terminalreporter.line(f"{PAGE.name} has {len(findings)} findings")


def _found(reports: list[pytest.TestReport]) -> Iterator[Finding]:
    for report in reports:
        for name, value in report.user_properties:
            if name == _FINDINGS:
                yield Finding(*value)  # type: ignore[misc]  # pytest types it as object
