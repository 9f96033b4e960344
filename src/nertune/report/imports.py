"""What became of each key of a file that was imported: on the terminal, and as the head of the study file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nertune.errors import shown_path
from nertune.report.grids import Grid, count_text, cut_text, show_grid, show_line
from nertune.report.tables import result_console
from nertune.report.text import safe_text

FATES = {
    "kept": "kept",
    "renamed": "renamed",
    "meaningless": "no meaning here",
    "unknown": "not known",
    "added": "added",
}
COLUMNS = ("key", "value", "what became of it", "in the study, or why not")


def show_import(told: Mapping[str, Any], *, then: str) -> None:
    """A table for each study, then what was passed over.

    then  the command to type next
    """
    console = result_console()
    for study in told["studies"]:
        rows = [
            (one["key"], _value_text(one["value"]) if one["key"] else "", FATES[one["fate"]], _outcome_text(one))
            for one in study["keys"]
        ]
        title = (
            f"{shown_path(Path(study['file']))} ({study['kind']}, {study['title']}) → {shown_path(Path(study['path']))}"
        )
        note = "" if study["is_new"] else "The study file was there already, and is the same."
        show_grid(console, Grid(title, COLUMNS, rows, n_texts=len(COLUMNS), note=note))
    for one in told["passed_over"]:
        show_line(console, f"Passed over   {shown_path(Path(one['file']))}: {one['reason']}")
    if told["studies"]:
        show_line(console, f"Written       {count_text(sum(one['is_new'] for one in told['studies']), 'study files')}")
        show_line(console, f"Next          {then}")


def comment_lines(keys: Sequence[Mapping[str, Any]]) -> list[str]:
    """What became of each key, a line each, without values: those may be another machine's."""
    width = max((len(safe_text(one["key"])) for one in keys), default=0)
    return [
        f"# {safe_text(one['key']):<{width}}  {FATES[one['fate']]:<15}  {cut_text(_names_text(one))}".rstrip()
        for one in keys
    ]


def _outcome_text(one: Mapping[str, Any]) -> str:
    became = ", ".join(f"{name}: {_value_text(value)}" for name, value in one["became"].items())
    return f"{became} ({one['note']})" if became and one["note"] else became or one["note"]


def _names_text(one: Mapping[str, Any]) -> str:
    became = ", ".join(one["became"])
    return safe_text(f"{became} ({one['note']})" if became and one["note"] else became or one["note"])


def _value_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return cut_text(text, limit=60)
