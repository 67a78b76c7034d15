"""A run of the demo: prepares the conductor, and prints the end."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from streamproc.core.instants import from_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.lab.demo.conductor import Conductor, DemoFailure, Interrupted
from streamproc.lab.demo.interrupts import Interrupts
from streamproc.lab.demo.line_view import LineView
from streamproc.lab.demo.progress import Totals
from streamproc.lab.demo.screen import LiveView, fits
from streamproc.lab.demo.settings import DemoSettings, Names
from streamproc.lab.demo.site import DemoSite, open_site, remove_topics
from streamproc.lab.demo.summary import SummaryRow, condensed, is_all_equal, table_of

SUCCESS, FAILURE = 0, 1
ROOMY_HEIGHT = 36
EXAMPLES = 12


def run_demo(settings: DemoSettings, rulebook: Rulebook, console: Console, began: float) -> int:
    """Run the demo; returns the exit code: 0 all equal, 1 not equal, 128 + signal if interrupted.

    ``rulebook`` is the rulebook of ``settings.rules``. The time limit counts from ``began``
    (``time.monotonic``). Call it from the main thread, because it handles signals while it runs.
    """
    directory = Path(tempfile.mkdtemp(prefix="streamproc-demo-"))
    settings = with_own_rules(settings, directory)
    run = _Run(settings, rulebook, console, directory, began)
    try:
        with Interrupts() as interrupts, _logging_to(directory / "demo.log"):
            return run.run(interrupts)
    finally:
        if not run.needs_logs:
            shutil.rmtree(directory, ignore_errors=True)


class _Run:
    def __init__(
        self,
        settings: DemoSettings,
        rulebook: Rulebook,
        console: Console,
        directory: Path,
        began: float,
    ) -> None:
        self._settings = settings
        self._rulebook = rulebook
        self._console = console
        self._directory = directory
        self._began = began
        self._names = Names.fresh()
        self.needs_logs = False
        """Whether the user will want to read the logs."""

    def run(self, interrupts: Interrupts) -> int:
        with open_site(self._settings.broker, self._names) as site:
            code = self._on(site, interrupts)
            if code == FAILURE:
                self._leave_traces(site)
            else:
                remove_topics(site, self._names)
        return code

    def _on(self, site: DemoSite, interrupts: Interrupts) -> int:
        view = LiveView(self._console) if fits(self._console) else LineView(self._console)
        conductor = Conductor(
            self._settings,
            self._rulebook,
            site,
            self._names,
            self._directory,
            interrupts,
            view,
        )
        with conductor:
            try:
                with view:
                    rows, differences = conductor.play(self._began)
            except Interrupted as interrupted:
                self._say("Interrupted; nothing was compared. Ending the parts ...")
                return 128 + interrupted.number
            except DemoFailure as failure:
                self._say(f"The demo failed: {failure}", "bold red")
                self._console.print(
                    failure.detail, style="dim", markup=False, highlight=False, soft_wrap=True
                )
                return FAILURE
            seconds = time.monotonic() - self._began
            was_cut = conductor.feed.was_cut
            return sum_up(
                self._console,
                self._settings,
                conductor.figures,
                rows,
                differences,
                seconds,
                was_cut,
            )

    def _leave_traces(self, site: DemoSite) -> None:
        self.needs_logs = True
        self._say(f"Logs are in {self._directory}")
        if not site.is_embedded:
            self._say(f"The topics {self._names.app_id}* are left at {site.bootstrap}.")

    def _say(self, text: str, style: str = "") -> None:
        say(self._console, text, style)


def sum_up(
    console: Console,
    settings: DemoSettings,
    figures: Totals,
    rows: list[SummaryRow],
    differences: list[str],
    seconds: float,
    was_cut: bool,
) -> int:
    """Show the comparison and explain it; returns the exit code."""
    is_roomy = not console.is_terminal or console.height >= ROOMY_HEIGHT
    console.print(table_of(rows if is_roomy else condensed(rows)))
    console.print()
    if not is_all_equal(rows, differences):
        unequal = sum(not row.is_equal for row in rows)
        say(console, f"NOT EQUAL: {unequal} of {len(rows)} figures differ.", "bold red")
        for line in differences[:EXAMPLES]:
            say(console, line, "red")
        return FAILURE
    sent = sum(figures.reminders.values())
    say(
        console,
        f"All {len(rows)} figures are equal, and so is each of the {sent:,} reminders by itself.",
        "bold green",
    )
    say(
        console,
        f"{figures.applied:,} records in, {sent:,} SMS out ({figures.segments:,} segments), "
        f"{seconds:.0f} s in all.",
    )
    if settings.keep:
        return SUCCESS
    if was_cut:
        say(
            console,
            "This machine was too busy for the whole month: it was cut short on "
            f"{from_ms(figures.simulated_ms):%Y-%m-%d}. What came in by then is compared above.",
            "yellow",
        )
    else:
        say(console, "More: --keep, --seed 2, --rules FILE, --broker HOST:PORT; see --help.")
    return SUCCESS


def say(console: Console, text: str, style: str = "") -> None:
    """Print text in which nothing is markup."""
    console.print(text, style=style, markup=False, highlight=False)


def with_own_rules(settings: DemoSettings, directory: Path) -> DemoSettings:
    """Settings with a copy of the rules: an edit of the file during the run would change half of
    the run."""
    if settings.rules is None:
        return settings
    own = directory / settings.rules.name
    shutil.copyfile(settings.rules, own)
    return replace(settings, rules=own)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Write log lines (of the Kafka clients) to a file, so that they do not disturb the view."""
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    # Lines of clients that are still closing when the file is closed are dropped.
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
