"""All kinds of gateways, by their name in the gateways file.

It is filled when it is imported. The command adds the kinds of installed packages
(``cli/extensions.py``) before it reads a gateways file. Nothing is added later.
"""

from __future__ import annotations

from typing import Final

from streamproc.dispatch.gateways import console, file, loopback, smpp, webhook
from streamproc.dispatch.gateways.entry import GatewayKind
from streamproc.errors import StreamprocError

GATEWAYS: Final[dict[str, GatewayKind]] = {}
"""The kinds in the order of error messages."""


class GatewayTakenError(StreamprocError, ValueError):
    """Another kind has that name already."""


def add(kind: GatewayKind) -> None:
    """Accept a kind in gateways files. Raises :class:`GatewayTakenError`."""
    if kind.name in GATEWAYS:
        raise GatewayTakenError(f"there is a gateway kind {kind.name!r} already")
    GATEWAYS[kind.name] = kind


for _kind in (console.KIND, file.KIND, webhook.KIND, smpp.KIND, loopback.KIND):
    add(_kind)
