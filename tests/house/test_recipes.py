"""The recipes: their places exist, are as few as they say, and hold where no other test does."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from importlib import resources
from pathlib import Path

import click
import pytest

from streamproc import cli
from streamproc.cli import main
from streamproc.core.rules import kinds
from streamproc.core.rules.kinds.timed import TimedRuleKind
from streamproc.core.texts import packaged_words
from streamproc.dispatch import gateways
from streamproc.dispatch.gateways.entry import GatewayKind
from streamproc.dispatch.gateways.registry import GATEWAYS
from streamproc.producing.readers import FORMS
from tests.property.rulebooks import TIMED_KINDS
from tests.support.everything import everything
from tests.support.truth.figures import SCRIPTS
from tests.support.truth.probes import ALL_LOCALES, LOCALES
from tests.support.truth.rules import rules_data
from tests.unit.test_re_arming import STORIES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "recipes"
RECIPES = sorted(path.stem for path in FOLDER.glob("*.md"))
MOST = {"usage-field": 5, "output-topic": 4, "preference": 6, "rule-kind": 5}
"""Places that a change may take."""
NUMBERS = re.compile(r"[Ii]n (\d+)\s+places(?:, and (\d+) more)?")
DOCS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))


def page(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def places(name: str) -> list[str]:
    """The path that each step begins with."""
    return re.findall(r"^\d\. `([^`]+)`", page(name), re.M)


@pytest.mark.parametrize("name", RECIPES)
def test_every_place_of_a_recipe_exists(name: str) -> None:
    found = places(name)

    assert found
    assert [one for one in found if not list(ROOT.glob(one.replace("NAME", "*")))] == []
    assert len(found) == len(re.findall(r"^\d\. ", page(name), re.M))


@pytest.mark.parametrize("name", RECIPES)
def test_every_test_that_a_recipe_names_exists(name: str) -> None:
    tests = re.findall(r"`(tests/[\w/.]+)`", page(name))

    assert [one for one in tests if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_as_many_places_as_it_says(name: str) -> None:
    told = NUMBERS.search(page(name))

    assert told is not None
    assert sum(int(one) for one in told.groups() if one) == len(places(name))
    # Every place has a test, or whatever else fails without it.
    assert page(name).count("Forgotten:") == len(places(name))


@pytest.mark.parametrize("name", MOST)
def test_a_change_takes_no_more_places_than_it_may(name: str) -> None:
    assert len(places(name)) <= MOST[name]


def test_contributing_links_every_recipe() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    assert sorted(re.findall(r"\(docs/recipes/([\w-]+)\.md\)", text)) == RECIPES


# What the recipes of rule kinds, commands, gateways, forms and languages say is held here.


def test_every_module_of_a_rule_kind_is_in_the_list() -> None:
    for found in pkgutil.iter_modules(kinds.__path__):
        module = importlib.import_module(f"{kinds.__name__}.{found.name}")
        made = [one for one in vars(module).values() if isinstance(one, kinds.RuleKind)]
        assert [one.name for one in made if one not in kinds.BUILT_IN] == [], found.name


def test_every_rule_kind_is_known_to_the_oracle() -> None:
    known = {
        node.value
        for path in (ROOT / "streamproc" / "lab" / "oracle").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }

    assert [one.name for one in kinds.BUILT_IN if one.name not in known] == []


def test_every_rule_kind_has_an_example() -> None:
    examples = set(re.findall(r"\bkind: ([a-z_]+)", DOCS))

    assert [one.name for one in kinds.BUILT_IN if one.name not in examples] == []


def test_the_large_workload_meets_every_rule_kind() -> None:
    met = {rule.kind for rule in everything().speaking()}

    assert [one.name for one in kinds.BUILT_IN if one.name not in met] == []


def test_the_random_rules_have_every_rule_kind() -> None:
    met = {rule["kind"] for seed in range(40) for rule in rules_data(seed)["rules"]}
    timed = {one.name for one in kinds.BUILT_IN if isinstance(one, TimedRuleKind)}

    assert [one.name for one in kinds.BUILT_IN if one.name not in met] == []
    assert timed == set(TIMED_KINDS)


def test_every_module_of_a_command_is_a_command() -> None:
    for found in pkgutil.iter_modules(cli.__path__):
        module = importlib.import_module(f"{cli.__name__}.{found.name}")
        command = getattr(module, found.name, None)
        if isinstance(command, click.Command):
            assert main.commands.get(found.name.replace("_", "-")) is command, found.name


@pytest.mark.parametrize("name", main.commands)
def test_every_command_is_told_in_docs(name: str) -> None:
    assert f"streamproc {name}" in DOCS


def test_every_module_of_a_gateway_is_a_kind_of_gateways() -> None:
    for found in pkgutil.iter_modules(gateways.__path__):
        module = importlib.import_module(f"{gateways.__name__}.{found.name}")
        kind = getattr(module, "KIND", None)
        if isinstance(kind, GatewayKind):
            assert GATEWAYS.get(kind.name) is kind


@pytest.mark.parametrize("name", GATEWAYS)
def test_every_kind_of_gateways_is_told(name: str) -> None:
    text = (ROOT / "docs" / "dispatcher.md").read_text(encoding="utf-8")

    assert f"kind: {name}" in text or f"**{name}**" in text


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_files_is_told(name: str) -> None:
    rows = (ROOT / "docs" / "producer.md").read_text(encoding="utf-8").splitlines()

    assert any(row.startswith("|") and f"`{name}`" in row.split("|")[1] for row in rows)


def test_only_one_function_re_arms() -> None:
    core = ROOT / "streamproc" / "core"
    setting = [
        path.relative_to(core).as_posix()
        for path in sorted(core.rglob("*.py"))
        if re.search(r"\.arming\s*=[^=]", path.read_text(encoding="utf-8"))
    ]

    assert setting == ["usage/arming.py"]


def test_the_recipe_of_re_arming_names_all_callers_and_each_has_a_story() -> None:
    core = ROOT / "streamproc" / "core"
    calling = {
        path.relative_to(ROOT / "streamproc").as_posix()
        for path in core.rglob("*.py")
        if re.search(r"(?<!def )\bre_arm\(", path.read_text(encoding="utf-8"))
    }
    told = re.findall(r"^\|.*`(core/[\w/]+\.py)` \|$", page("re-arm"), re.M)

    assert set(told) == calling == STORIES.keys()


def test_every_packaged_language_has_all_packaged_texts_and_words() -> None:
    rules = Path(str(resources.files("streamproc.contracts"))) / "rules"
    folders = {
        folder.name: {path.stem for path in folder.glob("*.yaml")}
        for folder in rules.glob("*.texts")
    }
    languages = set.union(*folders.values())
    tables = {
        name: table
        for name, table in vars(packaged_words).items()
        if name.isupper() and isinstance(table, dict)
    }

    assert languages >= {"ar", "pl", "ru", "zh-TW"}
    for name, found in folders.items():
        # English and Chinese may stand in the rules file itself.
        assert found | {"en", "zh-CN"} == languages | {"en", "zh-CN"}, name
    for name, table in tables.items():
        for inner in table.values() if isinstance(next(iter(table.values())), dict) else [table]:
            if packaged_words.DEFAULT not in inner:
                continue  # words for some languages alone, of which CLDR has another one
            known = inner.keys() | {one for one in languages if one.partition("-")[0] in inner}
            assert languages <= known, name


def packaged_languages() -> set[str]:
    rules = Path(str(resources.files("streamproc.contracts"))) / "rules"
    return {path.stem for path in rules.glob("*.texts/*.yaml")} | {"en"}


@pytest.mark.parametrize("name", ["README.md", "docs/decisions/checking.md"])
def test_a_page_says_how_many_languages_are_packaged(name: str) -> None:
    words = ["four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    told = re.findall(r"\b(\w+)\s+languages\b", (ROOT / name).read_text(encoding="utf-8"))

    assert words[len(packaged_languages()) - 4] in told


def test_every_page_of_a_process_is_told() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    served = {
        node.value
        for name in ("metrics/serving.py", "worker/app.py", "dispatch/runner.py")
        for node in ast.walk(ast.parse((ROOT / "streamproc" / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"/[a-z]+", node.value)
    }

    assert served == set(re.findall(r"^\| `(/[a-z]+)` \|", text, re.M))


def test_the_reader_of_the_tests_reads_every_packaged_language() -> None:
    packaged = packaged_languages()

    assert packaged == set(LOCALES)
    assert {one.partition("-")[0] for one in ALL_LOCALES} <= SCRIPTS.keys()
