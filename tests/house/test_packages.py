"""What is shipped, without building it: numbers, the image, the services of Debian, workflows."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command_pages import REGISTRY
from tests.support.packaging import deb, version, wheels

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UNITS = sorted((ROOT / "ops" / "deb" / "systemd").iterdir())
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
STOP_SECONDS = 15
"""docs/operations.md: a stop takes at most so long."""


def test_the_number_of_the_release_is_one() -> None:
    assert len(set(version.places().values())) == 1, version.places()


def test_a_tag_must_be_the_number_and_have_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    number = version.places()["pyproject.toml"]
    told = version.problems("v9.9.9")
    assert any("pyproject.toml has" in one for one in told)
    assert any("no section for 9.9.9" in one for one in told)
    assert all("section" in one for one in version.problems(f"v{number}"))


def test_the_next_number_is_put_into_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in version.WRITTEN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    before = version.places()
    monkeypatch.setattr(version, "ROOT", tmp_path)
    version.put("87.6.5")
    assert {one for name, one in version.places().items() if name != "streamproc/__init__.py"} == {
        "87.6.5"
    }
    changed = [(ROOT / name, tmp_path / name) for name in version.WRITTEN]
    for here, there in changed:
        old, new = (one.read_text(encoding="utf-8").splitlines() for one in (here, there))
        lines = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
        number = before["pyproject.toml"]
        assert lines
        assert all(one.replace(number, "87.6.5") == other for one, other in lines)
    with pytest.raises(ValueError, match="not a number"):
        version.put("soon")


def test_the_notes_of_a_release_are_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CHANGELOG.md").write_text(
        "# C\n\n## [1.1] - 2026-01-01\n\nnew\n\n## [1.0]\n\nold\n"
    )
    monkeypatch.setattr(version, "ROOT", tmp_path)
    assert version.notes("v1.1") == "new"
    assert version.notes("v1.0") == "old"


def test_the_hook_of_the_wheel_reads_the_variable_that_is_set() -> None:
    assert f'VARIABLE = "{wheels.VARIABLE}"' in (ROOT / "hatch_build.py").read_text()


def test_the_linter_has_nothing_to_say_of_the_dockerfile() -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("hadolint has no wheel for this platform")
    done = subprocess.run([program, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_the_image_runs_as_nobody_and_is_asked_for_its_health() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert "\nUSER 10001:10001\n" in last
    assert "/livez" in last[last.index("\nHEALTHCHECK") :]
    assert 'streamproc.sbom="/usr/share/doc/streamproc/sbom.cdx.json"' in last
    assert "COPY --from=sbom /sbom.cdx.json /usr/share/doc/streamproc/sbom.cdx.json" in last
    # Whatever a stage begins with is pinned by `make digests`, or is a stage.
    stages = set(re.findall(r" AS (\w+)$", DOCKERFILE, re.M))
    begun = re.findall(r"^FROM (?:--platform=\S+ )?(\S+)", DOCKERFILE, re.M)
    assert {one for one in begun if one not in stages} == {"${PYTHON_IMAGE}", "${RUST_IMAGE}"}


def test_the_image_gets_what_it_copies() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M):
        *sources, _ = line.split()
        for one in (source.removeprefix("./") for source in sources):
            assert (ROOT / one).exists(), one
            assert any(Path(one).match(place) or one.startswith(f"{place}/") for place in let_in), (
                one
            )


def unit(path: Path) -> dict[str, Any]:
    """The sections of a unit; the last of several values counts."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, encoding="utf-8")
    return {name: dict(parser[name]) for name in parser.sections()}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_service_has_few_rights_and_time_to_stop(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["User"] == "streamproc"
    assert service["ProtectSystem"] == "strict"
    assert service["LimitCORE"] == "0", "a dump would hold numbers and states"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["MemoryMax"]
    assert int(service["TimeoutStopSec"]) > STOP_SECONDS
    assert service["Restart"] == "on-failure"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_service_starts_a_command_with_options_that_exist(path: Path) -> None:
    program, command, *words = unit(path)["Service"]["ExecStart"].split()
    assert program == "/usr/bin/streamproc"
    settings = REGISTRY.of((command,)).values()
    known = {word for one in settings for word in one.option.opts} | {"--config"}
    assert {word for word in words if word.startswith("--")} <= known
    variable = unit(path)["Service"].get("Environment", "").partition("=")[0]
    assert not variable or any(variable in one.variables for one in settings)


def test_the_files_of_the_debian_package_are_there() -> None:
    described = yaml.safe_load((ROOT / "ops" / "deb" / "nfpm.yaml").read_text(encoding="utf-8"))
    sources = [one["src"] for one in described["contents"] if "src" in one]
    sources += described["scripts"].values()
    for one in sources:
        if not one.startswith(("/", "build/")):
            assert (ROOT / one).exists(), one
    assert f"python{deb.PYTHON}" in described["depends"]
    for script in described["scripts"].values():
        subprocess.run(["sh", "-n", str(ROOT / script)], check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_valid_and_what_it_runs_exists(path: Path) -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [str(check), "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in re.findall(r"- run: make ([a-z ]+)$", text, re.M):
        assert all(re.search(rf"^{one}:", makefile, re.M) for one in words.split())
    for module in re.findall(r"python -m (tests[\w.]+)", text):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()


def test_the_release_tries_every_platform_and_python_that_it_builds_for() -> None:
    (release,) = (one for one in WORKFLOWS if one.name == "release.yml")
    jobs = yaml.safe_load(release.read_text(encoding="utf-8"))["jobs"]
    systems = {"linux": "ubuntu", "darwin": "macos", "win32": "windows"}
    built = {one.partition("-")[0] for one in jobs["wheels"]["strategy"]["matrix"]["os"]}
    assert built == {systems[one.system] for one in wheels.PLATFORMS}
    assert jobs["tried"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert set(jobs["publish"]["needs"]) == jobs.keys() - {"check", "wheels", "publish"}
