"""The row about prediction: one saved model, one file of sentences, a plain Trainer against `nertune predict`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from commands import NERTUNE, SideError, script, timed
from nertune.data.corpus import read_corpus
from nertune.data.examples import Example, SequenceExample
from nertune.spec.study import DataSpec
from rows import Goal, Row
from turns import FIRST_SEED, Comparison, Run, Runs, Side
from works import Form, Inputs, Work, counted, study_of, write_study

FORM = Form("prediction", (16,), (3e-4,), epochs=1, sentences=800, rounds=3)  # the model, and how often it predicts
GOAL = Goal(4)
BF16 = "bf16"  # a precision, and the side that predicts in it


@dataclass(frozen=True)
class Given:
    """What is predicted, by what."""

    model: str
    sentences: str


@dataclass(frozen=True)
class PredictionRun(Run):
    """output   the file of predictions"""

    output: str

    def to_json(self) -> dict[str, Any]:
        return {"wall_s": self.wall_s}  # the file goes with its folder

    @property
    def labels(self) -> list[str]:
        """Of each word its tag, or of each text its class."""
        lines = Path(self.output).read_bytes().decode("utf-8").split("\n")
        return [self._label(line) for line in lines if line]

    @staticmethod
    def _label(line: str) -> str:
        cells = line.split("\t")
        return cells[1] if len(cells) == 2 else cells[0]


def prediction(inputs: Inputs) -> Comparison:
    """Whole commands; the model is trained before, by nertune, and its time does not count."""
    work = inputs.work(FORM, task=inputs.task)
    place = inputs.folder / "prediction"

    @cache
    def given() -> Given:
        return make_given(work, texts=inputs.data(inputs.task, sentences=None), n=inputs.predicted, folder=place)

    return Comparison(
        "prediction",
        inputs.form(FORM).rounds,
        {
            "plain": Side(lambda _, folder: run_plain(given(), task=work.task, folder=folder)),
            "nertune": Side(lambda _, folder: run_nertune(given(), task=work.task, folder=folder)),
            BF16: Side(lambda _, folder: run_nertune(given(), task=work.task, folder=folder, precision=BF16)),
        },
        lambda runs: [make_row(runs, task=work.task, n=inputs.predicted, side=side) for side in ("nertune", BF16)],
    )


def make_given(work: Work, *, texts: Path, n: int, folder: Path) -> Given:
    """A model of one fit, and n sentences of train and dev in the order of their files, repeated if need be."""
    folder.mkdir()
    study = study_of(work, seed=FIRST_SEED)
    size, rate = work.first
    study["search"].pop("space")
    study["train"] = {**study["train"], "batch_size": size, "learning_rate": rate}
    model, sentences = folder / "model", folder / "sentences.txt"
    timed("nertune train", [NERTUNE, "train", write_study(study, folder=folder), "--output", str(model)], folder=folder)
    splits = read_corpus(DataSpec(dir=texts), task=work.task).splits.values()
    sentences.write_bytes(as_lines(repeated([split.examples for split in splits], n=n)).encode("utf-8"))
    return Given(str(model), str(sentences))


def repeated(files: Sequence[Sequence[Example]], *, n: int) -> Iterator[Example]:
    return islice(cycle([example for examples in files for example in examples]), n)


def as_lines(examples: Iterator[Example]) -> str:
    """A word a line and an empty line after each sentence, or a text a line."""
    return "".join(
        f"{example.text}\n"
        if isinstance(example, SequenceExample)
        else "".join(f"{word}\n" for word in example.words) + "\n"
        for example in examples
    )


def run_plain(given: Given, *, task: str, folder: Path) -> PredictionRun:
    output = str(folder / "predictions.txt")
    command = [*script("plain_predict.py"), "--task", task, "--model", given.model, "--input", given.sentences]
    return PredictionRun(timed("the plain Trainer", [*command, "--output", output], folder=folder), output)


def run_nertune(given: Given, *, task: str, folder: Path, precision: str = "fp32") -> PredictionRun:
    output = str(folder / "predictions.txt")
    form = {"token": "words", "sequence": "text"}[task]
    command = [NERTUNE, "predict", given.model, given.sentences, "--format", form, "--output", output]
    command += ["--precision", precision]
    return PredictionRun(timed("nertune predict", command, folder=folder), output)


def make_row(runs: Runs, *, task: str, n: int, side: str = "nertune") -> Row:
    """One precision of nertune against the plain Trainer, whose is fp32; the goal is that of the usual one."""
    plain, nertune = (median(run.wall_s for run in runs[name]) for name in ("plain", side))
    share = agreement(runs["plain"][0].labels, runs[side][0].labels)
    return Row(
        f"prediction, {BF16}" if side == BF16 else "prediction",
        work=f"{task}, {counted(n, 'sentence')}",
        rounds=len(runs["plain"]),
        unit="s",
        plain=plain,
        nertune=nertune,
        figure=plain / nertune,
        goal=None if side == BF16 else GOAL,
        notes=[f"{share:.3%} of the {'tags' if task == 'token' else 'classes'} are the same"],
        details={"agreement": share},
    )


def agreement(plain: Sequence[str], nertune: Sequence[str]) -> float:
    """The share of equal labels.

    Raises   SideError where there are more of the one than of the other
    """
    if len(plain) != len(nertune):
        raise SideError(f"{len(plain)} labels of the plain Trainer, but {len(nertune)} of nertune")
    return sum(one == other for one, other in zip(plain, nertune, strict=True)) / len(plain)
