"""Every option of every command: flag, variable and file give the same value, in this order."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest

from streamproc.cli import main
from streamproc.cli.configuration.defaults import ConfigFile, FileDefaults
from streamproc.cli.configuration.settings import Place, Setting, registry_of
from streamproc.cli.durations import Duration, Instant
from streamproc.cli.kafka_options import BrokerOption
from streamproc.cli.regions import Region
from streamproc.cli.shared_options import SecretFile, bare
from streamproc.cli.topic_options import RetentionValue
from streamproc.cli.values import Addresses, FilePath
from streamproc.kafka.secret import Secret

REGISTRY = registry_of(main)
SETTINGS = REGISTRY.settings
SETTINGS_OF: dict[Place, dict[str, Setting]] = {}
for _one in SETTINGS:
    SETTINGS_OF.setdefault(_one.command, {})[_one.key] = _one

BY_TYPE: dict[type[click.ParamType], tuple[str, str]] = {
    Addresses: ("a:1", "b:2"),
    Duration: ("3s", "4m"),
    Instant: ("2026-01-05T08:00:00Z", "2026-01-06T08:00:00Z"),
    RetentionValue: ("audit=90d", "inputs=forever"),
    Region: ("CN", "DE"),
    click.DateTime: ("2026-01-05", "2026-01-06"),
}
"""Two values of each type that does not take any text."""


def two_values(setting: Setting, folder: Path) -> tuple[Any, Any]:
    """Two values that differ, as the file has them."""
    option, kind = setting.option, setting.option.type
    if option.is_flag:
        return True, False
    if isinstance(kind, FilePath):
        # Some paths must exist, as a directory or as a file.
        names = [folder / ("d" if not kind.file_okay else "f") / str(one) for one in (1, 2)]
        for name in names:
            name.parent.mkdir(exist_ok=True)
            if kind.file_okay:
                name.write_text("secret", encoding="utf-8")
                name.chmod(0o600)
            else:
                name.mkdir(exist_ok=True)
        return str(names[0]), str(names[1])
    if isinstance(kind, click.Choice):
        return kind.choices[0], kind.choices[1]
    if isinstance(kind, click.IntRange):
        return int(kind.min or 0) + 1, int(kind.min or 0) + 2
    if type(kind).__name__ == "FormName":
        return "ndjson", "auto"
    if isinstance(kind, click.types.IntParamType):
        return 1, 2
    if isinstance(kind, click.FloatRange):
        least = float(kind.min or 0)
        return (1.0, 0.5) if kind.max == 1 else (least + 1.0, least + 2.5)
    for one, values in BY_TYPE.items():
        if isinstance(kind, one):
            return values
    return "1", "2"


def as_words(setting: Setting, value: Any) -> list[str]:
    """The words of a command line that give the value."""
    option = setting.option
    if option.is_flag:
        return [option.opts[0] if value else (option.secondary_opts or [""])[0]]
    return [option.opts[0], str(value)]


def as_toml(values: dict[Place, Any]) -> str:
    """A file with these values."""
    tables: dict[Place, list[str]] = {(): []}
    for (*table, key), value in values.items():
        tables.setdefault(tuple(table), []).append(f"{key} = {json.dumps(value)}")
    return "\n".join(
        "\n".join([*([f"[{'.'.join(table)}]"] if table else []), *lines])
        for table, lines in tables.items()
    )


def in_list(setting: Setting, value: Any) -> Any:
    """The value as the file has it."""
    return [value] if setting.option.multiple else value


class Parsed:
    """What the options of a command get, and from where."""

    def __init__(self, command: Place, words: list[str], file: Path | None, only: str = "") -> None:
        config = ConfigFile(file or Path("/dev/null"), main)
        defaults = FileDefaults(config, command)
        run = REGISTRY.commands[command]
        context = click.Context(run, info_name="x", default_map=defaults)  # type: ignore[arg-type]
        found, _, _ = run.make_parser(context).parse_args(list(words))
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        for key, setting in SETTINGS_OF[command].items():
            if only not in ("", key):
                continue
            raw, source = setting.option.consume_value(context, found)
            self.values[key] = setting.option.process_value(context, raw)
            self.sources[key] = source.name


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMPROC_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("command", SETTINGS_OF, ids=" ".join)
def test_flag_variable_and_file_give_the_same_in_this_order(
    command: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS_OF[command]
    given = {key: two_values(one, tmp_path) for key, one in settings.items()}
    words = [word for key, one in settings.items() for word in as_words(one, given[key][0])]
    by_flag = Parsed(command, words, None)
    assert set(by_flag.sources.values()) == {"COMMANDLINE"}
    file = tmp_path / "streamproc.toml"

    def write(index: int, which: int) -> None:
        """Each setting in its own place (0) or the shared one (-1), with this one of its values."""
        places = {key: paths_of(one)[index] for key, one in settings.items()}
        content = {places[key]: in_list(one, given[key][which]) for key, one in settings.items()}
        file.write_text(as_toml(content), encoding="utf-8")

    for index in (0, -1):
        write(index, 0)
        by_file = Parsed(command, [], file)
        assert set(by_file.sources.values()) == {"DEFAULT_MAP"}
        assert by_file.values == by_flag.values
        write(index, 1)
        other = Parsed(command, [], file).values
        assert [key for key in settings if other[key] == by_flag.values[key]] == []
        assert Parsed(command, words, file).values == by_flag.values
        with monkeypatch.context() as changed:
            for key, one in settings.items():
                changed.setenv(one.option_variables[index], str(given[key][0]))
            by_variable = Parsed(command, [], file)
            assert set(by_variable.sources.values()) == {"ENVIRONMENT"}
            assert by_variable.values == by_flag.values
            for key, one in settings.items():
                changed.setenv(one.option_variables[index], str(given[key][1]))
            assert Parsed(command, words, file).values == by_flag.values
            assert Parsed(command, [], None).values == other
            for one in settings.values():  # empty is as not set
                changed.setenv(one.option_variables[index], "")
            assert set(Parsed(command, [], file).sources.values()) == {"DEFAULT_MAP"}


def paths_of(setting: Setting) -> list[Place]:
    """The places of the value itself, without those of a secret in the file."""
    return [place for place in setting.places if not setting.holds_secret(place)]


def of(command: str, key: str) -> Setting:
    return SETTINGS_OF[(command,)][key]


def parsed(setting: Setting, file: Path | None, *words: str) -> Any:
    """What this option gets."""
    return Parsed(setting.command, list(words), file, setting.key).values[setting.key]


SECRETS = [one for one in SETTINGS_OF[("worker",)].values() if one.is_secret]


@pytest.mark.parametrize("setting", SECRETS, ids=[one.key for one in SECRETS])
def test_a_secret_itself_is_a_variable_or_a_key_but_no_argument(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "streamproc.toml"
    path = tmp_path / "hidden"
    path.touch(mode=0o600)  # some of these files must exist
    by_place = {}
    for place in setting.places:
        file.write_text(as_toml({place: "hidden"}), encoding="utf-8")
        file.chmod(0o600)
        by_place[place] = parsed(setting, file)
        assert "hidden" not in (repr(by_place[place]) + str(by_place[place]))
    for place, value in by_place.items():
        assert value == (Secret("hidden") if setting.holds_secret(place) else Secret(path=path))
    for variable in setting.option_variables:
        with monkeypatch.context() as changed:
            changed.setenv(bare(variable), "hidden")
            assert parsed(setting, file) == Secret("hidden")
            other = tmp_path / "other"
            other.touch(mode=0o600)
            changed.setenv(variable, str(other))
            assert parsed(setting, file) == Secret(path=other)
    command = REGISTRY.commands[setting.command]
    names = {name for param in command.params for name in param.opts}
    assert bare(setting.option.opts[0].replace("-", "_")).replace("_", "-") not in names


def test_no_option_takes_a_secret_itself() -> None:
    """Every option that is called like a secret names a file, or is none."""
    words = ("password", "secret", "token", "credential")
    called = {
        param.opts[0]
        for command in REGISTRY.commands.values()
        for param in command.params
        if any(word in param.opts[0] for word in words)
        and not isinstance(param.type, FilePath | SecretFile)
    }
    assert called == {"--kafka-oauth-token-url"}


def test_what_is_particular_to_a_command_wins_over_what_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = of("worker", "log_level")
    file = tmp_path / "streamproc.toml"
    file.write_text('log_level = "error"\n[worker]\nlog_level = "debug"\n', encoding="utf-8")
    assert parsed(setting, file) == "debug"
    monkeypatch.setenv("STREAMPROC_LOG_LEVEL", "info")
    assert parsed(setting, file) == "info"
    monkeypatch.setenv("STREAMPROC_WORKER_LOG_LEVEL", "warning")
    assert parsed(setting, file) == "warning"


def test_topics_and_the_application_stand_once() -> None:
    """No other option names the same, and no command's table has them."""
    once = {one.key: one for one in SETTINGS if one.shared is not None and one.shared.once}
    assert {"app_id", "clock", "reminders", "journal", "topic", "input"} <= once.keys()
    for setting in SETTINGS:
        if setting.key in ("app_id", "clock") or setting.key in ("journal", "audit", "orders"):
            assert setting.places == once[setting.key].places


@pytest.mark.parametrize("by", ["file", "variable"])
def test_input_topics_follow_the_names_of_their_topics(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = of("worker", "input")
    file = None
    if by == "file":
        file = tmp_path / "streamproc.toml"
        file.write_text('[topics]\nevents = "mine"\n', encoding="utf-8")
    else:
        monkeypatch.setenv("STREAMPROC_EVENTS", "mine")
    assert parsed(setting, file) == ("mine", "streamproc.commands")
    assert parsed(setting, file, "--input", "x") == ("x",)


def test_a_topic_that_is_asked_for_needs_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reminders, inputs = of("explain", "reminders"), of("explain", "input")
    file = tmp_path / "streamproc.toml"
    file.write_text('[topics]\nreminders = "r"\nevents = "e"\n', encoding="utf-8")

    assert not isinstance(parsed(reminders, file), str)
    assert parsed(reminders, file, "--reminders") == "r"
    assert parsed(reminders, file, "--reminders", "x") == "x"
    assert parsed(reminders, None, "--reminders") == "streamproc.reminders"
    assert parsed(inputs, file) == ()
    assert parsed(inputs, file, "--input") == ("e", "streamproc.commands")
    assert parsed(inputs, file, "--input", "x", "--input", "y") == ("x", "y")
    monkeypatch.setenv("STREAMPROC_REMINDERS", "v")
    assert parsed(reminders, file, "--reminders") == "v"


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "streamproc.toml"
    file.write_text('rules = "rules.yaml"\n[dispatch]\ngateways = "g.yaml"\n', encoding="utf-8")
    assert parsed(of("worker", "rules"), file) == tmp_path / "rules.yaml"
    assert parsed(of("dispatch", "gateways"), file) == tmp_path / "g.yaml"
    file.write_text('rules = "pack:china"\n', encoding="utf-8")
    assert parsed(of("worker", "rules"), file).name.startswith("china")


def test_commands_that_write_test_data_take_the_broker_from_the_command_line_only() -> None:
    brokers = {one.command: one.option for one in SETTINGS if one.key == "broker"}
    assert ("demo",) not in brokers
    assert ("workload",) not in brokers
    assert all(isinstance(one, BrokerOption) for one in brokers.values())


def test_times_of_toml_are_times(tmp_path: Path) -> None:
    file = tmp_path / "streamproc.toml"
    file.write_text(
        "[explain]\nfrom_time = 2026-01-05T08:00:00Z\n[verify]\nshare = 1\n", encoding="utf-8"
    )
    expected = int(datetime.fromisoformat("2026-01-05T08:00:00Z").timestamp() * 1000)
    assert parsed(of("explain", "from_time"), file) == expected
    assert parsed(of("verify", "share"), file) == 1.0
