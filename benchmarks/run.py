"""nertune against the plain loop: both do the same works in turn, and one table says how they compare.

python benchmarks/run.py              a few cells, at most half an hour on two cores
python benchmarks/run.py --full       the classic grid of 36 cells, and the quality rows: hours
python benchmarks/run.py --quality    one setting on the whole data, three seeds a side
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from nertune.data.examples import Task
from nertune.errors import NertuneError
from rows import Row, make_row, make_table, notes
from sets import DEMO_DATA, Encoder, default_encoder, write_cut
from sides import SIDES, Run, Work

FIRST_SEED = 42
SHORT_MINUTES = 28.0  # of the half hour that `make bench` may take
WIDE = 200  # columns where the output need not fit a screen
ENV = "NERTUNE_BENCH_"

Runs = dict[str, list[Run]]  # of each side, a run a round


@dataclass(frozen=True)
class Form:
    """What a work looks like, whatever its task.

    sentences   of train and of dev, at most so many, evenly spread; None: all
    """

    title: str
    batch_sizes: tuple[int, ...]
    learning_rates: tuple[float, ...]
    epochs: int
    sentences: int | None
    rounds: int


CLASSIC_RATES = (1e-3, 1e-4, 1e-5, 1e-6, 3e-3, 3e-4, 3e-5, 3e-6, 5e-3, 5e-4, 5e-5, 5e-6)
SHORT = Form("search", (8, 32), (3e-4, 3e-5), epochs=2, sentences=800, rounds=2)
CLASSIC = Form("classic grid", (8, 16, 32), CLASSIC_RATES, epochs=4, sentences=800, rounds=1)
QUALITY = Form("one setting, whole data", (16,), (3e-4,), epochs=4, sentences=None, rounds=3)


def main() -> int:
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the running side is ended, too
    folder = Path(tempfile.mkdtemp(prefix="nertune-benchmark-"))
    try:
        works = make_works(options, folder=folder)
        results = compare(works, folder=folder, limit_s=limit_s(options))
    except NertuneError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    rows = [make_row(work, **runs) for work, runs in zip(works, results, strict=True)]
    show(rows)
    if options.json:
        options.json.write_text(json.dumps(told(works, results, rows), indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(folder)
    return 0


# ---- options


def read_options() -> argparse.Namespace:
    """The command line; models and data may also be named in the environment, for `make bench`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="the classic grid of 36 cells, and the quality rows")
    size.add_argument("--quality", action="store_true", help="only the quality rows")
    add_inputs(parser)
    parser.add_argument("--sentences", type=int, help="of train and of dev, at most so many")
    parser.add_argument("--batch-sizes", type=numbers(int), metavar="LIST", help="for example 8,32")
    parser.add_argument("--learning-rates", type=numbers(float), metavar="LIST", help="for example 3e-4,3e-5")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--top-layers", type=int, metavar="N", help="only the last N layers learn, 0: the head alone")
    parser.add_argument("--rounds", type=int, help="how often each side does each work")
    parser.add_argument(
        "--minutes", type=float, help=f"begin no round that would end later; short form: {SHORT_MINUTES:g}"
    )
    parser.add_argument("--without-checkpoints", action="store_true", help="the plain loop saves nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows and every run there")
    return parser.parse_args()


def add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=get_args(Task), help="only this one")
    inputs = {
        "model": "folder or hub id; default: the packaged encoder, else the demo's",
        "tokenizer": "folder or hub id; default: the model's",
        "token-data": "folder with train and dev files; default: the demo's",
        "sequence-data": "folder with train and dev files; default: the demo's",
        "sequence-columns": "for example text=tweet,label=sentiment",
    }
    for name, told in inputs.items():
        variable = ENV + name.upper().replace("-", "_")
        parser.add_argument(f"--{name}", default=os.environ.get(variable), help=f"{told} [{variable}]")


def numbers(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Reads a list such as `8,32`."""
    return lambda text: tuple(kind(part) for part in text.split(","))


def limit_s(options: argparse.Namespace) -> float | None:
    """After how many seconds no further round begins: the short form has a limit of its own."""
    if options.minutes is not None:
        return options.minutes * 60
    return None if options.full or options.quality else SHORT_MINUTES * 60


def forms_of(options: argparse.Namespace) -> list[Form]:
    """The forms that the options ask for, changed where an option says so."""
    forms = [CLASSIC, QUALITY] if options.full else [QUALITY] if options.quality else [SHORT]
    names = ("batch_sizes", "learning_rates", "epochs", "sentences", "rounds")
    changes = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return [replace(form, **changes) for form in forms]


# ---- works


def make_works(options: argparse.Namespace, *, folder: Path) -> list[Work]:
    """A work for each form and task, its data cut and written below the folder."""
    encoder = Encoder(options.model, options.tokenizer) if options.model else default_encoder()
    tasks: Sequence[Task] = [options.task] if options.task else get_args(Task)
    return [
        make_work(form, task=task, encoder=encoder, options=options, folder=folder / f"data-{task}-{number}")
        for number, form in enumerate(forms_of(options))
        for task in tasks
    ]


def make_work(form: Form, *, task: Task, encoder: Encoder, options: argparse.Namespace, folder: Path) -> Work:
    given = {"token": options.token_data, "sequence": options.sequence_data}[task]
    columns = options.sequence_columns if task == "sequence" else None
    pairs = dict(pair.split("=", 1) for pair in columns.split(",")) if columns else None
    source = Path(given) if given else DEMO_DATA[task]
    write_cut(source.resolve(), task=task, columns=pairs, sentences=form.sentences, folder=folder)
    return Work(
        name=f"{task}, {form.title}",
        task=task,
        data=folder,
        encoder=encoder,
        batch_sizes=form.batch_sizes,
        learning_rates=form.learning_rates,
        epochs=form.epochs,
        rounds=form.rounds,
        checkpoints=not options.without_checkpoints,
        top_layers=options.top_layers,
    )


# ---- rounds


def compare(works: Sequence[Work], *, folder: Path, limit_s: float | None = None) -> list[Runs]:
    """Both sides of every work in turn, round by round: what disturbs the machine for a while disturbs both.

    limit_s   seconds; after the first round, a pair that would end later, judged by the one before, is left out
    Raises    SideError
    """
    start = time.monotonic()
    results: list[Runs] = [{side: [] for side in SIDES} for _ in works]
    for number in range(max(work.rounds for work in works)):
        for place, (work, runs) in enumerate(zip(works, results, strict=True)):
            if number >= work.rounds or is_too_late(runs, start=start, limit_s=limit_s):
                continue
            for side in SIDES:
                target = folder / f"work-{place}-round-{number}-{side}"
                runs[side].append(run_side(side, work=work, number=number, folder=target))
    return results


def is_too_late(runs: Runs, *, start: float, limit_s: float | None) -> bool:
    if limit_s is None or not all(runs.values()):
        return False
    pair_s = sum(done[-1].wall_s for done in runs.values())
    return time.monotonic() - start + pair_s > limit_s


def run_side(side: str, *, work: Work, number: int, folder: Path) -> Run:
    folder.mkdir()
    run = SIDES[side](work, seed=FIRST_SEED + number, folder=folder)
    print(f"{work.name}, round {number + 1}: {side} {run.wall_s:.1f} s", file=sys.stderr, flush=True)
    return run


# ---- results


def show(rows: Sequence[Row]) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    console.print(make_table(rows))
    for line in notes(rows):
        console.print(line, soft_wrap=True, highlight=False)


def told(works: Sequence[Work], results: Sequence[Runs], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows, and below each what the sides did in every round."""
    return [
        {
            **row.to_json(),
            "model": work.encoder.model,
            "cpus": os.cpu_count(),
            "runs": {side: [run_json(run) for run in done] for side, done in runs.items()},
        }
        for work, runs, row in zip(works, results, rows, strict=True)
    ]


def run_json(run: Run) -> dict[str, Any]:
    scores = [{"batch_size": size, "learning_rate": rate, "f1": f1} for (size, rate), f1 in run.scores.items()]
    return {**asdict(run), "scores": scores}


if __name__ == "__main__":
    sys.exit(main())
