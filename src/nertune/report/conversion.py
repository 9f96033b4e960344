"""What a conversion or split wrote, and the formats there are: on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nertune.report.grids import Grid, count_text, show_grid, show_line
from nertune.report.tables import result_console

SHOWN_PLACES = 3


def show_conversion(told: Mapping[str, Any]) -> None:
    """Files written, with their sizes; then what reading met and what the new format cannot hold."""
    console = result_console()
    rows = [
        (name, one["path"], count_text(one["items"]), "" if one["entities"] is None else count_text(one["entities"]))
        for name, one in told["written"].items()
    ]
    columns = ("split", "written", told["unit"], "entities")
    show_grid(console, Grid(f"{told['format']} → {told['to']}", columns, rows))
    _show_noticed(told["noticed"], title="Reading")
    _show_noticed(told["losses"], title=f"What {told['to']} cannot hold")


def show_formats(told: Mapping[str, Any]) -> None:
    """One table of the formats that are read, one of those that are written."""
    console = result_console()
    for title, forms in (("Read", told["read"]), ("Written", told["written"])):
        rows = [(form["name"], ", ".join(form["tasks"]), form["holds"]) for form in forms]
        show_grid(console, Grid(title, ("format", "task", "holds"), rows))


def _show_noticed(noticed: Sequence[Mapping[str, Any]], *, title: str) -> None:
    console = result_console()
    if noticed:
        show_line(console, f"{title}:")
    for one in noticed:
        show_line(console, f"  {one['severity']}: {one['message']}. {one['advice']}")
        for place in one["places"][:SHOWN_PLACES]:
            show_line(console, f"      {place}")
