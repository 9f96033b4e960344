"""The row about useful work: what the fits of a search compute, as a share of what the cores can.

Useful are the matrix products of the encoder on real pieces, no padding: 6 operations (2 forward, 4 backward) for each
parameter outside the embeddings and each piece of each epoch. What the cores can is measured at the same sizes, as many
one-thread processes at once as fits run at a time, in bf16 and in fp32; the faster one counts. The time is that of the
fits, evaluation included.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from commands import SideError, script
from grids import SEVERAL
from nertune.execute.plan import usable_cores
from rows import Goal, Row
from searches import SearchRun, nertune_side
from sets import Encoder
from turns import Comparison, Run, Runs, Side
from works import Inputs, Work

SECONDS = 3.0  # of each measurement of the matrices
GIGA, PERCENT = 1e9, 100
GOAL = Goal(45)


@dataclass(frozen=True)
class MatrixRun(Run):
    """rates   operations a second of all processes together, by type of number"""

    rates: dict[str, float]

    @property
    def best(self) -> float:
        return max(self.rates.values())


def useful(inputs: Inputs) -> Comparison:
    """The search is that of the row `token`."""
    work = inputs.work(SEVERAL, task=inputs.task)
    return Comparison(
        "useful",
        inputs.form(SEVERAL).rounds,
        {"matrices": Side(lambda _seed, folder: run_matrices(folder=folder)), "nertune": nertune_side(work)},
        lambda runs: [make_row(work, runs)],
    )


def run_matrices(*, folder: Path) -> MatrixRun:
    rates = {dtype: sum(rates_at_once(dtype, n=usable_cores(), folder=folder)) for dtype in ("bf16", "fp32")}
    return MatrixRun(2 * SECONDS, rates)


def rates_at_once(dtype: str, *, n: int, folder: Path) -> list[float]:
    """Operations a second of each of n processes that multiply at the same time."""
    command = [*script("matrix_rate.py"), "--dtype", dtype, "--seconds", str(SECONDS)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=folder) for _ in range(n)]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SideError("the matrices could not be multiplied")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return [float(process.communicate()[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def make_row(work: Work, runs: Runs) -> Row:
    parameters = count_parameters(work.encoder)
    pairs = list(zip(runs["matrices"], runs["nertune"], strict=True))
    done = [useful_rate(run, work=work, parameters=parameters) for run in runs["nertune"]]
    share = median(PERCENT * rate / matrices.best for rate, (matrices, _) in zip(done, pairs, strict=True))
    can, precision = median(run.best for run in runs["matrices"]), runs["nertune"][0].record.precision
    return Row(
        "useful",
        work=f"{work}, the fits",
        rounds=len(pairs),
        unit="GFLOP/s",
        plain=can / GIGA,
        nertune=median(done) / GIGA,
        figure=share,
        figure_unit="%",
        goal=GOAL,
        notes=[
            f"plain: {usable_cores()} processes that only multiply matrices; the fits ran in {precision}",
            f"6 x {parameters:,} parameters outside the embeddings x real pieces of train, by the time of the fits",
        ],
        details={"parameters": parameters, "matrix_rates": [run.rates for run in runs["matrices"]]},
    )


def useful_rate(run: SearchRun, *, work: Work, parameters: int) -> float:
    """Operations a second of all fits at a time."""
    assert run.record is not None
    operations = 6 * parameters * run.record.pieces * work.epochs * len(run.seconds)
    return operations / (sum(run.seconds) / run.slots)


def count_parameters(encoder: Encoder) -> int:
    """Of the encoder, without embeddings and pooler: what every piece goes through."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(encoder.model)
    names: Sequence[str] = ("embeddings", "pooler")
    return sum(one.numel() for name, one in model.named_parameters() if not any(part in name for part in names))
