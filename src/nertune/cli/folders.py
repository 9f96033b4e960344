"""A command on one study, or on a folder of them: each study's own result, then a table of all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from nertune.cli.options import print_json
from nertune.errors import shown_path


@dataclass(frozen=True)
class StudyCommand:
    """A command that takes a study file, and how its result is told.

    title    of the table of a folder
    run      the command on one study file
    show     its result on standard output
    told     its result as plain data
    summary  of its result, for the table
    after    what is made of it once it was told
    """

    title: str
    run: Callable[[Path], Any]
    show: Callable[[Path, Any], None]
    told: Callable[[Any], Mapping[str, Any]]
    summary: Callable[[Any], Mapping[str, Any]]
    after: Callable[[Path], object] = lambda _: None


def run_and_tell(path: Path, command: StudyCommand, *, as_json: bool, say: Callable[[str], None]) -> None:
    """Run a command on a study file, or on every study of a folder, and print what it came to."""
    if path.is_dir():
        _run_studies(path, command, as_json=as_json, say=say)
        return
    outcome = command.run(path)
    if as_json:
        print_json(command.told(outcome))
    else:
        command.show(path, outcome)
    sys.stdout.flush()
    command.after(path)


def _run_studies(folder: Path, command: StudyCommand, *, as_json: bool, say: Callable[[str], None]) -> None:
    """Each study's result, then the table, then the exit code of the worst."""
    from nertune.report.folders import show_folder
    from nertune.report.text import safe_text
    from nertune.workflows.run_folder import StudyRun, run_folder, worst_exit_code

    def ended(one: StudyRun[Any]) -> None:
        for line in one.message.splitlines():
            typer.echo(safe_text(line), err=True)
        if one.outcome is not None and not as_json:
            command.show(one.path, one.outcome)
        if one.outcome is not None:
            command.after(one.path)

    runs = run_folder(folder, run=command.run, ended=ended, tell=say)
    rows = [{"file": str(one.path), "state": one.state, "exit_code": one.exit_code, "cause": one.cause} for one in runs]
    if as_json:
        results = [None if one.outcome is None else command.told(one.outcome) for one in runs]
        print_json([{**row, "result": result} for row, result in zip(rows, results, strict=True)])
    else:
        summaries = [None if one.outcome is None else command.summary(one.outcome) for one in runs]
        show_folder(
            [{**row, "summary": found} for row, found in zip(rows, summaries, strict=True)],
            title=f"{command.title} {shown_path(folder)}",
        )
    sys.stdout.flush()
    if code := worst_exit_code(runs):
        raise typer.Exit(code)
