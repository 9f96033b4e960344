"""Options and output that several commands share."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

Edits = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Edit the study before it is checked, for example train.epochs=2; can be repeated",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output, and nothing else there")]
NoReport = Annotated[bool, typer.Option("--no-report", help="Write no report at the end; nertune report does it later")]
IsQuiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notices")]


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
