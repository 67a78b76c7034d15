"""Sends nothing: accepts each message, and reports it as delivered. For canaries and trials."""

from __future__ import annotations

from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import GatewayEntry, GatewayKind, Site
from streamproc.dispatch.model import Accepted, DeliveryReport, Outcome, Outgoing
from streamproc.supervision import start_task


class LoopbackGateway:
    """The report goes the way of all reports: it is durable, and any dispatcher may read it."""

    idempotent = True
    reports = True

    def __init__(self, name: str) -> None:
        self._name = name
        self._events: Events | None = None

    async def start(self, events: Events) -> None:
        self._events = events

    async def send(self, message: Outgoing) -> Outcome:
        assert self._events is not None
        now_ms = self._events.now_ms()
        report = DeliveryReport(self._name, message.id, "delivered", "loopback", now_ms, "")
        # A report that fails is logged. The canary, or a person who tries it, finds it missing.
        start_task(self._report(self._events, report), "loopback report", lambda _: None)
        return Accepted({1: message.id})

    async def close(self) -> None:
        pass

    async def _report(self, events: Events, report: DeliveryReport) -> None:
        await events.report(report)


class LoopbackEntry(GatewayEntry, frozen=True, kw_only=True, tag="loopback"):
    """Entry of a gateway that sends nothing."""


class Loopback(GatewayKind):
    entry = LoopbackEntry

    def gateway(self, entry: LoopbackEntry, site: Site) -> LoopbackGateway:
        return LoopbackGateway(entry.name)


KIND = Loopback()
