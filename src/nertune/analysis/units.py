"""Scores as counts of the texts they come from, so that other samples of these texts can be scored at once.

Every score here is a function of counts that add up: hits, predictions and gold of each label, right words, wrong
decisions. A sample of the texts, with some of them twice and others not at all, is a row of weights; its score is that
of weights @ counts, and thousands of samples are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from nertune.analysis.predictions import Labels, Predictions
from nertune.data.examples import Span
from nertune.errors import UserError, closest
from nertune.scores import OBJECTIVES, is_minimised, is_scored
from nertune.scores.entities import count_wrong_words

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
ScoreOfCounts = Callable[[npt.NDArray[np.number]], Floats]  # [..., K] summed counts -> [...] scores
CountLines = Callable[[Predictions], Ints]  # the counts of each line, [N, K] int64
Unit = Literal["documents", "sentences", "texts"]

RATES = ("f1", "precision", "recall")  # of a label


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of several prediction files of the same texts, for one score.

    Shapes  U units, K counts
        counts     one [U, K] int64 for each file
        unit_of    [N] int64  the unit of each line of the files
    score       of summed counts
    unit        what is drawn as a whole: documents where the lines name more than one, else sentences or texts
    bounds      what the score can be
    """

    name: str
    counts: tuple[Ints, ...]
    score: ScoreOfCounts
    unit: Unit
    unit_of: Ints
    bounds: tuple[float, float] = (0.0, 1.0)

    @property
    def is_minimised(self) -> bool:
        """Whether less is better."""
        return is_minimised(self.name)

    @property
    def scores(self) -> Floats:
        """The score of each file, all of its texts taken once."""
        return self.score(np.stack([counts.sum(axis=0) for counts in self.counts]))


def score_names(file: Predictions) -> list[str]:
    """The scores that can be computed of such a file; those of a single label (`RATES`) come on top."""
    names = [name for name in OBJECTIVES[file.task] if name not in ("loss", "binary_f1")]
    kept = [name for name in names if is_scored(name, problem=file.problem)]
    return [name for name in kept if not (file.task == "token" and name == "accuracy" and file.n_words is None)]


def count_units(files: Sequence[Predictions], *, score: str, label: str | None = None) -> Counts:
    """The counts of files of the same texts (`check_same_texts`), unit by unit.

    score  a name among `score_names`; with `label` one of RATES
    Raises UserError for a score that these files do not have, or a label that none of them has
    """
    labels = labels_of_files(files)
    _check_names(files, score=score, label=label, labels=labels)
    of_lines, function = _parts(files[0], score=score, labels=labels if label is None else (label,), is_one=bool(label))
    unit, unit_of = find_units(files[0])
    return Counts(score, _sums(files, of_lines, unit_of), function, unit, unit_of, bounds=_bounds(score))


def count_scores(files: Sequence[Predictions], scores: Iterable[str]) -> dict[str, Counts]:
    """The same for several scores; those that come from the same counts share them."""
    labels = labels_of_files(files)
    unit, unit_of = find_units(files[0])
    counted: dict[CountLines, tuple[Ints, ...]] = {}
    found = {}
    for score in scores:
        _check_names(files, score=score, label=None, labels=labels)
        of_lines, function = _parts(files[0], score=score, labels=labels, is_one=False)
        known = next((one for one in counted if _is_same(one, of_lines)), of_lines)
        if known not in counted:
            counted[known] = _sums(files, of_lines, unit_of)
        found[score] = Counts(score, counted[known], function, unit, unit_of, bounds=_bounds(score))
    return found


def count_labels(files: Sequence[Predictions]) -> dict[str, dict[str, Counts]]:
    """By label and rate (RATES) the counts of `count_units` with that label, all from one pass over the files."""
    labels = labels_of_files(files)
    unit, unit_of = find_units(files[0])
    sums = [table.reshape(len(table), 3, -1) for table in _sums(files, partial(_count_labels, labels=labels), unit_of)]
    tables = {label: tuple(table[..., number] for table in sums) for number, label in enumerate(labels)}
    return {
        label: {rate: Counts(rate, own, partial(_micro, rate=rate), unit, unit_of) for rate in RATES}
        for label, own in tables.items()
    }


def rates_by_label(files: Sequence[Predictions], *, rate: str = "f1") -> tuple[dict[str, Floats], dict[str, int]]:
    """By label of the files, in `labels_of_files`' order: its rate in each file, [F]; and how often it is in gold."""
    labels = labels_of_files(files)
    count = partial(_count_labels, labels=labels)
    sums = _by_label(np.stack([count(file).sum(axis=0) for file in files]))
    values = _rate(sums, rate)
    real = sums[0, 2].tolist()
    return {label: values[:, i] for i, label in enumerate(labels)}, dict(zip(labels, real, strict=True))


def labels_of_files(files: Sequence[Predictions]) -> Labels:
    """The labels of all files, each once."""
    return tuple(dict.fromkeys(one for file in files for one in file.labels))


def find_units(file: Predictions) -> tuple[Unit, Ints]:
    """What is drawn as a whole, and the unit of each line, [N] int64 from 0.

    Sentences of one document are alike, so the document is the unit where there are several; a line without one is a
    unit of its own. One document alone cannot be drawn from: then its sentences are the units.
    """
    single: Unit = "sentences" if file.task == "token" else "texts"
    if file.documents is None:
        return single, np.arange(len(file))
    names = [
        (where.rpartition(":")[0], name) if name is not None else (where, number)
        for number, (where, name) in enumerate(zip(file.where, file.documents, strict=True))
    ]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(numbers) < 2:
        return single, np.arange(len(file))
    return "documents", np.array([numbers[name] for name in names])


def _check_names(files: Sequence[Predictions], *, score: str, label: str | None, labels: Labels) -> None:
    known = [*RATES] if label is not None else [name for name in score_names(files[0]) if _have(files, name)]
    if score not in known:
        near = closest(score, known)
        raise UserError(
            f"the score {score!r} cannot be computed from these predictions, but {', '.join(known)} can",
            fix=f"Did you mean {near}?" if near else "Prediction files hold labels and entities, no losses",
        )
    if label is not None and label not in labels:
        raise UserError(f"no text has the label {label!r}", fix=f"There are {', '.join(labels)}")


def _have(files: Sequence[Predictions], score: str) -> bool:
    return all(score in score_names(file) for file in files)


def _is_same(one: CountLines, other: CountLines) -> bool:
    """Whether two ways of counting lines are one: equal functions with equal arguments."""
    pairs = [(getattr(count, "func", count), getattr(count, "keywords", {})) for count in (one, other)]
    return pairs[0] == pairs[1]


def _bounds(score: str) -> tuple[float, float]:
    return (-1.0 if score == "mcc" else 0.0, 1.0)


def _sums(files: Sequence[Predictions], of_lines: CountLines, unit_of: Ints) -> tuple[Ints, ...]:
    return tuple(_sum_by_unit(of_lines(file), unit_of) for file in files)


def _sum_by_unit(lines: Ints, unit_of: Ints) -> Ints:
    """[N, K] of lines -> [U, K] of units."""
    n_units = int(unit_of.max()) + 1
    if n_units == len(lines):
        return lines  # each is a unit of its own, in their order
    counts = np.zeros((n_units, lines.shape[1]), dtype=np.int64)
    np.add.at(counts, unit_of, lines)
    return counts


def _parts(file: Predictions, *, score: str, labels: Labels, is_one: bool) -> tuple[CountLines, ScoreOfCounts]:
    """How lines are counted for a score, and how it comes from the sums."""
    if is_one:
        return partial(_count_labels, labels=labels), partial(_micro, rate=score)
    if file.task == "token":
        return _token_parts(score, labels=labels)
    return _class_parts(score, labels=labels, is_single=file.problem == "single_label")


def _token_parts(score: str, *, labels: Labels) -> tuple[CountLines, ScoreOfCounts]:
    if score == "accuracy":
        return _count_right_words, _share
    if score in RATES:
        return partial(_count_labels, labels=labels), partial(_micro, rate=score)
    functions: dict[str, ScoreOfCounts] = {"macro_f1": partial(_macro, rate="f1"), "weighted_f1": _weighted_f1}
    return partial(_count_labels, labels=labels), functions[score]


def _class_parts(score: str, *, labels: Labels, is_single: bool) -> tuple[CountLines, ScoreOfCounts]:
    if score == "mcc":
        return partial(_count_labels, labels=labels), _matthews
    if score == "samples_f1":
        return partial(_count_text_f1, n_labels=len(labels)), _mean_text_f1
    if score == "hamming_loss":
        return partial(_count_wrong_decisions, n_labels=len(labels)), _share
    if score == "accuracy" or (score == "micro_f1" and is_single):
        return _count_right_texts, _share
    count = partial(_count_labels, labels=labels)
    if score in RATES:
        return count, partial(_macro, rate=score)
    functions: dict[str, ScoreOfCounts] = {
        "micro_f1": partial(_micro, rate="f1"),
        "macro_f1_all": partial(_macro, rate="f1", is_of_all=True),
        "weighted_f1": _weighted_f1,
    }
    return count, functions[score]


# ---- counting lines


def _count_labels(file: Predictions, *, labels: Labels) -> Ints:
    """Hits, predictions and gold of each label, [N, 3 L]: hits of all labels first; other labels are left out."""
    columns = {label: number for number, label in enumerate(labels)}
    rows: list[int] = []  # where 1 is added, in a table of [N, 3 L]
    for row, (gold, predicted) in enumerate(zip(file.gold, file.predicted, strict=True)):
        for which, marks in enumerate(({*gold} & {*predicted}, predicted, gold)):
            start = (row * 3 + which) * len(labels)
            names = (mark.label if isinstance(mark, Span) else str(mark) for mark in marks)
            rows += [start + columns[name] for name in names if name in columns]
    added = np.bincount(np.array(rows, dtype=np.int64), minlength=len(file) * 3 * len(labels))
    return added.reshape(len(file), -1)


def _count_right_words(file: Predictions) -> Ints:
    assert file.n_words is not None  # else the score is not among `score_names`
    gold, predicted = file.spans
    wrong = np.array([count_wrong_words(*pair) for pair in zip(gold, predicted, strict=True)])
    return np.stack([np.array(file.n_words) - wrong, np.array(file.n_words)], axis=1)


def _count_right_texts(file: Predictions) -> Ints:
    right = [set(gold) == set(predicted) for gold, predicted in zip(*file.classes, strict=True)]
    return np.stack([np.array(right, dtype=np.int64), np.ones(len(file), dtype=np.int64)], axis=1)


def _count_wrong_decisions(file: Predictions, *, n_labels: int) -> Ints:
    wrong = [len(set(gold) ^ set(predicted)) for gold, predicted in zip(*file.classes, strict=True)]
    return np.stack([np.array(wrong), np.full(len(file), n_labels)], axis=1)


def _count_text_f1(file: Predictions, *, n_labels: int) -> Ints:
    """Twice the hits of texts with t labels in gold and predicted together, for t = 1 … 2 L; texts with none; texts."""
    counts = np.zeros((len(file), 2 * n_labels + 2), dtype=np.int64)
    for row, (gold, predicted) in enumerate(zip(*file.classes, strict=True)):
        total = len(gold) + len(predicted)
        counts[row, total - 1 if total else -2] = 2 * len({*gold} & {*predicted}) if total else 1
    counts[:, -1] = 1
    return counts


# ---- scores of summed counts; what cannot be divided is 0, as in scores/


def _divide(above: npt.NDArray[np.number], below: npt.NDArray[np.number]) -> Floats:
    shares: Floats = np.divide(above, below, out=np.zeros(np.shape(above)), where=below != 0)
    return shares


def _share(sums: npt.NDArray[np.number]) -> Floats:
    return _divide(sums[..., 0], sums[..., 1])


def _rate(sums: npt.NDArray[np.number], rate: str) -> Floats:
    """[..., 3, *] hits, predictions and gold -> [..., *]."""
    right, found, real = sums[..., 0, :], sums[..., 1, :], sums[..., 2, :]
    if rate == "precision":
        return _divide(right, found)
    return _divide(right, real) if rate == "recall" else _divide(2 * right, found + real)


def _by_label(sums: npt.NDArray[np.number]) -> npt.NDArray[np.number]:
    return sums.reshape(*sums.shape[:-1], 3, -1)


def _micro(sums: npt.NDArray[np.number], *, rate: str) -> Floats:
    return _rate(_by_label(sums).sum(axis=-1, keepdims=True), rate)[..., 0]


def _macro(sums: npt.NDArray[np.number], *, rate: str, is_of_all: bool = False) -> Floats:
    """The mean over the labels that are met in gold or predicted, or over all."""
    by_label = _by_label(sums)
    values = _rate(by_label, rate)
    if is_of_all:
        return values.mean(axis=-1) if values.shape[-1] else np.zeros(values.shape[:-1])
    is_met = by_label[..., 1:, :].any(axis=-2)
    return _divide((values * is_met).sum(axis=-1), is_met.sum(axis=-1))


def _weighted_f1(sums: npt.NDArray[np.number]) -> Floats:
    by_label = _by_label(sums)
    real = by_label[..., 2, :]
    return _divide((_rate(by_label, "f1") * real).sum(axis=-1), real.sum(axis=-1))


def _matthews(sums: npt.NDArray[np.number]) -> Floats:
    """Matthews' correlation from the margins of the confusion matrix and its diagonal (see scores/classes.py)."""
    by_label = _by_label(sums).astype(np.float64)
    right, found, real = by_label[..., 0, :], by_label[..., 1, :], by_label[..., 2, :]
    total = real.sum(axis=-1)
    covariance = right.sum(axis=-1) * total - (real * found).sum(axis=-1)
    spread = (total**2 - (found**2).sum(axis=-1)) * (total**2 - (real**2).sum(axis=-1))
    return _divide(covariance, np.sqrt(spread))


def _mean_text_f1(sums: npt.NDArray[np.number]) -> Floats:
    n_sizes = sums.shape[-1] - 2
    values = (sums[..., :n_sizes] / np.arange(1, n_sizes + 1)).sum(axis=-1) + sums[..., -2]
    return _divide(values, sums[..., -1])
