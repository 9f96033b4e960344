"""`nertune train`, `predict`, `evaluate`: one fit, and what a saved model says, without a search."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from nertune.cli.options import AsJson, Edits, IsQuiet, print_json
from nertune.errors import UserError, raise_all

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Folder of a saved model; or of several, as a study's OUTPUT is: their probabilities are averaged. Or a hub id",
        show_default=False,
    ),
]
Device = Annotated[
    str, typer.Option("--device", help="cpu, cuda, cuda:1 (the second GPU), or auto: a GPU where there is one")
]
Precision = Annotated[
    Literal["fp32", "bf16"],
    typer.Option("--precision", help="fp32, in which test was scored; bf16 is faster where the device has it"),
]
BatchPieces = Annotated[
    int | None,
    typer.Option("--batch-pieces", min=1, help="Pieces at a time on the GPU, or on each core [default: what suits it]"),
]
ReadingEdits = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="data.KEY=VALUE",
        help="How the data are read, in the keys of a study file, for example data.encoding=latin-1; can be repeated",
    ),
]


def add_model_commands(app: typer.Typer) -> None:
    """Register the three commands."""
    for command in (train, predict, evaluate):
        app.command()(command)


def train(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="Study file", show_default=False)],
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the fit [default: the first of final.seeds]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FOLDER", help="The model's folder [default: one in OUTPUT/train]"),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Score test, too: only when the setting is chosen and will not change")
    ] = False,
    device: Device = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Move a folder that is there to NAME@1, NAME@2 …; nothing is deleted")
    ] = False,
    edits: Edits = None,
    as_json: AsJson = False,
    quiet: IsQuiet = False,
) -> None:
    """One fit of a study's written values with one seed: no search, no record, test left closed."""
    from nertune.report.evaluation import show_fit
    from nertune.workflows.run_train import train as run_train

    told = run_train(
        study,
        seed=seed,
        output=output,
        test=test,
        device=device,
        fresh=fresh,
        edits=edits or [],
        tell=_teller(quiet=quiet),
    )
    if as_json:
        print_json(told)
    else:
        show_fit(told)


def predict(
    model: Model,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-",
            help="Text, a sentence or text a line; any format that is read, labels or none; a folder; or - for standard input",
            show_default=False,
        ),
    ],
    as_lines: Annotated[
        bool, typer.Option("--jsonl", help="A JSON object a line: entities or classes with their probabilities")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write there [default: standard output]")
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="text (a sentence or text a line), words (a word a line), json, table, or a name of `nertune data formats` [default: recognised]",
        ),
    ] = None,
    text_column: Annotated[
        str | None,
        typer.Option(
            "--text-column", help="Name or number (from 0) of a table's column, or key of JSON, with the text"
        ),
    ] = None,
    batch_pieces: BatchPieces = None,
    edits: ReadingEdits = None,
    quiet: IsQuiet = False,
) -> None:
    """Tags or classes for new text, with probabilities; standard input is answered as it arrives."""
    from nertune.report.predictions import json_line, text_lines
    from nertune.workflows.run_predict import ALL_ELSE, predict_chunks

    changes = [*(edits or []), *([f"data.format={form}"] if form else [])]
    changes += [] if text_column is None else [f"data.columns.text={text_column}"]
    if output is not None and str(output) == source:
        raise UserError("--output is the file that is read", fix="Name another one")
    faults: list[UserError] = []
    line_of = json_line if as_lines else text_lines
    with _writing(output) as write:
        for rows in predict_chunks(
            model,
            source,
            device=device,
            precision=precision,
            edits=changes,
            tell=_teller(quiet=quiet),
            faults=faults,
            max_pieces=batch_pieces,
        ):
            write("".join(map(line_of, rows)))
    raise_all(faults, ending=ALL_ELSE)


def evaluate(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="A study file, a folder, or an annotated file", show_default=False),
    ],
    split: Annotated[str | None, typer.Option("--split", help="Which of several splits [default: test]")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Also write the result there, as JSON")
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    form: Annotated[str | None, typer.Option("--format", help="The format of the files [default: recognised]")] = None,
    batch_pieces: BatchPieces = None,
    edits: ReadingEdits = None,
    as_json: AsJson = False,
    quiet: IsQuiet = False,
) -> None:
    """Scores of a saved model on labelled data: overall, by label, strict and partial matches, confusions."""
    from nertune.report.evaluation import show_evaluation
    from nertune.results.files import write_json
    from nertune.workflows.run_evaluate import evaluate as run_evaluate

    told = run_evaluate(
        model,
        data,
        device=device,
        precision=precision,
        edits=edits or [],
        form=form,
        split=split,
        max_pieces=batch_pieces,
        tell=_teller(quiet=quiet),
    )
    if output is not None:
        write_json(output, told)
    if as_json:
        print_json(told)
    else:
        show_evaluation(told)


@contextmanager
def _writing(output: Path | None) -> Iterator[Callable[[str], object]]:
    """What writes a part of the result: to a file that is there whole or not at all, or to standard output at once."""
    if output is not None:
        from nertune.data.writers.drafts import open_draft

        with open_draft(output) as draft:
            yield draft.write
        return

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    yield write


def _teller(*, quiet: bool) -> Callable[[str], None]:
    from nertune.report.text import safe_text

    def tell(message: str) -> None:
        if not quiet:
            typer.echo(safe_text(message), err=True)

    return tell
