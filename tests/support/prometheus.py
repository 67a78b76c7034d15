"""A real Prometheus (Debian's) with the files of ops/."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.support import ops
from tests.support.debian_parts import debian_program
from tests.support.ports import free_port

SECONDS = 1
"""Between two evaluations."""
SCRAPE_SECONDS = 2
"""Between two readings; a process that needs longer for a page counts as down."""


class Prometheus:
    """The real one, with the files of ops/ and its own targets."""

    def __init__(self, directory: Path, targets: dict[str, list[int]]) -> None:
        config = yaml.safe_load((ops.OPS / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {
            "scrape_interval": f"{SCRAPE_SECONDS}s",
            "scrape_timeout": f"{SCRAPE_SECONDS}s",
            "evaluation_interval": f"{SECONDS}s",
        }
        config["rule_files"] = [str(ops.RULES / "*.yml")]
        del config["alerting"]
        for job in config["scrape_configs"]:
            found = directory / f"{job['job_name']}.yml"
            places = [f"127.0.0.1:{port}" for port in targets.get(job["job_name"], [])]
            listed = [{"targets": places}] if places else []
            found.write_text(yaml.safe_dump(listed))
            job["file_sd_configs"] = [{"files": [str(found)]}]
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/api/v1"
        command = [
            str(debian_program("prometheus")),
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        self._log = (directory / "prometheus.log").open("wb")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)

    def ask(self, query: str) -> list[Any]:
        """The result of a query; empty also while it starts."""
        words = urllib.parse.urlencode({"query": query})
        try:
            with urllib.request.urlopen(f"{self._url}/query?{words}", timeout=10) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return found

    def ask_range(self, query: str, begin: float, end: float, step: float) -> list[Any]:
        """The same over a time, in seconds since 1970."""
        words = urllib.parse.urlencode(
            {"query": query, "start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        )
        with urllib.request.urlopen(f"{self._url}/query_range?{words}", timeout=30) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()
