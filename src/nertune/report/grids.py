"""Tables of finished texts, the same for the terminal and for Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nertune.report.text import safe_text

LONGEST = 80  # characters of a text from data in a table; giant words and whole texts are cut


@dataclass(frozen=True)
class Grid:
    """A table: rows of finished texts under headings.

    n_texts  how many columns, from the left, hold text; the others hold numbers and stand to the right
    note     a sentence below it
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    n_texts: int = 1
    note: str = ""


def count_text(n: float, what: str = "") -> str:
    """A number or mean, its thousands apart, and what it counts: `12,345`, `2.4 words`, `1 word` of "words"."""
    number = f"{n:,.1f}".removesuffix(".0")
    return f"{number} {what.removesuffix('s') if n == 1 else what}".rstrip()


def share_text(share: float | None) -> str:
    """A share in percent, with as many digits as it needs to be told from 0 and from 100; a dash for None."""
    if share is None:
        return "–"
    if 0 < share < 0.0005 or 0.9995 < share < 1:
        return "< 0.1 %" if share < 0.5 else "> 99.9 %"
    return f"{100 * share:.1f} %"


def number_text(value: float | None) -> str:
    """A mean or length: two digits behind the point where there are any."""
    return "–" if value is None else f"{value:,.2f}".removesuffix(".00")


def cut_text(text: str, *, limit: int = LONGEST) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


# ---- the terminal


def show_grid(console: Console, grid: Grid) -> None:
    """The table under its title, and an empty line."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="")
    for number, heading in enumerate(grid.headings):
        is_text = number < grid.n_texts
        table.add_column(Text(safe_text(heading)), justify="left" if is_text else "right", overflow="fold")
    for row in grid.rows:
        table.add_row(*(Text(safe_text(cell)) for cell in row))
    show_line(console, grid.title)
    console.print(table)
    if grid.note:
        show_line(console, grid.note)
    console.print()


def show_line(console: Console, line: str) -> None:
    """A line that is not broken in a pipe; text from data cannot steer the terminal."""
    console.print(Text(safe_text(line)), soft_wrap=True)


# ---- Markdown

SPECIAL = re.compile(r"[\\`*_\[\]|~$]")
LINK = re.compile(r":(?=//)|(?<=www)\.|@", re.IGNORECASE)  # of the links that GitHub makes of bare addresses
BLOCK = re.compile(r"^\s*([-+#=]|\d+[.)](?=\s|$))")  # begins a list, heading or rule at the start of a paragraph


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it stands: no markup, HTML, link or cell border comes of it."""
    plain = safe_text(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    marked = LINK.sub(r"\\\g<0>", SPECIAL.sub(r"\\\g<0>", plain))
    return BLOCK.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", marked)


def markdown_table(grid: Grid) -> str:
    """The table under a heading of the third level."""
    lines = [
        _markdown_row(grid.headings),
        "|" + "|".join(":--" if number < grid.n_texts else "--:" for number in range(len(grid.headings))) + "|",
        *(_markdown_row(row) for row in grid.rows),
    ]
    parts = [f"### {markdown_text(grid.title)}", "\n".join(lines), markdown_text(grid.note)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown_text(cell) or " " for cell in cells) + " |"
