"""Gateways files: read, checked, and made into gateways."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from perf.fuzz.places import ROOT, new_folder
from perf.fuzz.target import Target, check_words
from streamproc.dispatch.assembly import backoff_of, gateways_of, lanes_of, router_of
from streamproc.dispatch.config import load_gateways
from streamproc.dispatch.gateways.entry import GatewaysError

SECRETS = {"SMSC_PASSWORD": "x", "WEBHOOK_SECRET": "whsec_a2V5"}
SMALL = b"version: 1\ngateways: [{name: one, kind: console, lanes: [urgent, bulk], burst: 2}]\n"


@cache
def _base() -> Path:
    os.environ.update(SECRETS)
    return new_folder()


def _samples() -> list[bytes]:
    page = (ROOT / "docs/dispatcher.md").read_text(encoding="utf-8")
    shown = page[page.index("```yaml\nversion: 1") + 8 :].partition("```")[0]
    # A context of TLS takes long to make.
    return [shown.replace("tls: true", "tls: false").encode(), SMALL]


def _feed(content: bytes) -> None:
    try:
        config = load_gateways(content, "gateways.yaml")
        gateways = gateways_of(config, _base(), lambda: 0.5)
    except GatewaysError as error:
        check_words(error, "gateways.yaml:", "gateway ")
        return
    lanes_of(config)
    backoff_of(config)
    router_of(config, gateways, 0)


GATEWAYS = Target("gateways", "a gateways file", _samples, _feed, tree=True)
