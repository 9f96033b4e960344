"""Tables that fit the terminal: columns that matter less are left out, texts are cut; in a pipe they are whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.box import Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from nertune.report.text import safe_text

GAP, LEAST_GAP = 3, 2  # blanks between columns
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
        return max(self._cells, cell_len(safe_text(self.heading)))

    @property
    def narrow(self) -> int:
        """How wide it has to be: texts may be cut, headings are broken between words, numbers are whole."""
        if self.least is not None:
            return min(self.full, self.least)
        return max([self._cells, *(cell_len(word) for word in safe_text(self.heading).split())])

    @property
    def _cells(self) -> int:
        return max((cell_len(safe_text(text)) for text in self.cells), default=0)


@dataclass(frozen=True)
class FittedTable:
    """Columns as rich draws them, as many as the console has room for.

    styles  of the rows; empty: none has one
    ends    rows with an empty line behind them
    """

    columns: Sequence[Column]
    styles: Sequence[str | None] = ()
    ends: Collection[int] = ()

    @property
    def width(self) -> int:
        return _total([column.full for column in self.columns], gap=GAP)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = fit_columns(self.columns, width=options.max_width)
        has_room = _total([width for _, width in kept], gap=GAP) <= options.max_width
        yield self._table(kept, gap=GAP if has_room else LEAST_GAP, box=_box(console))

    def _table(self, kept: Sequence[tuple[Column, int]], *, gap: int, box: Box) -> Table:
        padding = (
            (0, gap - 2, 0, 1) if gap > LEAST_GAP else (0, 1, 0, 0)
        )  # a border of the box, a blank, is one of them
        table = Table(box=box, pad_edge=False, show_edge=False, header_style="", padding=padding)
        for column, width in kept:
            heading = Text(safe_text(column.heading))
            justify: Literal["left", "right"] = "left" if column.is_text else "right"
            is_cut = column.least is not None
            table.add_column(heading, justify=justify, width=width, no_wrap=is_cut, overflow="ellipsis", vertical="top")
        for place in range(len(self.columns[0].cells)):
            style = self.styles[place] if self.styles else None
            cells = (Text(safe_text(column.cells[place])) for column, _ in kept)
            table.add_row(*cells, style=style, end_section=place in self.ends)
        return table


def show_table(console: Console, table: FittedTable) -> None:
    """Print a table that fits the terminal, or whole where there is none."""
    if not console.is_terminal:
        console.width = max(console.width, table.width)
    console.print(table)


def show_columns(console: Console, columns: Sequence[Column], *, styles: Sequence[str | None] = ()) -> None:
    """Print the columns as a table, and `styles` of its rows."""
    show_table(console, FittedTable(columns, styles))


def fit_columns(columns: Sequence[Column], *, width: int) -> list[tuple[Column, int]]:
    """The columns that have room, and how wide each may be; of equal ranks the last is left out first."""
    kept = list(columns)
    while len(kept) > 1 and _total([column.narrow for column in kept]) > width:
        last = max((column for column in reversed(kept) if column.rank), key=lambda column: column.rank, default=None)
        if last is None:
            break
        kept.remove(last)
    widths = [column.full for column in kept]
    for _ in range(max(0, _total(widths) - width)):
        spare = [one - column.narrow for one, column in zip(widths, kept, strict=True)]
        if max(spare) > 0:
            widths[spare.index(max(spare))] -= 1
    return list(zip(kept, widths, strict=True))


def _total(widths: Sequence[int], *, gap: int = LEAST_GAP) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _box(console: Console) -> Box:
    can_draw = console.encoding.lower().startswith("utf") and not console.is_dumb_terminal
    return box.SIMPLE_HEAD if can_draw else PLAIN_HEAD
