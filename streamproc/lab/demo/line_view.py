"""The view without a terminal: a line every few seconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from rich.console import Console

from streamproc.core.texts.quantities import readable_bytes
from streamproc.lab.demo.phone import SENDER, ShownSms
from streamproc.lab.demo.story import EXPLANATION, SHORT_LEGEND, TITLE, ViewFrame

LINE_EVERY_SECONDS = 2.0


class LineView:
    """Lines of text. It is a context, as the live view is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = 0.0
        self._phase = ""
        self._sms: ShownSms | None = None

    def __enter__(self) -> LineView:
        self._print(TITLE)
        for line in EXPLANATION:
            self._print(line.strip())
        self._print(SHORT_LEGEND)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, frame: ViewFrame) -> None:
        """Print a line if one is due, and the newest SMS."""
        is_new_phase = frame.phase != self._phase
        if not is_new_phase and time.monotonic() - self._last < LINE_EVERY_SECONDS:
            return
        self._last = time.monotonic()
        if is_new_phase:
            self._phase = frame.phase
            self._print(f"-- {frame.phase} ({frame.place})")
        if not frame.applied:
            return
        when = datetime.fromtimestamp(frame.simulated_ms / 1000, UTC)
        self._print(
            f"{frame.share:4.0%} {when:%Y-%m-%d %H:%M} UTC  "
            f"{frame.applied:,} events ({frame.events_per_second:,}/s, lag {frame.lag:,})  "
            f"{readable_bytes(frame.charged_bytes)} charged  "
            f"{sum(frame.reminders.values()):,} reminders"
        )
        # An SMS is printed once, although the same frame may be shown again.
        if frame.messages and frame.messages[-1] is not self._sms:
            self._sms = sms = frame.messages[-1]
            self._print(f"     SMS {SENDER} to {sms.to}, {sms.when} {sms.city}, {sms.parts}:")
            self._print(f"     {sms.text}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
