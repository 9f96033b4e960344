"""How sure a score is: 95 % intervals over training seeds and test texts.

What is estimated is the score to expect of a new training seed on new texts like these, as many of them. The mean of n
seeds on U units (documents, sentences, texts) misses it for three reasons: these seeds were lucky or not, these texts
were easy or not, and some seeds were better on just these texts than on others:

    variance of the mean  =  seeds² / n  +  texts²  +  together² / n

The variance s² of the seeds' scores, all on the same texts, holds `seeds²` and `together²`, and nothing of `texts²`. A
bootstrap that draws units and takes the same ones for all seeds shows `texts² + together² / n` of their mean, and
`together²` by what the seeds' scores do beyond their mean. So with v from the bootstrap of the mean and c² from that of
the deviations, (s² - c²)/n + v counts each part once; s²/n + v counts `together²` twice, which is too wide where seeds
get many single texts right or wrong by chance. Where s² is below c² by chance, v stands alone.

    mean ± t · sqrt(v + max(0, s² - c²) / n)     t: Student's, with Satterthwaite's degrees of freedom

In simulations with 2 to 10 seeds, 100 to 500 texts, or 50 documents, that covered the truth in 94 to 96 % of cases.

Of a single file, and of one label, of which a test set often has few, the interval is laid on the scale of
log(p / (1 - p)), with the same variance by the delta method: it is never outside of 0 to 1. In simulations with 10 to
50 entities (tests/analysis/test_intervals.py has some) that covered the truth in 89 to 99 % of cases, the straight
interval in 84 to 94 %, the bootstrap's percentiles in 81 to 95 %. With two seeds the variance between seeds is hardly
known: intervals then cover 90 to 95 %.

These seeds are taken as draws from all seeds and these texts from all texts; an interval says nothing of texts of
another kind, and nothing of other data to train on.

Sources
    Dror, Baumer, Shlomov, Reichart 2018, "The Hitchhiker's Guide to Testing Statistical Significance in NLP", ACL
    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 6, 12, 13
    Bouthillier et al. 2021, "Accounting for Variance in Machine Learning Benchmarks", MLSys: seeds and texts both vary
    Satterthwaite 1946, "An Approximate Distribution of Estimates of Variance Components", Biometrics Bulletin 2(6)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from nertune.analysis.units import Counts, Floats, Ints, ScoreOfCounts

LEVEL = 0.95
N_RESAMPLES = 2000
AT_ONCE = 4_000_000  # weights in memory: 32 MB
NO_SPREAD = 1e-12  # a standard deviation below it is rounding


@dataclass(frozen=True)
class Interval:
    """A score with the 95 % interval of what is to be expected (see the head of this module).

    sd   standard deviation of the seeds' scores; None for one seed
    df   degrees of freedom of `low` and `high`; None where all samples of the texts score the same
    """

    mean: float
    low: float
    high: float
    sd: float | None
    n_seeds: int
    n_units: int
    df: float | None

    @property
    def is_of_units_alone(self) -> bool:
        """Whether one seed had to do: another one may score otherwise, and the interval does not know how much."""
        return self.n_seeds == 1


@dataclass(frozen=True)
class Variance:
    """The variance of a mean over seeds, and the degrees of freedom it was estimated with; None where it is 0."""

    value: float
    df: float | None


Bounds = tuple[float, float]
UNIT_BOUNDS = (0.0, 1.0)


def interval_of_seeds(
    counts: Sequence[Ints],
    score: ScoreOfCounts,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    bounds: Bounds = UNIT_BOUNDS,
) -> Interval:
    """The mean score of some seeds with its interval over seeds and units; with one seed over units alone.

    Where no sample of the units differs from another, as when all is right, the interval ends where so good a sample of
    units would be had in 2.5 % of cases ("rule of three"). Of one unit nothing is known: the interval is `bounds`.

    Shapes  counts: one [U, K] int64 for each seed, of the same units
    bounds  what the score can be
    """
    return _interval(counts, score, n_resamples=n_resamples, seed=seed, bounds=bounds, ends=straight_ends)


def interval_of_file(
    counts: Ints,
    score: ScoreOfCounts,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    bounds: Bounds = UNIT_BOUNDS,
) -> Interval:
    """The score of one prediction file with its interval over units: of this model on new texts like these.

    Shapes  counts: [U, K] int64
    """
    return _interval([counts], score, n_resamples=n_resamples, seed=seed, bounds=bounds, ends=_logit_ends)


def intervals_of_systems(
    counted: Mapping[str, Sequence[Counts]], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, list[Interval]]:
    """The intervals of several systems for several scores at once, from one draw of the units for all.

    Of a system with one file that of `interval_of_file`, else that of `interval_of_seeds`; the figures are the same.
    counted  by score, the counts of each system, all of the same units
    """
    every = [one for systems in counted.values() for one in systems]
    ends = [_logit_ends if len(one.counts) == 1 else straight_ends for one in every]
    found = iter(_intervals(every, ends, n_resamples=n_resamples, seed=seed))
    return {score: [next(found) for _ in systems] for score, systems in counted.items()}


def intervals_of_labels(
    counted: Mapping[str, Mapping[str, Counts]], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, dict[str, Interval]]:
    """The intervals of the rates of each label, or of anything that few of the texts have, from one draw for all.

    counted  by label and rate, as `count_labels` has them
    """
    every = [one for rates in counted.values() for one in rates.values()]
    found = iter(_intervals(every, [_logit_ends] * len(every), n_resamples=n_resamples, seed=seed))
    return {label: {rate: next(found) for rate in rates} for label, rates in counted.items()}


Ends = Callable[[float, float, Bounds], Bounds]  # mean, margin on the score's own scale, bounds -> low, high


def _intervals(counted: Sequence[Counts], ends: Sequence[Ends], *, n_resamples: int, seed: int) -> list[Interval]:
    """Of each its interval; all from one draw of the units, tables that several share summed once."""
    tables = {id(table): table for one in counted for table in one.counts}
    if not tables:
        return []
    sums = resample_sums(list(tables.values()), n_resamples=n_resamples, seed=seed)
    drawn = dict(zip(tables, sums, strict=True))
    return [
        _interval_of_samples(
            one.score(np.stack([drawn[id(table)] for table in one.counts], axis=1)),
            one.counts,
            one.score,
            bounds=one.bounds,
            ends=own,
        )
        for one, own in zip(counted, ends, strict=True)
    ]


def _interval(
    counts: Sequence[Ints], score: ScoreOfCounts, *, n_resamples: int, seed: int, bounds: Bounds, ends: Ends
) -> Interval:
    samples = resample(counts, score, n_resamples=n_resamples, seed=seed)
    return _interval_of_samples(samples, counts, score, bounds=bounds, ends=ends)


def _interval_of_samples(
    samples: Floats, counts: Sequence[Ints], score: ScoreOfCounts, *, bounds: Bounds, ends: Ends
) -> Interval:
    values = scores_of(counts, score)
    mean, n_units = float(values.mean()), len(counts[0])
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    found = variance_of_mean(values, samples, n_units=n_units)
    if n_units < 2:
        low, high = bounds
    elif found.df is None:
        low, high = ends_without_spread(mean, counts[0], bounds=bounds)
    else:
        low, high = ends(mean, quantile_of_t(found.df) * math.sqrt(found.value), bounds)
    return Interval(mean=mean, low=low, high=high, sd=sd, n_seeds=len(values), n_units=n_units, df=found.df)


def straight_ends(mean: float, margin: float, bounds: Bounds) -> Bounds:
    """The mean with the margin on both sides, within the bounds."""
    return max(bounds[0], mean - margin), min(bounds[1], mean + margin)


def _logit_ends(mean: float, margin: float, bounds: Bounds) -> Bounds:
    """Ends on the scale of log(p / (1 - p)), where p is the score's place between its bounds."""
    low, high = bounds
    share = (mean - low) / (high - low)
    if not 0 < share < 1:
        return straight_ends(mean, margin, bounds)
    reach = margin / (high - low) / (share * (1 - share))
    ends = special.expit(special.logit(share) + np.array([-reach, reach]))
    return low + (high - low) * float(ends[0]), low + (high - low) * float(ends[1])


def variance_of_mean(values: Floats, samples: Floats, *, n_units: int) -> Variance:
    """The variance of the mean of the seeds' values over seeds and units.

    Shapes  S seeds, R resamples
        values   [S]
        samples  [R, S]  of the same units for all seeds
    """
    return variance_of(samples.mean(axis=1), [(values, samples)], n_units=n_units)


def variance_of(estimates: Floats, groups: Sequence[tuple[Floats, Floats]], *, n_units: int) -> Variance:
    """The same of anything that is made of means over groups of seeds, each added or subtracted once.

    Shapes  R resamples, S seeds of a group
        estimates  [R]  what is made of them, on each sample of the units
        groups     values [S] and samples [R, S] of each
    """
    correction = n_units / (n_units - 1) if n_units > 1 else 1.0  # a bootstrap divides by U
    total = float(estimates.var(ddof=1)) * correction
    parts = [(total, n_units - 1)]  # variances that were estimated, and with how many degrees of freedom
    for values, samples in groups:
        n_seeds = len(values)
        if n_seeds > 1:
            spread = float(values.var(ddof=1))
            deviations = samples - samples.mean(axis=1, keepdims=True)
            together = float(deviations.var(axis=0, ddof=1).sum()) / (n_seeds - 1) * correction
            total += max(0.0, spread - together) / n_seeds
            parts += [(spread / n_seeds, n_seeds - 1), (together / n_seeds, (n_seeds - 1) * (n_units - 1))]
    if total < NO_SPREAD**2 or n_units < 2:
        return Variance(total, None)
    least = min(df for _, df in parts)  # what a sum of the parts cannot have fewer than, as this with a difference can
    return Variance(total, max(least, total**2 / sum(part**2 / df for part, df in parts)))


def scores_of(counts: Sequence[Ints], score: ScoreOfCounts) -> Floats:
    """The score of each seed on all units, [S]."""
    return score(np.stack([each.sum(axis=0) for each in counts]))


def resample(counts: Sequence[Ints], score: ScoreOfCounts, *, n_resamples: int, seed: int) -> Floats:
    """Scores of samples of the units, drawn with replacement, the same units for all: [R, S].

    Shapes  counts: one [U, K] for each of S seeds
    Cost    O(R U S K) time; memory is bounded
    """
    sums = resample_sums(counts, n_resamples=n_resamples, seed=seed)
    return score(np.stack(sums, axis=1))


def resample_sums(tables: Sequence[Ints], *, n_resamples: int, seed: int) -> list[Floats]:
    """The summed counts of samples of the units, the same units for all tables: [R, K] for each.

    Shapes  tables: [U, K] each, of the same units
    """
    together = np.concatenate(tables, axis=1).astype(np.float64)  # exact below 2**53, and a fast product
    parts = [weights @ together for weights in _weights(len(together), n_resamples=n_resamples, seed=seed)]
    ends = np.cumsum([table.shape[1] for table in tables])
    return np.split(np.concatenate(parts), ends[:-1], axis=1)


def _weights(n_units: int, *, n_resamples: int, seed: int) -> Iterator[Floats]:
    """How often each unit was drawn, multinomial: [R, U] in slices of rows."""
    rng = np.random.default_rng(seed)
    n_rows = max(1, AT_ONCE // n_units)
    for start in range(0, n_resamples, n_rows):
        rows = min(n_rows, n_resamples - start)
        drawn = rng.integers(n_units, size=(rows, n_units)) + np.arange(rows)[:, None] * n_units
        yield np.bincount(drawn.ravel(), minlength=rows * n_units).reshape(rows, n_units).astype(np.float64)


def quantile_of_t(df: float) -> float:
    """Half the width of the 95 % interval of Student's t."""
    return float(special.stdtrit(df, (1 + LEVEL) / 2))


def ends_without_spread(mean: float, counts: Ints, *, bounds: Bounds) -> Bounds:
    """Where so good (or bad) a sample of units would be had in 2.5 % of cases; units that count nothing are none."""
    n_counted = max(1, int(counts.any(axis=1).sum()))
    reach = (1 - ((1 - LEVEL) / 2) ** (1 / n_counted)) * (bounds[1] - bounds[0])
    return straight_ends(mean, reach, bounds)
