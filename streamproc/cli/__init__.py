"""The command line: composition root of workers, dispatchers and tools, one module per command."""

from __future__ import annotations

import click

from streamproc.cli.acls import acls
from streamproc.cli.canary import canary
from streamproc.cli.completion import completion
from streamproc.cli.config import config
from streamproc.cli.configuration.defaults import config_option
from streamproc.cli.dead_letters import dead_letters
from streamproc.cli.demo import demo
from streamproc.cli.dispatch import dispatch
from streamproc.cli.explain import explain
from streamproc.cli.extensions import load_for
from streamproc.cli.failing import CommandGroup
from streamproc.cli.play import play
from streamproc.cli.publishing import rules
from streamproc.cli.receipts import receipts
from streamproc.cli.record import record
from streamproc.cli.replay import replay
from streamproc.cli.retract import retract
from streamproc.cli.send import send
from streamproc.cli.simulate import simulate
from streamproc.cli.texts import texts
from streamproc.cli.top import top
from streamproc.cli.topics import topics
from streamproc.cli.verify import verify
from streamproc.cli.verify_outputs import verify_outputs
from streamproc.cli.version import version_option
from streamproc.cli.worker import worker
from streamproc.cli.workload import workload


@click.group(
    cls=CommandGroup,
    context_settings={"show_default": True},
    params=[config_option()],
)
@version_option
@click.pass_context
def main(ctx: click.Context) -> None:
    """Exact quota tables and timely usage reminders on Kafka and Faust."""
    load_for(ctx.invoked_subcommand or "")


main.add_command(acls)
main.add_command(canary)
main.add_command(completion)
main.add_command(config)
main.add_command(dead_letters)
main.add_command(demo)
main.add_command(dispatch)
main.add_command(explain)
main.add_command(play)
main.add_command(receipts)
main.add_command(record)
main.add_command(replay)
main.add_command(retract)
main.add_command(rules)
main.add_command(send)
main.add_command(simulate)
main.add_command(texts)
main.add_command(top)
main.add_command(topics)
main.add_command(verify)
main.add_command(verify_outputs)
main.add_command(worker)
main.add_command(workload)
