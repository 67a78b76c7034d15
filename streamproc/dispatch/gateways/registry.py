"""All kinds of gateways, by the name that the gateways file calls them.

Filled when it is imported, and perhaps by the command with the kinds of installed packages
(``cli/extensions.py``): before a gateways file is read, and never after.
"""

from __future__ import annotations

from typing import Final

from streamproc.dispatch.gateways import console, file, smpp, webhook
from streamproc.dispatch.gateways.entry import GatewayKind
from streamproc.errors import StreamprocError

GATEWAYS: Final[dict[str, GatewayKind]] = {}
"""In the order of messages."""


class GatewayTakenError(StreamprocError, ValueError):
    """There is a kind of that name already."""


def add(kind: GatewayKind) -> None:
    """Let gateways files have a kind. Raises :class:`GatewayTakenError`."""
    if kind.name in GATEWAYS:
        raise GatewayTakenError(f"there is a gateway kind {kind.name!r} already")
    GATEWAYS[kind.name] = kind


for _kind in (console.KIND, file.KIND, webhook.KIND, smpp.KIND):
    add(_kind)
