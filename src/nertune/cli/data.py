"""`nertune data …`: work on annotated files, with a study or without one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nertune.cli.options import AsJson, Edits, print_json

data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Work on annotated files: check, stats, convert, split, agreement, formats.",
)

Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="STUDY|PATH…", help="A study file, a folder, or annotated files", show_default=False),
]
Input = Annotated[
    Path, typer.Argument(metavar="STUDY|PATH", help="A study file, a folder, or an annotated file", show_default=False)
]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="What is written", show_default=False)]
Task = Annotated[
    str | None, typer.Option("--task", help="token (entities) or sequence (classes) [default: what the format is for]")
]
Form = Annotated[str | None, typer.Option("--format", help="The format of the files [default: recognised]")]
To = Annotated[str, typer.Option("--to", help="The format that is written, see: nertune data formats")]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Folder or hub id whose tokenizer and length count [default: the study's]"),
]


@data_app.command()
def check(
    paths: Inputs,
    task: Task = None,
    form: Form = None,
    model: Model = None,
    rare: Annotated[int, typer.Option("--rare", min=1, help="A label with fewer examples in train is rare")] = 10,
    listed: Annotated[
        str | None, typer.Option("--list", metavar="KIND", help="Every place of one kind of finding, one a line")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too: exit code 2")] = False,
    edits: Edits = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong or worth knowing before a model is trained: leakage, lost labels, odd characters, lengths."""
    from nertune.report.findings import list_places, show_audit
    from nertune.workflows.run_data_check import check as run_check

    result = run_check(
        paths, edits=edits or [], task=task, form=form, model=model, rare_below=rare, listed=listed, tell=_say
    )
    if as_json:
        print_json(result.to_json())
    elif listed is not None:
        for place in list_places(result.to_json()["findings"], listed):
            typer.echo(place)
    else:
        show_audit(result.to_json())
    if result.has_failed(strict=strict):
        sys.stdout.flush()
        raise typer.Exit(2)


@data_app.command()
def stats(
    paths: Inputs,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FOLDER", help="Also write stats.md with plots (PNG) and stats.json there"),
    ] = None,
    task: Task = None,
    form: Form = None,
    model: Model = None,
    edits: Edits = None,
    as_json: AsJson = False,
) -> None:
    """Lengths, labels, entities and vocabulary of every split, as tables and plots."""
    from nertune.report.stats import show_statistics
    from nertune.workflows.run_data_stats import stats as run_stats

    told = run_stats(paths, edits=edits or [], task=task, form=form, model=model, output=output, tell=_say)
    if as_json:
        print_json(told)
    else:
        show_statistics(told)
    if output is not None:
        _say(f"Wrote {output / 'stats.md'}, its plots and stats.json")


@data_app.command()
def convert(
    path: Input,
    target: Target,
    to: To,
    task: Task = None,
    form: Form = None,
    edits: Edits = None,
    as_json: AsJson = False,
) -> None:
    """Write annotated files in another format; what it cannot hold is counted and told."""
    from nertune.report.conversion import show_conversion
    from nertune.workflows.run_data_convert import convert as run_convert

    told = run_convert([path], to=to, target=target, edits=edits or [], task=task, form=form).to_json()
    if as_json:
        print_json(told)
    else:
        show_conversion(told)


@data_app.command()
def split(
    path: Input,
    target: Target,
    dev: Annotated[float | None, typer.Option("--dev", help="Share of the examples that becomes dev")] = None,
    test: Annotated[float | None, typer.Option("--test", help="Share of the examples that becomes test")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the draw [default: 1]")] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="document (kept whole) or sentence [default: document]")
    ] = None,
    stratify: Annotated[
        bool | None, typer.Option("--stratify/--no-stratify", help="Labels alike in all parts [default: stratify]")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="The format that is written [default: conll, or tsv for texts]")
    ] = None,
    task: Task = None,
    form: Form = None,
    edits: Edits = None,
    as_json: AsJson = False,
) -> None:
    """Write train, dev and test as files of their own, drawn as a study with data.split draws them."""
    from nertune.report.conversion import show_conversion
    from nertune.workflows.run_data_convert import split as run_split

    given = {"dev": dev, "test": test, "seed": seed, "by": by, "stratify": stratify}
    changes = [
        *(edits or []),
        *(f"data.split.{key}={_plain(value)}" for key, value in given.items() if value is not None),
    ]
    told = run_split([path], target=target, to=to, edits=changes, task=task, form=form).to_json()
    if as_json:
        print_json(told)
    else:
        show_conversion(told)


@data_app.command()
def agreement(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="A B…", help="The same documents by two annotators or more", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE.md", help="Also write it as Markdown")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List every disagreement, not the first ones only")] = False,
    task: Task = None,
    form: Form = None,
    edits: Edits = None,
    as_json: AsJson = False,
) -> None:
    """How well annotators agree: F1 of entities, kappa, alpha, per label, and where they differ."""
    from nertune.report.agreement import show_agreement
    from nertune.workflows.run_data_agreement import agreement as run_agreement

    told = run_agreement(paths, edits=edits or [], task=task, form=form, output=output)
    if as_json:
        print_json(told)
    else:
        show_agreement(told, **({"n_shown": None} if every else {}))


@data_app.command()
def formats(as_json: AsJson = False) -> None:
    """The formats that are read and written."""
    from nertune.report.conversion import show_formats
    from nertune.workflows.run_data_convert import known_formats

    told = known_formats()
    if as_json:
        print_json(told)
    else:
        show_formats(told)


def _say(message: str) -> None:
    typer.echo(message, err=True)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
