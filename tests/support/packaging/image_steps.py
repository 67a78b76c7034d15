"""Carries out the steps of the Dockerfile in fresh roots, where no container engine runs.

It knows the instructions that the file has, and refuses others. The base images are stood in for
by one root of Debian: what a step needs of its image is there, at other places.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser

from tests.support.packaging.fresh_root import copy_of, run_in

SYSTEM_PATH = "/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
META = ("LABEL", "HEALTHCHECK", "ENTRYPOINT", "COMMENT")


class StepError(Exception):
    """A step failed, or it is not known here."""


@dataclass
class Stage:
    """One image in the making."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SYSTEM_PATH})
    folder: str = "/"
    user: str = "0:0"
    said: dict[str, str] = field(default_factory=dict)
    """LABEL, HEALTHCHECK and ENTRYPOINT, as they are written."""


@dataclass
class Builder:
    """Builds a Dockerfile from a context."""

    context: Path
    base: Path
    scratch: Path
    mounts: dict[Path, str]
    stages: dict[str, Stage] = field(default_factory=dict)
    stage: Stage | None = None

    def build(self) -> Stage:
        """The last stage. Raises :class:`StepError`."""
        content = (self.context / "Dockerfile").read_text(encoding="utf-8")
        parser = DockerfileParser(path=str(self.scratch / "Dockerfile"))
        parser.content = content
        for step in parser.structure:
            self._step(step["instruction"], step["value"])
        assert self.stage is not None
        return self.stage

    def _step(self, instruction: str, value: str) -> None:
        if instruction == "FROM":
            self._begin(value)
        elif self.stage is None or instruction in META or instruction == "ARG":
            if self.stage is not None:
                self.stage.said[instruction] = value
        elif instruction == "WORKDIR":
            self.stage.folder = value
            self._inside(value).mkdir(parents=True, exist_ok=True)
        elif instruction == "USER":
            self.stage.user = value
        elif instruction == "ENV":
            for one in shlex.split(value):
                name, _, text = one.partition("=")
                self.stage.environment[name] = text.replace("$PATH", self.stage.environment["PATH"])
        elif instruction == "COPY":
            self._copy(value)
        elif instruction == "RUN":
            self._run(value)
        else:
            raise StepError(f"{instruction} is not known here")

    def _begin(self, value: str) -> None:
        words = [one for one in value.split() if not one.startswith("--")]
        of = self.stages.get(words[0])
        root = copy_of(of.root if of else self.base, self.scratch / f"stage{len(self.stages)}")
        self.stage = Stage(root)
        if of is not None:
            self.stage.environment = dict(of.environment)
            self.stage.folder = of.folder
        self.stages[words[2] if len(words) == 3 else f"stage{len(self.stages)}"] = self.stage

    def _inside(self, path: str) -> Path:
        assert self.stage is not None
        return self.stage.root / str(Path(self.stage.folder) / path).lstrip("/")

    def _copy(self, value: str) -> None:
        words = value.split()
        source_root = self.context
        if words[0].startswith("--from="):
            source_root = self.stages[words.pop(0).removeprefix("--from=")].root
        *sources, target = words
        for one in sources:
            source = source_root / one.lstrip("/")
            place = self._inside(target)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "target")
                if source_root != self.context:
                    ignored = shutil.ignore_patterns()
                shutil.copytree(source, place, symlinks=True, ignore=ignored, dirs_exist_ok=True)
            else:
                if target.endswith("/"):
                    place = place / source.name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place)

    def _run(self, value: str) -> None:
        done = self.carried_out(["/bin/sh", "-c", value])
        if done.returncode != 0:
            raise StepError(f"RUN {value}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def carried_out(self, command: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the present stage."""
        stage = self.stage
        assert stage is not None
        return run_in(
            stage.root,
            command,
            environment={"HOME": "/root", **stage.environment},
            folder=stage.folder,
            user=stage.user,
            mounts=self.mounts,
            seconds=1500,
            **more,
        )


def health_command(stage: Stage) -> list[str]:
    """The command of HEALTHCHECK."""
    found = re.search(r"CMD (\[.*\])$", stage.said["HEALTHCHECK"], re.S)
    assert found is not None
    command: list[str] = json.loads(found[1])
    return command
