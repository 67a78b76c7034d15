"""All errors of the package have one base, and the command line turns them into messages."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

import streamproc
from streamproc.cli.failing import CommandGroup
from streamproc.errors import StreamprocError


def modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(streamproc.__path__, "streamproc."):
        yield found.name


def own_errors() -> list[type[BaseException]]:
    """Every class of the package that can be raised."""
    return [
        kind
        for name in modules()
        for kind in vars(importlib.import_module(name)).values()
        if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == name
    ]


def test_every_error_of_the_package_has_the_common_base() -> None:
    found = own_errors()

    assert len(found) > 40
    assert [kind for kind in found if not issubclass(kind, StreamprocError)] == []


def test_no_error_of_a_library_has_it() -> None:
    assert StreamprocError.__bases__ == (Exception,)


class Refused(StreamprocError, ValueError):
    pass


class Unsure(StreamprocError, click.ClickException):
    exit_code = 3


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (StreamprocError("the topic is not there"), 1, "Error: the topic is not there\n"),
        (Refused("no such pack"), 1, "Error: no such pack\n"),
        (Unsure("half of it was deleted"), 3, "Error: half of it was deleted\n"),
    ],
)
def test_a_command_ends_with_a_message_and_a_status(
    error: StreamprocError, status: int, said: str
) -> None:
    @click.group(cls=CommandGroup)
    def program() -> None: ...

    @program.group()
    def inner() -> None: ...

    @inner.command()
    def fail() -> None:
        raise error

    ended = CliRunner().invoke(program, ["inner", "fail"])

    assert (ended.exit_code, ended.output) == (status, said)


def test_a_fault_of_the_program_is_no_message() -> None:
    @click.group(cls=CommandGroup)
    def program() -> None: ...

    @program.command()
    def fail() -> None:
        raise RuntimeError("a bug")

    ended = CliRunner().invoke(program, ["fail"])

    assert isinstance(ended.exception, RuntimeError)
