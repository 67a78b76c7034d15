"""The crates of the compiled part as a CycloneDX document, from ``native/Cargo.lock``.

``python -m tests.support.cargo_sbom FILE`` writes it (``make sbom``).
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[2] / "native" / "Cargo.lock"


def document() -> dict[str, Any]:
    """The document. It is the same for the same lock."""
    packages = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    own = next(one for one in packages if "source" not in one)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component(own)},
        "components": [_component(one) for one in packages if one is not own],
    }


def _component(package: dict[str, Any]) -> dict[str, Any]:
    purl = f"pkg:cargo/{package['name']}@{package['version']}"
    found = {"type": "library", "bom-ref": purl, "name": package["name"], "purl": purl}
    found["version"] = package["version"]
    if "checksum" in package:
        found["hashes"] = [{"alg": "SHA-256", "content": package["checksum"]}]
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")
