"""Makes lanes, router and gateways from the gateways file."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from msgspec.structs import replace

from streamproc.dispatch.backoff import Backoff
from streamproc.dispatch.breaker import Breaker
from streamproc.dispatch.config import GatewaysFormat
from streamproc.dispatch.gateways.base import Gateway, Splitting
from streamproc.dispatch.gateways.channel import ChannelGateway
from streamproc.dispatch.gateways.entry import ChannelEntry, GatewayEntry, Site
from streamproc.dispatch.gateways.loopback import LoopbackEntry
from streamproc.dispatch.gateways.registry import GATEWAYS
from streamproc.dispatch.lanes import Lane, default_lanes
from streamproc.dispatch.router import GatewayLine, Router
from streamproc.dispatch.shaping import Shaper

LOOPBACK = "canary-loopback"
"""The name of the gateway of canaries if the file has none for them."""


def with_canaries(config: GatewaysFormat) -> GatewaysFormat:
    """The configuration with a gateway for canaries: their messages must not wait for ever, and
    must not use a gateway of customers."""
    if any(one.canary for one in config.gateways):
        return config
    loopback = LoopbackEntry(name=LOOPBACK, canary=True, messages_per_second=1_000.0, burst=1_000)
    return replace(config, gateways=(*config.gateways, loopback))


def lanes_of(config: GatewaysFormat) -> tuple[Lane, ...]:
    """The lanes, most urgent first."""
    if config.lanes is None:
        return default_lanes()
    return tuple(
        Lane(one.name, frozenset(one.kinds), one.mandatory, frozenset(one.severities), one.urgent)
        for one in config.lanes
    )


def backoff_of(config: GatewaysFormat) -> Backoff:
    retry = config.retry
    return Backoff(_ms(retry.base_seconds), _ms(retry.max_seconds), retry.max_attempts)


def gateways_of(
    config: GatewaysFormat, base: Path, chance: Callable[[], float]
) -> dict[str, Gateway]:
    """The gateways by name; paths are relative to ``base``. Raises ``GatewaysError``."""
    site = Site(base, chance)
    return {one.name: _gateway(one, site) for one in config.gateways}


def in_plain_text(config: GatewaysFormat) -> dict[str, str]:
    """The hosts to which gateways send over a network without TLS, by gateway."""
    hosts = {one.name: GATEWAYS[_kind(one)].plain_text_host(one) for one in config.gateways}
    return {name: host for name, host in hosts.items() if host and not _is_this_machine(host)}


def _is_this_machine(host: str) -> bool:
    """By its name alone: nothing is looked up."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower().rpartition(".")[2] == "localhost"


def router_of(config: GatewaysFormat, gateways: dict[str, Gateway], now_ms: int) -> Router:
    """The gateways in the form that the scheduler uses, in the order of the file."""
    names = [lane.name for lane in lanes_of(config)]
    lines = []
    for one in config.gateways:
        gateway = gateways[one.name]
        shaper = Shaper(one.messages_per_second, one.burst, one.window, now_ms)
        limits = one.breaker
        breaker = Breaker(limits.failures, _ms(limits.open_seconds), _ms(limits.max_open_seconds))
        lines.append(
            GatewayLine(
                one.name,
                shaper,
                breaker,
                frozenset(names.index(lane) for lane in (one.lanes or names)),
                kind=_kind(one),
                idempotent=gateway.idempotent,
                is_canary=one.canary,
                reports=gateway.reports,
                receipts=getattr(one, "receipts", "auto"),
                shared_account=getattr(one, "account", "own") == "shared",
                parts_of=gateway.parts_of if isinstance(gateway, Splitting) else None,
                on_unknown=one.on_unknown,
                on_unknown_mandatory=one.on_unknown_mandatory or one.on_unknown,
            )
        )
    return Router(lines, _ms(config.patience_seconds))


def _kind(one: GatewayEntry) -> str:
    return str(one.__struct_config__.tag)


def _gateway(one: GatewayEntry, site: Site) -> Gateway:
    made = GATEWAYS[_kind(one)].gateway(one, site)
    channel = one.channel if isinstance(one, ChannelEntry) else None
    return made if channel is None else ChannelGateway(made, channel)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
