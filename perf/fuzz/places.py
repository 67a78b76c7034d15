"""Where samples come from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PACKAGED_RULES = ROOT / "streamproc/contracts/rules"
PACKAGED_MAPPINGS = ROOT / "streamproc/producing/readers/mappings"
