"""nertune against the plain loop: both do the same works in turn, and one table says how they compare.

python benchmarks/run.py                       a few cells, at most half an hour on two cores
python benchmarks/run.py --full                the classic grid of 36 cells, and the quality rows: hours
python benchmarks/run.py --quality             one setting on the whole data, three seeds a side
python benchmarks/run.py --rows token,start    rows that have a goal, by name; see README.md
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

import course
import grids
from finals import best_and_train
from grids import CLASSIC, QUALITY, SHORT, form_comparison
from nertune.data.examples import Task
from nertune.errors import NertuneError
from predictions import prediction
from rows import Row, make_table, notes
from sets import Encoder, default_encoder
from turns import Comparison, Result, compare
from useful import useful
from works import Form, Inputs, Source

SHORT_MINUTES = 28.0  # of the half hour that `make bench` may take
WIDE = 240  # columns where the output need not fit a screen
ENV = "NERTUNE_BENCH_"
ALL_ROWS = "all"

ROWS: Mapping[str, Callable[[Inputs], Comparison]] = {
    "token": grids.token,
    "sequence": grids.sequence,
    "halving": grids.halving,
    "head": grids.head,
    "top-layers": grids.top_layers,
    "best-and-train": best_and_train,
    "prediction": prediction,
    "overhead": course.overhead,
    "start": course.start,
    "useful": useful,
}


def main() -> int:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the running side is ended, too
    folder = Path(tempfile.mkdtemp(prefix="nertune-benchmark-"))
    try:
        inputs = inputs_of(options, folder=folder)
        comparisons = make_comparisons(options, inputs=inputs)
    except NertuneError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    results = compare(comparisons, folder=folder, limit_s=limit_s(options))
    rows = [result.rows() for result in results]
    show([row for made in rows for row in made])
    if options.json:
        told = tell(rows, results=results, model=inputs.encoder.model)
        options.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return end(results, folder=folder)


# ---- options


def read_options() -> argparse.Namespace:
    """The command line; models and data may also be named in the environment, for `make bench`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--full", action="store_true", help="the classic grid of 36 cells, and the quality rows")
    choice.add_argument("--quality", action="store_true", help="only the quality rows")
    choice.add_argument("--rows", type=row_names, default=(), metavar="LIST", help=f"all, or of {', '.join(ROWS)}")
    add_inputs(parser)
    parser.add_argument("--sentences", type=int, help="of each split, at most so many")
    parser.add_argument("--batch-sizes", type=numbers(int), metavar="LIST", help="for example 8,32")
    parser.add_argument("--learning-rates", type=numbers(float), metavar="LIST", help="for example 3e-4,3e-5")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--top-layers", type=int, metavar="N", help="only the last N layers learn, 0: the head alone")
    parser.add_argument("--seeds", type=numbers(int), metavar="LIST", help="of best-and-train; default: 1,2,3,4,5")
    parser.add_argument("--predicted", type=int, default=10_000, help="sentences of the row prediction")
    parser.add_argument("--rounds", type=int, help="how often each side does each work")
    parser.add_argument(
        "--minutes", type=float, help=f"begin no round that would end later; short form: {SHORT_MINUTES:g}"
    )
    parser.add_argument("--without-checkpoints", action="store_true", help="the plain loop saves nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows and every run there")
    return parser.parse_args()


def add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=get_args(Task), help="only this one; of rows that have none: default token")
    inputs = {
        "model": "folder or hub id; default: the packaged encoder, else the demo's",
        "tokenizer": "folder or hub id; default: the model's",
        "token-data": "folder with train, dev and test files; default: the demo's",
        "sequence-data": "folder with train, dev and test files; default: the demo's",
        "sequence-columns": "for example text=tweet,label=sentiment",
    }
    for name, told in inputs.items():
        variable = ENV + name.upper().replace("-", "_")
        parser.add_argument(f"--{name}", default=os.environ.get(variable), help=f"{told} [{variable}]")


def row_names(text: str) -> tuple[str, ...]:
    """Reads a list such as `token,start`."""
    names = tuple(ROWS) if text == ALL_ROWS else tuple(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return names


def numbers(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Reads a list such as `8,32`."""
    return lambda text: tuple(kind(part) for part in text.split(","))


def limit_s(options: argparse.Namespace) -> float | None:
    """After how many seconds no further round begins: the short form has a limit of its own."""
    if options.minutes is not None:
        return float(options.minutes * 60)
    return None if options.full or options.quality or options.rows else SHORT_MINUTES * 60


# ---- comparisons


def inputs_of(options: argparse.Namespace, *, folder: Path) -> Inputs:
    given = {"token": options.token_data, "sequence": options.sequence_data}
    pairs = options.sequence_columns
    columns = {"sequence": dict(pair.split("=", 1) for pair in pairs.split(","))} if pairs else {}
    changed = ("batch_sizes", "learning_rates", "epochs", "sentences", "rounds")
    return Inputs(
        folder=folder,
        encoder=encoder_of(options),
        sources={task: Source(Path(path), columns.get(task)) for task, path in given.items() if path},
        task=options.task or "token",
        changes={name: getattr(options, name) for name in changed if getattr(options, name) is not None},
        work_changes={"checkpoints": not options.without_checkpoints, "top_layers": options.top_layers},
        rows=options.rows,
        predicted=options.predicted,
        **({"seeds": options.seeds} if options.seeds else {}),
    )


def encoder_of(options: argparse.Namespace) -> Encoder:
    """As the sides find it, which run in folders of their own."""
    if not options.model:
        return default_encoder()
    model, tokenizer = (
        str(Path(name).resolve()) if name and Path(name).is_dir() else name
        for name in (options.model, options.tokenizer)
    )
    return Encoder(model, tokenizer)


def make_comparisons(options: argparse.Namespace, *, inputs: Inputs) -> list[Comparison]:
    """Those that were asked for, their data cut and written."""
    if options.rows:
        return [ROWS[name](inputs) for name in options.rows]
    tasks: Sequence[Task] = [options.task] if options.task else get_args(Task)
    return [form_comparison(form, inputs, task=task) for form in forms_of(options) for task in tasks]


def forms_of(options: argparse.Namespace) -> list[Form]:
    return [CLASSIC, QUALITY] if options.full else [QUALITY] if options.quality else [SHORT]


# ---- results


def show(rows: Sequence[Row]) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    console.print(make_table(rows))
    for line in notes(rows):
        console.print(line, soft_wrap=True, highlight=False)


def end(results: Sequence[Result], *, folder: Path) -> int:
    """The exit code; what went wrong is said once more, and its files are kept."""
    errors = {result.comparison.name: result.error for result in results if result.error is not None}
    for name, error in errors.items():
        print(f"{name}: {error}", file=sys.stderr)
    if not errors:
        shutil.rmtree(folder)
    return max((error.exit_code for error in errors.values()), default=0)


def tell(rows: Sequence[Sequence[Row]], *, results: Sequence[Result], model: str) -> list[dict[str, Any]]:
    """Rows, and with each what the sides did in every round."""
    return [
        {
            **row.to_json(),
            "model": model,
            "cpus": os.cpu_count(),
            "runs": {side: [run.to_json() for run in done] for side, done in result.runs.items()},
        }
        for made, result in zip(rows, results, strict=True)
        for row in made
    ]


if __name__ == "__main__":
    sys.exit(main())
