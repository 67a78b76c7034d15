"""Foreign parts from Maven: pinned libraries for small Java programs, kept in the user's cache."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.kafka_jars import (
    MAVEN_LIMIT_S,
    QUICK_JAVA,
    BrokerUnavailable,
    fetch_jars,
    find_java,
)
from tests.support.npm_parts import LEFT_OUT, is_duty
from tests.support.parts_cache import PartsUnavailable, appearing, cached


def java_program(source: Path, *libraries: str) -> list[str]:
    """The command that runs a program; classes that it uses lie beside it.

    ``libraries`` are ``group:artifact:version``.

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
    except PartsUnavailable as error:
        if is_duty(os.environ, java):
            raise
        pytest.skip(f"{LEFT_OUT}: {error}")
    return [java, *QUICK_JAVA, "-cp", f"{classes}:{jars}/*", source.stem]


@functools.cache
def _jars(libraries: tuple[str, ...]) -> Path:
    name = hashlib.sha256("\n".join(libraries).encode()).hexdigest()[:16]
    home = cached(f"maven-{name}")
    if not home.is_dir():
        fetch_jars(home, _pom(libraries))
    return home


@functools.cache
def _compiled(source: Path, jars: Path, java: str) -> Path:
    """The classes of a program and of what it uses beside it, compiled once for each version."""
    digest = hashlib.sha256(f"{source.name} {jars}".encode())
    for file in sorted(source.parent.glob("*.java")):
        digest.update(file.read_bytes())
    home = jars.with_name(f"java-{digest.hexdigest()[:16]}")
    if home.is_dir():
        return home
    compiler = shutil.which("javac", path=str(Path(java).parent)) or shutil.which("javac")
    if compiler is None:
        raise PartsUnavailable("no 'javac' beside 'java' or on the PATH")
    with appearing(home, "classes") as scratch:
        classes = scratch / "classes"
        command = [compiler, "-nowarn", "-cp", f"{jars}/*", "-sourcepath", str(source.parent)]
        command += ["-d", str(classes), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_LIMIT_S)
        if done.returncode != 0:
            raise RuntimeError(f"{source} does not compile:\n{done.stderr}")
    return home


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
