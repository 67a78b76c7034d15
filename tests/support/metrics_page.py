"""The pages that a process serves with ``--http-port 0``; its log contains the port."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import wait_until


def url_in(log: Path) -> str:
    """The address of the last process that was started with this log; without a path."""
    found = re.findall(r"(http://[\d.]+:\d+)/metrics", log.read_text(errors="replace"))
    return found[-1] if found else ""


def probe(log: Path, path: str) -> tuple[int, str]:
    """Status and text of `/livez` or `/readyz`."""
    try:
        with urllib.request.urlopen(url_in(log) + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def page(log: Path) -> dict[str, Counter[tuple[str, ...]]]:
    """Samples of `/metrics` by name, then by the values of their labels (ascending names)."""
    url = wait_until(lambda: url_in(log))
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, Counter[tuple[str, ...]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values = found.setdefault(sample.name, Counter())
            values[tuple(sample.labels.values())] = sample.value  # type: ignore[assignment]
    return found
