"""Kafka's jars, and the Java that runs them: found once, and kept in the user's cache."""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
DUMP_LIMIT_S = 60.0
RECORD_CLASSES = "-XX:+RecordDynamicDumpInfo"
"""An option of the broker that is to write the archive of classes."""

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


def find_java() -> str:
    """The path of a Java of JAVA_AT_LEAST or newer: $JAVA_HOME's, else the PATH's.

    Raises BrokerUnavailable if there is none, it does not run, or it is too old.
    """
    return _java()[0]


@functools.cache
def _java() -> tuple[str, str]:
    """The path of Java, and what it says of its version."""
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
    return java, said


def quick_java(version: str = KAFKA_VERSION) -> tuple[str, ...]:
    """Options with which Java starts quickly, with the classes of Kafka read already if a file of
    :func:`class_archive` is there."""
    archive = class_archive(version)
    if not archive.exists():
        return QUICK_JAVA
    # It says nothing if it cannot use the file: it reads the classes from the jars then.
    quiet = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")
    return (*QUICK_JAVA, f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", *quiet)


def class_archive(version: str = KAFKA_VERSION) -> Path:
    """Kafka's classes as this Java has read them (JEP 350); the file may not exist yet.

    With it a broker starts with two thirds of the CPU time.
    """
    return cached(f"kafka-{version}-{zlib.crc32(_java()[1].encode()):08x}.jsa")


def can_make_archive(version: str) -> bool:
    """Whether there is no archive, and a tool that makes one."""
    return version == KAFKA_VERSION and not class_archive(version).exists() and bool(_jcmd())


def make_archive(version: str, process: int) -> None:
    """Let a broker that runs with ``RECORD_CLASSES`` write the classes that it has read.

    It does nothing if another process does so just now. Nothing needs the archive, so a failure is
    ignored.
    """
    archive = class_archive(version)
    with _alone(archive.with_suffix(".lock")) as is_alone:
        if not is_alone or archive.exists():
            return
        made = archive.with_suffix(f".{process}")
        try:
            command = [str(_jcmd()), str(process), "VM.cds", "dynamic_dump", str(made)]
            subprocess.run(command, capture_output=True, timeout=DUMP_LIMIT_S)
            made.rename(archive)
        except (OSError, subprocess.TimeoutExpired):
            made.unlink(missing_ok=True)


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    with lock.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _jcmd() -> str | None:
    return shutil.which("jcmd", path=str(Path(find_java()).parent)) or shutil.which("jcmd")


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
    return [find_java(), *quick_java(version), quiet, "-cp", path, _TOOLS[script], *arguments]


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
