"""What the product is made of: its lock, its licences, its images (docs/supply.md)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from threading import Thread

import pytest

from tests.support import cargo_sbom, image_digests

ROOT = Path(__file__).parents[2]

FREE = re.compile(
    r"apache|\bmit\b|\bbsd\b|python software foundation|psf-2\.0|repoze|unlicense|\bisc\b|zlib",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"gpl|lesser general|general public|mpl|mozilla|eupl|cddl|epl", re.IGNORECASE)
ACCEPTED = {
    "crc32c": "LGPL 2.1 or later: a library of its own, unchanged, which anybody can replace",
    "siphash24": "LGPL 2.1 or Apache 2.0, by choice: it is used under Apache 2.0",
    "orjson": "partly MPL 2.0: a library of its own, unchanged; its sources are public",
}
"""Packages with duties for those who pass them on; docs/supply.md names them."""


def locked(name: str) -> dict[str, str]:
    """The versions of a lock, by package."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text))


def licence_of(found: Distribution) -> str:
    """All that a package says of its licence."""
    said = [found.metadata.get_all(name) or [] for name in ("License-Expression", "License")]
    lines = [str(one)[:200] for several in said for one in several]
    classifiers = map(str, found.metadata.get_all("Classifier") or [])
    lines += [one for one in classifiers if one.startswith("License")]
    return "; ".join(line for line in lines if line)


def installed() -> Iterator[Distribution]:
    for name in locked("requirements-product.lock"):
        try:
            yield distribution(name)
        except PackageNotFoundError:
            continue  # for another platform


def test_no_package_of_the_product_has_a_licence_that_nobody_has_accepted() -> None:
    found = {one.name: licence_of(one) for one in installed()}
    assert len(found) > 40
    surprises = {name: said for name, said in found.items() if COPYLEFT.search(said)}
    assert surprises.keys() == ACCEPTED.keys(), surprises
    unknown = {name: said for name, said in found.items() if not FREE.search(said)}
    assert unknown.keys() <= ACCEPTED.keys(), unknown


def test_the_page_names_the_packages_with_duties() -> None:
    page = (ROOT / "docs" / "supply.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in ACCEPTED)


def test_the_product_has_no_tools_and_the_versions_that_are_tested() -> None:
    product, developers = locked("requirements-product.lock"), locked("requirements.lock")
    assert {name: developers.get(name) for name in product} == product
    assert not {"pytest", "mypy", "ruff", "matplotlib", "hypothesis"} & product.keys()
    assert "requirements-product.lock" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "requirements.lock" not in (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["requirements-product.lock", "requirements-supply.lock"])
def test_every_package_of_a_lock_has_hashes(name: str) -> None:
    entries = re.split(r"(?m)^(?=[\w.-]+==)", (ROOT / name).read_text(encoding="utf-8"))[1:]
    assert len(entries) > 20
    assert all("--hash=sha256:" in entry for entry in entries)


def test_what_fills_the_environment_of_developers_has_one_version_and_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = locked("requirements-setup.lock")
    assert [f"{name}=={version}" for name, version in found.items()] == (
        project["dependency-groups"]["setup"]
    )
    assert "--hash=sha256:" in (ROOT / "requirements-setup.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", [".", "native", "examples/carrier-package"])
def test_build_backends_are_pinned(place: str) -> None:
    text = (ROOT / place / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in tomllib.loads(text)["build-system"]["requires"]:
        assert re.fullmatch(r"\w+==[\d.]+", requirement), requirement


def test_the_crates_of_the_document_are_those_of_the_lock() -> None:
    document = cargo_sbom.document()
    lock = tomllib.loads(cargo_sbom.LOCK.read_text(encoding="utf-8"))["package"]
    names = {f"pkg:cargo/{one['name']}@{one['version']}" for one in lock}
    found = {one["purl"] for one in document["components"]}
    assert names - found == {document["metadata"]["component"]["purl"]}
    assert all(one["hashes"][0]["content"] for one in document["components"])


DIGEST = "sha256:" + "ab" * 32


@contextmanager
def registry() -> Iterator[str]:
    """A registry that wants a token first, as Docker Hub does."""

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if self.headers.get("Authorization") != "Bearer t":
                self.send_response(401)
                address: tuple[str, int] = self.server.server_address  # type: ignore[assignment]
                realm = f"http://127.0.0.1:{address[1]}/token"
                told = f'Bearer realm="{realm}",service="s",scope="repository:library/python:pull"'
                self.send_header("WWW-Authenticate", told)
            elif self.path == "/v2/library/python/manifests/3.11-slim":
                self.send_response(200)
                self.send_header("Docker-Content-Digest", DIGEST)
            else:
                self.send_response(404)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"token": "t"}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_images_are_pinned_to_the_digest_that_their_registry_names() -> None:
    with registry() as address:
        assert image_digests.digest_of("python:3.11-slim", address) == DIGEST
        with pytest.raises(OSError, match="404"):
            image_digests.digest_of("nobody/nothing:1", address)
    for name in image_digests.FILES:
        text = (ROOT / name).read_text(encoding="utf-8")
        once = image_digests.pinned(text, lambda _: DIGEST)
        assert f"@{DIGEST}" in once
        assert image_digests.pinned(once, lambda _: DIGEST) == once
