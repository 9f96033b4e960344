"""`nertune compare`: two systems or more on the same test data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nertune.cli.options import AsJson, print_json
from nertune.errors import UserError

SPLITS = ("test", "dev")


def compare(
    systems: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B…",
            help="Study files, folders of results (OUTPUT), seed folders or prediction files (.jsonl), two or more",
            show_default=False,
        ),
    ],
    score: Annotated[
        str | None,
        typer.Option("--score", help="The one whose differences are tested [default: what the studies searched for]"),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test or dev")] = "test",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FOLDER", help="Also write comparison.md, .csv, .tex, .html and .json there"),
    ] = None,
    resamples: Annotated[
        int,
        typer.Option("--resamples", min=100, help="Of the bootstrap, and swaps of the randomisation, for each pair"),
    ] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draws, not of any training")] = 0,
    examples: Annotated[
        int, typer.Option("--examples", min=0, help="Texts to show that each of a pair got better, the clearest first")
    ] = 3,
    as_json: AsJson = False,
) -> None:
    """Differences of scores on the same test data: intervals and tests over texts and seeds, and where they differ."""
    from nertune.report.comparison import show_comparison
    from nertune.workflows.run_compare import compare as run_compare

    if split not in SPLITS:
        raise UserError(f"--split {split} is not among {' and '.join(SPLITS)}", fix="--split test")
    told = run_compare(
        systems,
        score=score,
        split="test" if split == "test" else "dev",
        output=output,
        n_draws=resamples,
        seed=seed,
        n_examples=examples,
    )
    if as_json:
        print_json(told)
    else:
        show_comparison(told)
    if output is not None:
        typer.echo(f"Wrote {output / 'comparison.md'}, .csv, .tex, .html and .json", err=True)
