"""What pages tell readers to type can be typed: commands, options, targets, modules, tests, names.

That commands do what pages say is tested where the page is about them. Here no page is left out.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from streamproc.cli import main
from streamproc.cli.configuration.settings import Registry
from streamproc.cli.moved import moved_option
from streamproc.cli.values import FilePath
from tests.contract.contract import TYPES, validator
from tests.support.shell_words import commands_of

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "schemas", "streamproc", "native", "perf", "tests", "examples", ".github")
PAGES = [
    path
    for path in (*ROOT.glob("*.md"), *(one for name in FOLDERS for one in (ROOT / name).rglob("*")))
    if path.suffix == ".md" and not {"node_modules", "data", "_site"} & set(path.parts)
]
FOREIGN = {
    *(
        "apt-get",
        "cat",
        "chmod",
        "cp",
        "curl",
        "docker",
        "echo",
        "export",
        "git",
        "head",
        "helm",
        "systemctl",
        "kubectl",
    ),
    *(
        "kafka-acls.sh",
        "kafka-configs",
        "kafka-consumer-groups",
        "kafka-configs.sh",
        "kafka-reassign-partitions",
        "openssl",
    ),
    *(
        "kafka-console-consumer",
        "kafka-delegation-tokens.sh",
        "kinit",
        "mvn",
        "npm",
        "base64",
        "rm",
    ),
    *("pip", "umask", "$EDITOR", "keytool", "mkdir", "mv", "cd", "cargo", "docker-compose", "perf"),
}
"""Programs of others, whose options are not checked here."""
PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_.:,/-]*|.*(\$|\.\.\.|…|<|\{|\[).*")


EXAMPLES = {("streamproc", "partition", "NUMBER")}
"""What a recipe makes."""


def problem_with(words: tuple[str, ...], is_whole: bool) -> str:
    """Why a command cannot be given; empty if it can."""
    program, rest = words[0].removeprefix(".venv/bin/"), list(words[1:])
    if program == "streamproc" and words not in EXAMPLES:
        if not is_whole and rest and rest[-1].startswith("--"):
            rest.append("VALUE")  # an option is named, not given
        return _of_ours(rest)
    if program == "make":
        return _of_make(rest)
    if program in ("python", "python3") and rest[:1] == ["-m"] and len(rest) > 1:
        return _of_module(rest[1], rest[2:])
    if program == "pytest":
        return _of_pytest(rest)
    if is_whole and program not in FOREIGN | {"python", "python3"}:
        return f"unknown program {program}"
    return ""


def _of_ours(words: list[str]) -> str:
    command: click.Command = main
    context = click.Context(main, info_name="streamproc")
    if words[:2] == ["config", "show"]:  # what it shows is the words of another command
        words = words[2:]
    while True:
        context.allow_interspersed_args = command.allow_interspersed_args
        try:
            given, words, _ = command.make_parser(context).parse_args(args=words)
        except click.UsageError as error:
            return error.format_message()
        wrong = _wrong_value(command, given, context)
        if wrong or not isinstance(command, click.Group):
            break
        if not words or PLACEHOLDER.fullmatch(words[0]):
            return ""
        name, words = words[0], words[1:]
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
        context = click.Context(command, parent=context, info_name=name)
    if wrong:
        return wrong
    # A flag needs no value, so the one that was added may be left.
    return f"too many arguments: {words}" if words and not _has_placeholder(words) else ""


def _wrong_value(command: click.Command, given: dict[str, Any], context: click.Context) -> str:
    """The first value that an option does not take. Files need not be there."""
    moved = [
        one.name
        for one in command.params
        if one.name in given
        and (one.callback and one.callback.__module__ == moved_option.__module__)
    ]
    if moved:
        return f"{moved} became commands"
    types = {one.name: one.type for one in command.params}
    for name, values in given.items():
        for value in values if isinstance(values, list | tuple) else [values]:
            kind = types.get(name)
            if kind is None or not isinstance(value, str) or PLACEHOLDER.fullmatch(value):
                continue
            if isinstance(kind, FilePath | click.Path) or value.startswith(("@", "-", "pack:")):
                continue
            try:
                kind.convert(value, None, context)
            except click.BadParameter as error:
                return f"{name}: {error.format_message()}"
    return ""


def _has_placeholder(words: Iterable[str]) -> bool:
    return any(PLACEHOLDER.fullmatch(word) for word in words)


def _of_make(words: list[str]) -> str:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, re.M))
    missing = [one for one in words if re.fullmatch("[a-z]+", one) and one not in targets]
    return f"no target {missing}" if missing else ""


def _of_module(name: str, words: list[str]) -> str:
    if PLACEHOLDER.fullmatch(name):
        return ""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        return f"no module {name}"
    if not name.startswith(("perf", "tests", "streamproc")):
        return ""
    # The options of a program of ours are in its own module or, of a package, beside it.
    path = Path(found.origin)
    files = path.parent.glob("*.py") if path.name == "__init__.py" else [path]
    text = "".join(one.read_text(encoding="utf-8") for one in files)
    options = [one.partition("=")[0] for one in words if one.startswith("--")]
    unknown = [one for one in options if f'"{one}"' not in text]
    return f"{name} has no option {unknown}" if unknown else ""


def _of_pytest(words: list[str]) -> str:
    paths = [one.partition("::")[0] for one in words if one.startswith("tests")]
    missing = [one for one in paths if not (ROOT / one).exists()]
    return f"no file {missing}" if missing else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_can_be_given(page: Path) -> None:
    # The changelog also names what there was.
    names = [] if page.name == "CHANGELOG.md" else main.commands
    found = {
        " ".join(words): problem
        for words, is_whole in commands_of(page.read_text(encoding="utf-8"), *names)
        if (problem := problem_with(words, is_whole))
    }

    assert found == {}


def test_commands_are_found_and_wrong_ones_noticed() -> None:
    page = """Run `make unit` or `streamproc verify --sahre 1`.

```sh
streamproc send --broker $B x.ndjson && FOO=1 streamproc worker \\
    --nosuch > out   # --not-this
streamproc dispatch --stats
make nosuch | python -m perf.nosuch
```

    .venv/bin/pytest tests/nosuch
"""
    found = list(commands_of(page))
    assert [one.words[0].rpartition("/")[2] for one in found] == [
        *("streamproc", "streamproc", "streamproc", "make", "python", "pytest", "make"),
        "streamproc",
    ]
    assert found[1].words == ("streamproc", "worker", "--nosuch")
    problems = [problem_with(*one) for one in found]
    right = [False, True, True, True, True, True, False, True]
    assert [bool(problem) for problem in problems] == right


def _sources(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            yield path.read_text(encoding="utf-8")


def test_every_variable_that_a_page_names_is_read() -> None:
    known = set(
        re.findall(r"STREAMPROC_[A-Z0-9_]+", "".join(_sources("streamproc", "tests", "perf")))
    )
    known |= {name for one in Registry(main).settings for name in one.variables}
    named = {
        name
        for page in PAGES
        if page.name != "CHANGELOG.md"  # which names what there is not any more
        for name in re.findall(r"STREAMPROC_[A-Z0-9_]*[A-Z0-9]\b", page.read_text(encoding="utf-8"))
    }

    assert len(named) > 20
    assert named - known == set()


@pytest.mark.parametrize(
    ("page", "heading"), [("operations.md", "Logs"), ("dispatcher.md", "What the log says")]
)
def test_every_log_line_that_a_page_lists_is_written(page: str, heading: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    listed = [line for row in rows for line in re.findall(r"`([^`]+)`", row)]
    written = "\n".join(
        node.value
        for source in _sources("streamproc")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )

    assert len(listed) >= 8
    assert [line for line in listed if line not in written] == []


BLOCK = re.compile(r"^( *)```(json|yaml|toml)\n(.*?)^ *```", re.M | re.S)
SAMPLES = [
    pytest.param(language, block, id=f"{page.relative_to(ROOT).as_posix()} {number}")
    for page in PAGES
    for number, (_, language, block) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("language", "block"), SAMPLES)
def test_every_sample_can_be_read(language: str, block: str) -> None:
    readers: dict[str, Any] = {"yaml": yaml.safe_load, "toml": tomllib.loads, "json": _records}
    found = readers[language](block)

    assert found
    for record in found if language == "json" else []:
        name = f"{record.get('type')}.v1"
        if name in TYPES:
            validator(name).validate(record)


def _records(block: str) -> list[dict[str, Any]]:
    """One over several lines, or one on each."""
    try:
        return [json.loads(block)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in block.splitlines()]
