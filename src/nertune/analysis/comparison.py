"""Two systems on the same texts: how far apart they are, how sure that is, and where they differ.

A system is what one setting gives: one prediction file for each training seed. Three questions, three answers:

    interval        what the difference is to be expected with new seeds on new texts (see intervals.py). Where both
                    systems have the same seeds, the seeds are taken as pairs
    randomisation   whether these very models differ on texts like these by more than chance: under the null hypothesis
                    it makes no difference which of the two said what of a unit, so what they said is swapped, of all
                    seeds together, for units drawn by lot. p = (c + 1) / (R + 1), where c of R swaps gave a difference
                    as large. It knows nothing of other seeds
    signed rank     whether the seeds speak for one of the two: Wilcoxon's test over pairs of equal seeds, exact and
                    two-sided. n pairs cannot give less than 2 / 2^n: 0.0625 for five

Sources
    Noreen 1989, "Computer-Intensive Methods for Testing Hypotheses"; Yeh 2000, "More accurate tests for the statistical
    significance of result differences", COLING (randomisation of scores that are no sums)
    Wilcoxon 1945, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1(6)
    Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6(2)
    Dror et al. 2018, ACL; Berg-Kirkpatrick et al. 2012, "An Empirical Investigation of Statistical Significance in NLP"
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from nertune.analysis.intervals import (
    AT_ONCE,
    Bounds,
    Variance,
    ends_without_spread,
    quantile_of_t,
    resample,
    scores_of,
    straight_ends,
    variance_of,
    variance_of_mean,
)
from nertune.analysis.predictions import Labels, Predictions, Spans
from nertune.analysis.units import Counts, Floats, Ints, ScoreOfCounts
from nertune.data.examples import Span

N_DRAWS = 10_000  # of resamples and of swaps; the least p is then 0.0001
ROUNDING = 1e-12  # differences this near are equal
MOST_EXACT = 16  # pairs of seeds, some alike, of which all 2^n signs are tried


@dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's signed-rank test over pairs of seeds. `least`: the smallest p that so many pairs can give."""

    p: float
    least: float
    n_pairs: int


@dataclass(frozen=True)
class Difference:
    """The first system's mean score minus the second's, with its 95 % interval.

    n_seeds      of the first and of the second
    is_paired    whether the seeds are the same, and so taken as pairs
    p_texts      of the randomisation test
    signed_rank  None where the seeds are no pairs, or one pair only
    """

    value: float
    low: float
    high: float
    df: float | None
    n_seeds: tuple[int, int]
    n_units: int
    is_paired: bool
    p_texts: float
    signed_rank: SignedRank | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare_systems(
    first: Counts,
    second: Counts,
    *,
    is_paired: bool,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Difference:
    """The difference of two systems whose counts are of the same units and the same score (`count_units` of all files).

    is_paired  whether the files of both are of the same seeds, in the same order
    """
    values = scores_of(first.counts, first.score), scores_of(second.counts, second.score)
    difference = float(values[0].mean() - values[1].mean())
    variance = _variance(first, second, values=values, is_paired=is_paired, n_draws=n_draws, seed=seed)
    width = first.bounds[1] - first.bounds[0]
    low, high = _ends(difference, variance, first.counts[0], bounds=(-width, width))
    return Difference(
        value=difference,
        low=low,
        high=high,
        df=variance.df,
        n_seeds=(len(first.counts), len(second.counts)),
        n_units=len(first.counts[0]),
        is_paired=is_paired,
        p_texts=randomisation_p(first.counts, second.counts, first.score, n_draws=n_draws, seed=seed),
        signed_rank=signed_rank(values[0] - values[1]) if is_paired and len(values[0]) > 1 else None,
    )


def _variance(
    first: Counts, second: Counts, *, values: tuple[Floats, Floats], is_paired: bool, n_draws: int, seed: int
) -> Variance:
    together = [*first.counts, *second.counts]
    samples = resample(together, first.score, n_resamples=n_draws, seed=seed)
    ours, theirs = np.split(samples, [len(first.counts)], axis=1)
    n_units = len(first.counts[0])
    if is_paired:
        return variance_of_mean(values[0] - values[1], ours - theirs, n_units=n_units)
    groups = [(values[0], ours), (values[1], theirs)]
    return variance_of(ours.mean(axis=1) - theirs.mean(axis=1), groups, n_units=n_units)


def _ends(mean: float, variance: Variance, counts: Ints, *, bounds: Bounds) -> Bounds:
    if len(counts) < 2:
        return bounds
    if variance.df is None:
        return ends_without_spread(mean, counts, bounds=bounds)
    return straight_ends(mean, quantile_of_t(variance.df) * math.sqrt(variance.value), bounds)


# ---- tests


def randomisation_p(
    first: Sequence[Ints], second: Sequence[Ints], score: ScoreOfCounts, *, n_draws: int = N_DRAWS, seed: int = 0
) -> float:
    """The two-sided p of approximate randomisation over units (see the head of this module).

    Where the two have unlike numbers of seeds, the mean counts of a system's seeds stand for it.
    Shapes  one [U, K] for each seed of each
    """
    if len(first) != len(second):
        first, second = [np.mean(first, axis=0)], [np.mean(second, axis=0)]
    ours, theirs = (np.concatenate(side, axis=1).astype(np.float64) for side in (first, second))
    shape = (len(first), first[0].shape[1])

    def distance(moved: Floats) -> Floats:
        """Between the systems, where so much was moved from the second to the first: [..., S K] -> [...]."""
        sides = (side.reshape(*moved.shape[:-1], *shape) for side in (ours.sum(0) + moved, theirs.sum(0) - moved))
        one, other = (score(side).mean(axis=-1) for side in sides)
        apart: Floats = np.abs(one - other)
        return apart

    found = distance(np.zeros(ours.shape[1]))
    as_large = 0
    for swapped in _swaps(len(ours), n_draws=n_draws, seed=seed):
        as_large += int((distance(swapped @ (theirs - ours)) >= found - ROUNDING).sum())
    return (as_large + 1) / (n_draws + 1)


def _swaps(n_units: int, *, n_draws: int, seed: int) -> Iterator[Floats]:
    """1 where a unit is swapped, else 0: [R, U] in slices of rows."""
    rng = np.random.default_rng([seed, 1])  # not the stream of the bootstrap
    n_rows = max(1, AT_ONCE // n_units)
    for start in range(0, n_draws, n_rows):
        yield rng.integers(2, size=(min(n_rows, n_draws - start), n_units)).astype(np.float64)


def signed_rank(differences: Floats) -> SignedRank:
    """Wilcoxon's test of paired differences, exact also where some are alike; those of 0 are left out."""
    kept = differences[np.abs(differences) > ROUNDING]
    least = min(1.0, 2.0 ** (1 - len(differences)))
    if not len(kept):
        return SignedRank(p=1.0, least=least, n_pairs=len(differences))
    ranked = np.round(kept, 12)  # so that equal differences are ties
    has_ties = len(np.unique(np.abs(ranked))) < len(ranked)
    exact = stats.PermutationMethod(n_resamples=2**MOST_EXACT) if len(ranked) <= MOST_EXACT else "auto"
    found = stats.wilcoxon(ranked, method=exact if has_ties else "exact")
    return SignedRank(p=min(1.0, float(found.pvalue)), least=least, n_pairs=len(differences))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values of several tests corrected so that the chance of one false claim or more stays what it is for one."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, number in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[number]))
        adjusted[number] = highest
    return adjusted


# ---- where they differ


@dataclass(frozen=True)
class Contrast:
    """A line that two systems got wrong to unlike degrees.

    first_errors, second_errors  missed and wrong labels or entities, the mean over seeds
    gold, first, second          what is right, and what most seeds of each said: label, and of entities where and text
    """

    where: str
    first_errors: float
    second_errors: float
    gold: tuple[dict[str, Any], ...]
    first: tuple[dict[str, Any], ...]
    second: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Contrasts:
    """How many lines the first system got better (`won`), worse (`lost`) or as well as the second, and some of them."""

    won: int
    lost: int
    alike: int
    examples_won: tuple[Contrast, ...]
    examples_lost: tuple[Contrast, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def find_contrasts(first: Sequence[Predictions], second: Sequence[Predictions], *, n_examples: int) -> Contrasts:
    """Where two systems, each a file for each seed, differ; the greatest differences first, then in order."""
    ours, theirs = (np.mean([count_errors(file) for file in files], axis=0) for files in (first, second))
    gain = theirs - ours
    won, lost = gain > ROUNDING, gain < -ROUNDING

    def examples(which: Floats) -> tuple[Contrast, ...]:
        order = np.argsort(-which, kind="stable")[:n_examples]
        return tuple(_contrast(int(row), first, second, ours, theirs) for row in order if which[row] > ROUNDING)

    n_won, n_lost = int(won.sum()), int(lost.sum())
    return Contrasts(n_won, n_lost, len(gain) - n_won - n_lost, examples(gain), examples(-gain))


def count_errors(file: Predictions) -> Ints:
    """What is wrong in each line, [N]: missed and wrong entities or labels; of single classes 1 or 0."""
    wrong = [len({*gold} ^ {*predicted}) for gold, predicted in zip(file.gold, file.predicted, strict=True)]
    is_class = file.task == "sequence" and file.problem == "single_label"
    return np.array(wrong) // (2 if is_class else 1)


def _contrast(
    row: int, first: Sequence[Predictions], second: Sequence[Predictions], ours: Floats, theirs: Floats
) -> Contrast:
    gold = _told(first[0].gold[row], first, row)
    said = (_told(_usual(files, row), files, row) for files in (first, second))
    return Contrast(first[0].where[row], float(ours[row]), float(theirs[row]), gold, *said)


def _usual(files: Sequence[Predictions], row: int) -> Spans | Labels:
    """What most seeds said; of several the one of the first seed."""
    return Counter(file.predicted[row] for file in files).most_common(1)[0][0]


def _told(marks: Spans | Labels, files: Sequence[Predictions], row: int) -> tuple[dict[str, Any], ...]:
    return tuple(_mark(mark, files, row) for mark in marks)


def _mark(mark: Span | str, files: Sequence[Predictions], row: int) -> dict[str, Any]:
    if isinstance(mark, str):
        return {"label": mark}
    text = next((file.words[row][mark] for file in files if file.words and mark in file.words[row]), None)
    return {**asdict(mark), **({} if text is None else {"text": text})}
