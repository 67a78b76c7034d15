"""The command line: composition root of workers, edges and tools."""

from __future__ import annotations

import click

from streamproc import __version__


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Exact quota tables and timely usage reminders on Kafka and Faust."""
