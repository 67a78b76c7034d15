"""Pins the images of Dockerfile and docker-compose.yml to the digests of their tags.

``python -m tests.support.image_digests`` asks the registries and writes the files (``make
digests``). An image that has a digest gets that of its tag of today. Only the standard library is
used, so that it runs before there is an environment.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("Dockerfile", "docker-compose.yml")
SECONDS = 20.0

_IMAGE = re.compile(
    r"(?m)^(\s*(?:(?:FROM|image:)\s+|ARG \w+_IMAGE=))([\w./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?"
)
_KINDS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pinned(text: str, digest_of: Callable[[str], str]) -> str:
    """The text of a file with the digest of each image behind its tag."""
    return _IMAGE.sub(lambda found: f"{found[1]}{found[2]}@{digest_of(found[2])}", text)


def digest_of(image: str, registry: str = "https://registry-1.docker.io") -> str:
    """The digest of ``NAME:TAG``, for all platforms. Raises OSError, ValueError."""
    name, _, tag = image.rpartition(":")
    repository = name if "/" in name else f"library/{name}"
    url = f"{registry}/v2/{repository}/manifests/{tag}"
    headers = {"Accept": ", ".join(_KINDS)}
    try:
        return _ask(url, headers)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        told = dict(re.findall(r'(\w+)="([^"]*)"', error.headers.get("WWW-Authenticate", "")))
    query = urllib.parse.urlencode({"service": told["service"], "scope": told["scope"]})
    with urllib.request.urlopen(f"{told['realm']}?{query}", timeout=SECONDS) as answer:
        token = json.load(answer)["token"]
    return _ask(url, {**headers, "Authorization": f"Bearer {token}"})


def _ask(url: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, headers=headers, method="HEAD")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        digest: str = answer.headers.get("Docker-Content-Digest", "")
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{url} names no digest")
    return digest


def main() -> int:
    """Write the files, all or none of them."""
    try:
        made = {name: pinned((ROOT / name).read_text(), digest_of) for name in FILES}
    except (OSError, ValueError, KeyError) as error:
        print(f"no digests, the files are as before: {error}", file=sys.stderr)
        return 1
    for name, text in made.items():
        (ROOT / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
