"""Runs printed commands of ``kafka-acls``, with Kafka's own tool in one Java program."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.support.kafka_jars import KAFKA_VERSION, QUICK_JAVA, fetch_jars, find_java
from tests.support.parts_cache import cached

TOOL = "kafka-acls.sh"
PROGRAM = Path(__file__).with_name("AclLines.java")
LIMIT_SECONDS = 120.0

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamproc.tests</groupId>
  <artifactId>kafka-tools-jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def _is_complete(home: Path) -> bool:
    return (home / f"kafka-tools-{KAFKA_VERSION}.jar").is_file()


def run_kafka_acls(lines: Iterable[str]) -> str:
    """Run the commands; returns what the tool says. Each begins with ``kafka-acls.sh``.

    Raises ``PartsUnavailable`` if Kafka's tools cannot be fetched.
    """
    home = cached(f"kafka-tools-{KAFKA_VERSION}")
    if not _is_complete(home):
        fetch_jars(home, _POM, _is_complete)
    with tempfile.TemporaryDirectory() as directory:
        arguments = []
        for line in lines:
            tool, *words = shlex.split(line)
            assert tool == TOOL, line
            arguments.append("\t".join(words) + "\n")
        file = Path(directory) / "lines"
        file.write_text("".join(arguments))
        command = [find_java(), *QUICK_JAVA, "-cp", str(home / "*"), str(PROGRAM), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
