"""Foreign parts from Maven: pinned libraries for small Java programs, kept in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.kafka_jars import MAVEN_LIMIT_S, BrokerUnavailable, find_java
from tests.support.npm_parts import LEFT_OUT


class JarsUnavailable(RuntimeError):
    """The libraries cannot be had here; the message says what is missing."""


def java_program(source: Path, *libraries: str) -> list[str]:
    """The command that runs a program of one file. ``libraries`` are ``group:artifact:version``.

    Where there is no Java or no registry, the test is skipped, and the end of the run says so. With
    CI set and Java there, what is missing is an error.
    """
    try:
        java = find_java()
    except BrokerUnavailable as error:
        pytest.skip(f"{LEFT_OUT}: {error}")
    try:
        jars = _jars(libraries)
        classes = _compiled(source, jars, java)
    except JarsUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{LEFT_OUT}: {error}")
    return [java, "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{jars}/*", source.stem]


@functools.cache
def _jars(libraries: tuple[str, ...]) -> Path:
    name = hashlib.sha256("\n".join(libraries).encode()).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME")
    home = Path(base or Path.home() / ".cache") / "streamproc" / f"maven-{name}"
    if not home.is_dir():
        _fetch(home, libraries)
    return home


@functools.cache
def _compiled(source: Path, jars: Path, java: str) -> Path:
    """The classes of a program, compiled once for each of its versions."""
    digest = hashlib.sha256(source.read_bytes() + str(jars).encode()).hexdigest()[:16]
    home = jars.with_name(f"java-{digest}")
    if home.is_dir():
        return home
    compiler = shutil.which("javac", path=str(Path(java).parent)) or shutil.which("javac")
    if compiler is None:
        raise JarsUnavailable("no 'javac' beside 'java' or on the PATH")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f"{home.name}.") as scratch:
        classes = Path(scratch, "classes")
        command = [compiler, "-nowarn", "-cp", f"{jars}/*", "-d", str(classes), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_LIMIT_S)
        if done.returncode != 0:
            raise RuntimeError(f"{source} does not compile:\n{done.stderr}")
        try:
            classes.rename(home)
        except OSError:
            if not home.is_dir():
                raise
    return home


def _fetch(home: Path, libraries: tuple[str, ...]) -> None:
    """Have Maven fill ``home``, which appears whole or not at all."""
    maven = shutil.which("mvn")
    if maven is None:
        raise JarsUnavailable(f"{home} is missing, and no 'mvn' is on the PATH")
    home.parent.mkdir(parents=True, exist_ok=True)
    # Beside its final place, for a rename works only within one file system.
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f"{home.name}.") as scratch:
        pom, jars = Path(scratch, "pom.xml"), Path(scratch, "jars")
        pom.write_text(_pom(libraries))
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=MAVEN_LIMIT_S, cwd=scratch
            )
        except subprocess.TimeoutExpired as error:
            raise JarsUnavailable(f"Maven took over {MAVEN_LIMIT_S:g} s") from error
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()[-1500:]
            raise JarsUnavailable(f"Maven could not bring them:\n{said}")
        try:
            jars.rename(home)
        except OSError:
            # Another process was first: its jars are as good. Otherwise it is a real error.
            if not home.is_dir():
                raise


def _pom(libraries: tuple[str, ...]) -> str:
    named = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId>"
        "<version>{}</version></dependency>".format(*one.split(":"))
        for one in libraries
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>streamproc.tests</groupId><artifactId>parts</artifactId><version>1</version>"
        f"<dependencies>{named}</dependencies></project>"
    )
