"""``streamproc dead-letters``: reminders that could not be sent."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from streamproc.cli.durations import Duration
from streamproc.cli.kafka_options import kafka_options
from streamproc.cli.printing import echo
from streamproc.cli.reveals import reveals_option, write_down
from streamproc.cli.topic_options import topic_options
from streamproc.contracts.topics import DispatchTopics
from streamproc.kafka.settings import KafkaSettings, settings_of

if TYPE_CHECKING:
    from streamproc.dispatch.dead_letters import FoundLetter
    from streamproc.dispatch.settings import DispatchSettings


REASONS = ("permanent", "transient", "contract_violation")
"""Why a reminder was not sent."""


class _Letters(click.Group):
    """The help of its commands needs no broker."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        needed = [param for param in self.params if param.required and "--help" in args]
        for param in needed:
            param.required = False
        try:
            return super().parse_args(context, args)
        finally:
            for param in needed:
                param.required = True


@click.group(
    "dead-letters",
    cls=_Letters,
    short_help="Show reminders that could not be sent; send them again.",
)
@kafka_options(role="operator")
@topic_options(DispatchTopics, "dead_letters", "resends")
@click.pass_context
def dead_letters(context: click.Context, /, broker: KafkaSettings, **topics: str) -> None:
    """List, show and send again reminders that could not be sent.

    \b
    Examples:
      streamproc dead-letters --broker localhost:9092 list
      streamproc dead-letters --broker localhost:9092 show 2-17
      streamproc dead-letters --broker localhost:9092 resend 2-17 --valid-for 1h
    """
    from streamproc.dispatch.settings import DispatchSettings

    context.obj = DispatchSettings(broker, DispatchTopics(**topics))


@dead_letters.command("list", short_help="One line for each.")
@click.option("--reason", type=click.Choice(REASONS), help="Show only this reason.")
@click.pass_obj
def list_letters(settings: DispatchSettings, reason: str | None) -> None:
    """One line for each: place, time, reminder, subscriber (masked), reason, and whether it was
    sent again."""
    found = _find(settings, reason)
    for one in found:
        letter = one.letter
        echo(
            "  ".join(
                (
                    one.place,
                    f"{letter.time:%Y-%m-%dT%H:%M:%SZ}",
                    str(letter.reminder_id or "-"),
                    str(letter.subscriber or "-"),
                    str(letter.rule or "-"),
                    str(letter.gateway or "-"),
                    f"{letter.reason}: {letter.detail}",
                    "sent again" if one.resent else "",
                )
            ).rstrip()
        )
    echo(f"{len(found)} dead letter" + "s" * (len(found) != 1), err=True)


@dead_letters.command(short_help="Everything about one.")
@click.argument("place")
@click.option(
    "--reveal",
    is_flag=True,
    help=(
        "Also show the reminder with full number and text. Use it only for people who may see "
        "them: it is written down."
    ),
)
@reveals_option
@click.pass_obj
def show(settings: DispatchSettings, place: str, reveal: bool, reveals: str) -> None:
    """Show everything about the dead letter at PLACE (as list shows it)."""
    from streamproc.dispatch.dead_letters import reminder_of

    (found,) = _chosen(settings, (place,))
    shown: dict[str, Any] = {
        "place": found.place,
        "resent": found.resent,
        **msgspec.to_builtins(found.letter),
    }
    if reveal:
        reminder, _ = reminder_of(settings, found)
        named = {reminder.subscriber}
        if reminder.recipient is not msgspec.UNSET:
            named.add(reminder.recipient)
        write_down(settings_of(settings.broker), reveals, "dead_letters_show", named)
        shown["reminder_record"] = msgspec.to_builtins(reminder)
    echo(json.dumps(shown, indent=2, ensure_ascii=False))


@dead_letters.command(short_help="Send them again, each once.")
@click.argument("places", nargs=-1, metavar="[PLACE]...")
@click.option("--all", "everything", is_flag=True, help="All that were not sent again yet.")
@click.option("--reason", type=click.Choice(REASONS), help="With --all: only this reason.")
@click.option("--valid-for", type=Duration(), help="New time to live from now, such as 1h.")
@click.pass_obj
def resend(
    settings: DispatchSettings,
    places: tuple[str, ...],
    everything: bool,
    reason: str | None,
    valid_for: int | None,
) -> None:
    """Send dead letters again. Each is sent at most once, however often this is run."""
    from streamproc.dispatch.dead_letters import resend as send_again

    if bool(places) == everything:
        raise click.UsageError("give the places of dead letters (see list), or --all")
    if valid_for is not None and valid_for <= 0:
        raise click.UsageError("--valid-for must be longer than nothing")
    chosen = _find(settings, reason) if everything else _chosen(settings, places)
    count = send_again(settings, chosen, time.time_ns() // 1_000_000, valid_for)
    left = len(chosen) - count
    echo(f"{count} sent again" + (f", {left} had been already" if left else ""))


def _find(settings: DispatchSettings, reason: str | None) -> list[FoundLetter]:
    from streamproc.dispatch.dead_letters import find

    return find(settings, reason)


def _chosen(settings: DispatchSettings, places: tuple[str, ...]) -> list[FoundLetter]:
    known = {one.place: one for one in _find(settings, None)}
    for place in places:
        if place not in known:
            raise click.ClickException(f"there is no dead letter {place}; see list")
    return [known[place] for place in dict.fromkeys(places)]
