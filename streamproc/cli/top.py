"""``streamproc top``: a live page of what the processes say of themselves."""

from __future__ import annotations

import time
from datetime import datetime
from shutil import get_terminal_size

import click

from streamproc.cli.printing import console
from streamproc.cli.values import Addresses, Number


@click.command(short_help="Show live what workers, dispatchers and gateways do.")
@click.argument("pages", nargs=-1, required=True, type=Addresses(), metavar="HOST:PORT...")
@click.option(
    "--every-seconds", type=Number(0.2, 3_600), default=2.0, help="Time between two readings."
)
@click.option("--once", is_flag=True, help="Two readings, one page, then end.")
def top(pages: tuple[str, ...], every_seconds: float, once: bool) -> None:
    """Show partitions, lag, rates, lateness, gateways, alarms and the canary, until Ctrl-C.

    HOST:PORT are the --http-port of workers, dispatchers and a canary.

    \b
    Examples:
      streamproc top localhost:9464 localhost:9465 localhost:9467
      streamproc top worker-1:9464,worker-2:9464 dispatcher:9465 --once
    """
    from rich.live import Live

    from streamproc.tools.top.reading import Page, PageChange, read_pages
    from streamproc.tools.top.showing import COLUMNS, Screenful, whole

    places = [place for words in pages for place in words.split(",")]

    def changes(before: list[Page], since: float) -> tuple[list[PageChange], float]:
        found, now = read_pages(places), time.monotonic()
        pairs = zip(found, before, strict=True)
        return [PageChange(page, then, now - since) for page, then in pairs], now

    def clock() -> str:
        return f"{datetime.now():%H:%M:%S}"  # noqa: TID251  # a person reads it beside a clock

    screen = console(width=COLUMNS)
    before, since = read_pages(places), time.monotonic()
    if once:
        time.sleep(every_seconds)
        found, _ = changes(before, since)
        screen.print(whole(found, clock()))
        if all(one.page.error for one in found):
            raise click.ClickException("no process answers")
        return
    with Live(console=screen, screen=True, auto_refresh=False) as live:
        try:
            while True:
                found, now = changes(before, since)
                lines = get_terminal_size().lines
                page = Screenful(whole(found, clock(), lines), lines)
                live.update(page, refresh=True)
                before, since = [one.page for one in found], now
                time.sleep(every_seconds)
        except KeyboardInterrupt:
            return
