"""Tables for LaTeX, with booktabs' rules."""

from __future__ import annotations

import re

from nertune.report.grids import Grid
from nertune.report.text import safe_text

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "–": "--",
    "…": r"\ldots{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
PATTERN = re.compile("|".join(map(re.escape, SPECIAL)))
NEEDS = r"% In the preamble: \usepackage{booktabs} \usepackage[T1]{fontenc}"


def latex_text(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return PATTERN.sub(lambda found: SPECIAL[found[0]], safe_text(text))


def latex_table(grid: Grid) -> str:
    """A `table` with the grid's title as its caption, and its note below."""
    kinds = "".join("l" if number < grid.n_texts else "r" for number in range(len(grid.headings)))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(grid.title)}}}",
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
        _row(grid.headings),
        r"\midrule",
        *(_row(row) for row in grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *([rf"\par\smallskip {{\footnotesize {latex_text(grid.note)}}}"] if grid.note else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    # a cell that begins with [ would be read as the length of the line break before it
    return (
        " & ".join(f"{{}}{latex_text(cell)}" if cell.startswith(("[", "*")) else latex_text(cell) for cell in cells)
        + r" \\"
    )
