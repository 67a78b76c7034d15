"""Kafka's jars, and the Java that runs them: found once, and kept in the user's cache."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.parts_cache import PartsUnavailable, appearing, cached, run

KAFKA_VERSION = "4.1.2"
OLDEST_KAFKA_VERSION = "3.9.2"
"""The oldest and the newest one that tests/interop runs."""
NEWEST_KAFKA_VERSION = "4.4.0"
#: The slf4j binding must be of the same line as the slf4j-api that this Kafka brings.
SLF4J_VERSION = "1.7.36"
JAVA_AT_LEAST = 17
QUICK_JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Java's second compiler takes more of a small machine than its code gives back in ten minutes."""
MAVEN_LIMIT_S = 300.0

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamproc.tests</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>{artifact}</artifactId>
      <version>{kafka}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>{slf4j}</version>
    </dependency>
  </dependencies>
</project>
"""


class BrokerUnavailable(RuntimeError):
    """A broker cannot run here; the message says what is missing."""


@functools.cache
def find_java() -> str:
    """The path of a Java of JAVA_AT_LEAST or newer: $JAVA_HOME's, else the PATH's.

    Raises BrokerUnavailable if there is none, it does not run, or it is too old.
    """
    need = f"the JVM broker needs Java {JAVA_AT_LEAST} or newer"
    home = os.environ.get("JAVA_HOME")
    at_home = None if not home else shutil.which("java", path=str(Path(home, "bin")))
    java = at_home or shutil.which("java")
    if java is None:
        raise BrokerUnavailable(f"{need}: no 'java' in $JAVA_HOME or on the PATH")
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerUnavailable(f"{need}: {java} does not run ({error})") from error
    said = done.stderr + done.stdout
    found = re.search(r'version "(\d+)', said)
    if done.returncode != 0 or found is None:
        raise BrokerUnavailable(f"{need}: {java} -version says: {said.strip()[:300]}")
    if int(found[1]) < JAVA_AT_LEAST:
        raise BrokerUnavailable(f"{need}: {java} is Java {found[1]}")
    return java


def cache_directory(version: str = KAFKA_VERSION) -> Path:
    """The directory of the jars of a version; it may not exist yet."""
    return cached(f"kafka-{version}")


def kafka_classpath(version: str = KAFKA_VERSION) -> str:
    """The class path of Kafka's server, clients and tools; fetches jars that the cache lacks.

    Raises BrokerUnavailable if they are not cached and Maven is missing or cannot bring them.
    """
    return _jars(cache_directory(version), "kafka_2.13", version)


def kafka_tool(script: str, *arguments: str, version: str = KAFKA_VERSION) -> list[str]:
    """The command of one of Kafka's scripts, such as ``kafka-configs``, without the scripts.

    Raises BrokerUnavailable like :func:`kafka_classpath`.
    """
    jars = _jars(cached(f"kafka-tools-{version}"), "kafka-tools", version)
    path = f"{kafka_classpath(version)}:{jars}"
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [find_java(), *QUICK_JAVA, quiet, "-cp", path, _TOOLS[script], *arguments]


_TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
"""The class behind each script; ``kafka-configs`` of Kafka 4.1."""


def _jars(home: Path, artifact: str, version: str) -> str:
    if not _is_complete(home, artifact, version):
        _fetch(home, artifact, version)
    return str(home / "*")


def _is_complete(home: Path, artifact: str, version: str) -> bool:
    return (home / f"{artifact}-{version}.jar").is_file()


def _fetch(home: Path, artifact: str, version: str) -> None:
    """Let Maven copy the jars into ``home``, which is created complete or not at all."""
    what = f"Kafka {version}'s jars are not in {home}"
    try:
        fetch_jars(
            home,
            _POM.format(artifact=artifact, kafka=version, slf4j=SLF4J_VERSION),
            lambda jars: _is_complete(jars, artifact, version),
        )
    except PartsUnavailable as error:
        raise BrokerUnavailable(f"{what}; {error}") from error


def fetch_jars(home: Path, pom: str, is_complete: Callable[[Path], bool] = Path.exists) -> None:
    """Let Maven copy the jars of a project's dependencies into ``home``.

    It is created complete or not at all. Raises PartsUnavailable.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise PartsUnavailable("fetching them needs Maven: no 'mvn' on the PATH")
    with appearing(home, "jars", is_complete) as scratch:
        file, jars = scratch / "pom.xml", scratch / "jars"
        file.write_text(pom)
        command = [maven, "-q", "-B", "-f", str(file), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        run("Maven", command, scratch, MAVEN_LIMIT_S)
        if not is_complete(jars):
            raise PartsUnavailable(f"Maven brought only some of them to {home}")
