"""Puts the compiled part into the wheel of streamproc.

``STREAMPROC_NATIVE_WHEEL`` names the wheel of the compiled part alone; `make dist` sets it once for
each platform. Without it the wheel is pure Python, for all platforms.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "STREAMPROC_NATIVE_WHEEL"


class CompiledPart(BuildHookInterface[Any]):  # type: ignore[misc]  # it has no types here
    """The hook; it changes wheels alone, and no editable ones."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        native = os.environ.get(VARIABLE)
        if not native or self.target_name != "wheel" or version != "standard":
            return
        self._unpacked = tempfile.TemporaryDirectory()
        folder = Path(self._unpacked.name)
        with ZipFile(native) as archive:
            archive.extractall(folder)
        build_data["force_include"][str(folder / "streamproc_native")] = "streamproc_native"
        build_data["sbom_files"] += map(str, sorted(folder.glob("*.dist-info/sboms/*")))
        build_data["pure_python"] = False
        # NAME-VERSION-PYTHON-ABI-PLATFORM.whl
        build_data["tag"] = Path(native).stem.split("-", 2)[2]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        unpacked = getattr(self, "_unpacked", None)
        if unpacked is not None:
            unpacked.cleanup()
