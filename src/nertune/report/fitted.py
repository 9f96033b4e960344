"""Tables that fit the terminal: columns that matter less are left out, texts are cut; in a pipe they are whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nertune.report.text import safe_text

GAP = 2  # blanks between columns
PLAIN_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)  # SIMPLE_HEAD without box characters


@dataclass(frozen=True)
class Column:
    """A column of finished texts.

    rank      of what is left out first where there is no room: the highest; 0 is never left out
    least     columns of the terminal to which its texts may be cut; None: they are never cut
    is_text   stands to the left; numbers stand to the right
    """

    heading: str
    cells: Sequence[str]
    rank: int = 0
    least: int | None = None
    is_text: bool = False

    @property
    def full(self) -> int:
        """How wide it is uncut; a sign of Chinese or an emoji takes two places."""
        return max(cell_len(safe_text(text)) for text in (self.heading, *self.cells))

    @property
    def narrow(self) -> int:
        return self.full if self.least is None else min(self.full, self.least)


def show_columns(console: Console, columns: Sequence[Column], *, styles: Sequence[str | None] = ()) -> None:
    """Print the columns as a table.

    styles  of the rows
    """
    is_screen = console.is_terminal
    kept = fit_columns(columns, width=console.width) if is_screen else [(one, one.full) for one in columns]
    table = Table(
        box=_box(console), pad_edge=False, show_edge=False, header_style="", padding=(0, GAP - 1, 0, 0), expand=False
    )
    for column, width in kept:
        heading = Text(safe_text(column.heading))
        justify: Literal["left", "right"] = "left" if column.is_text else "right"
        table.add_column(heading, justify=justify, width=width, no_wrap=True, overflow="ellipsis")
    n_rows = len(columns[0].cells)
    for place in range(n_rows):
        style = styles[place] if styles else None
        table.add_row(*(Text(safe_text(column.cells[place])) for column, _ in kept), style=style)
    if not is_screen:
        console.width = max(console.width, sum(width + GAP for _, width in kept))
    console.print(table)


def fit_columns(columns: Sequence[Column], *, width: int) -> list[tuple[Column, int]]:
    """The columns that have room, and how wide each may be."""
    kept = list(columns)
    while len(kept) > 1 and _total([column.narrow for column in kept]) > width:
        last = max((column for column in kept if column.rank), key=lambda column: column.rank, default=None)
        if last is None:
            break
        kept.remove(last)
    widths = [column.full for column in kept]
    for _ in range(max(0, _total(widths) - width)):
        spare = [one - column.narrow for one, column in zip(widths, kept, strict=True)]
        if max(spare) > 0:
            widths[spare.index(max(spare))] -= 1
    return list(zip(kept, widths, strict=True))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _box(console: Console) -> Box:
    can_draw = console.encoding.lower().startswith("utf") and not console.is_dumb_terminal
    return box.SIMPLE_HEAD if can_draw else PLAIN_HEAD
