"""An SMS as a phone shows it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from streamproc.tools.wrapping import lines_of

RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")
LEAST_WIDTH, MOST_WIDTH = 24, 60


@dataclass(frozen=True)
class BubbleBorder:
    """The characters of a bubble's border."""

    top: tuple[str, str]
    bottom: tuple[str, str]
    across: str
    side: str


ROUND = BubbleBorder(("╭", "╮"), ("╰", "╯"), "─", "│")
ASCII = BubbleBorder(("+", "+"), ("+", "+"), "-", "|")


@dataclass(frozen=True)
class Bubble:
    """The layout of one message."""

    head: str
    text: str
    foot: str
    locale: str = "en"
    is_mine: bool = False
    """Whether the phone sent it; otherwise the phone received it."""

    def lines(self, room: int, frame: BubbleBorder) -> list[Text]:
        """The lines of the bubble, at most ``room`` cells wide, and not wider than its text
        needs."""
        # The frame takes four cells of a line, and six cells of a line with a label.
        most = max(min(room, MOST_WIDTH), LEAST_WIDTH) - 4
        content = lines_of(self.text, most)
        labels = [_cut(one, max(room, LEAST_WIDTH) - 6) for one in (self.head, self.foot)]
        inner = max([cell_len(one) for one in content] + [cell_len(one) + 2 for one in labels])
        colour = "cyan" if self.is_mine else "green"
        to_right = self.locale.partition("-")[0] in RIGHT_TO_LEFT
        lines = [_border(labels[0], inner, frame.top, frame.across, colour)]
        for line in content:
            space = " " * (inner - cell_len(line))
            shown = Text(f"{frame.side} ", colour)
            shown.append(f"{space}{line}" if to_right else f"{line}{space}", "bold")
            shown.append(f" {frame.side}", colour)
            lines.append(shown)
        lines.append(_border(labels[1], inner, frame.bottom, frame.across, colour))
        return lines


def _border(label: str, inner: int, corners: tuple[str, str], across: str, colour: str) -> Text:
    """``+- label -------+``."""
    told = f" {label} " if label else ""
    rest = across * (inner + 1 - cell_len(told))
    return Text(f"{corners[0]}{across}{told}{rest}{corners[1]}", colour)


def _cut(label: str, width: int) -> str:
    if cell_len(label) <= width:
        return label
    text = Text(label)
    text.truncate(width, overflow="ellipsis")
    return text.plain
