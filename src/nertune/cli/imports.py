"""`nertune import-config`: experiment files of other programs become study files."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nertune.cli.options import AsJson, print_json
from nertune.errors import raise_all


def import_config(
    path: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="An experiment file, or a folder of them", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FOLDER", help="Gets the study files")] = Path("studies"),
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Folder of the data, whatever the file says")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Folder of a saved model, or a hub id, whatever the file says")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make study files of other programs' experiment files, and say what became of each key."""
    from nertune.report.imports import show_import
    from nertune.workflows.run_import import import_config as run_import

    record = run_import(path, output=output, data_dir=data_dir, model=model)
    if as_json:
        print_json(record.to_json())
    else:
        written = [study.path for study in record.studies]
        show_import(
            record.to_json(), then=shlex.join(["nertune", "check", str(written[0] if len(written) == 1 else output)])
        )
    raise_all(record.refused, ending="The other files became studies.")
