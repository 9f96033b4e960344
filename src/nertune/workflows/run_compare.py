"""`nertune compare`: the scores of several systems on the same test data, and what can be said of their differences."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from nertune.analysis.comparison import N_DRAWS, Difference, compare_systems, find_contrasts, holm
from nertune.analysis.intervals import LEVEL, intervals_of_systems
from nertune.analysis.systems import SplitName, System, check_same_data, read_system
from nertune.analysis.units import Counts, count_scores, rates_by_label, score_names
from nertune.errors import UserError, shown_path
from nertune.report.comparison import write_comparison
from nertune.results.records import without_nan

LETTERS = string.ascii_uppercase
USUAL_SCORE = "f1"
SHOWN_EXAMPLES = 3
NEAR = 1e-6  # between a score as recorded and as counted again
ALPHA = 1 - LEVEL


def compare(
    paths: Sequence[str | Path],
    *,
    score: str | None = None,
    split: SplitName = "test",
    output: str | Path | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    n_examples: int = SHOWN_EXAMPLES,
) -> dict[str, Any]:
    """Scores, differences of all pairs and where they differ, as plain data.

    paths       study files, folders of results, seed folders, prediction files: two or more
    score       whose differences are tested; None: what all studies were searched for, else f1
    output      a folder for comparison.md, .csv, .tex, .html and .json
    n_draws     resamples and swaps of each pair, drawn with `seed`
    n_examples  texts that are told of each pair, won and lost
    Raises      UserError, DataError: fewer than two, another kind of file, or not the same data
    """
    systems = _named([read_system(Path(path), split=split) for path in paths])
    if not 2 <= len(systems) <= len(LETTERS):
        raise UserError(
            f"{len(systems)} system{'s are' if len(systems) > 1 else ' is'} named; 2 to {len(LETTERS)} can be compared",
            fix="nertune compare A B",
        )
    check_same_data(systems)
    chosen = score or _usual_score(systems)
    files = [file for system in systems for file in system.files]
    names = [name for name in score_names(files[0]) if all(name in score_names(file) for file in files)]
    every = {
        name: _split(counts, systems) for name, counts in count_scores(files, dict.fromkeys([chosen, *names])).items()
    }
    counts = every[chosen]
    told: dict[str, Any] = without_nan(
        {
            "split": split,
            "score": chosen,
            "is_minimised": counts[0].is_minimised,
            "task": systems[0].files[0].task,
            "texts": len(systems[0].files[0]),
            "unit": counts[0].unit,
            "units": len(counts[0].counts[0]),
            "draws": n_draws,
            "seed": seed,
            "systems": [_system(one, letter) for one, letter in zip(systems, LETTERS, strict=False)],
            "scores": _scores(every, seed=seed),
            "labels": _labels(systems),
            "pairs": _pairs(systems, counts, n_draws=n_draws, seed=seed, n_examples=n_examples),
            "sizes": _sizes(systems, score=chosen, split=split),
            "notes": _notes(systems, counts, score=chosen, split=split),
        }
    )
    if output is not None:
        write_comparison(told, folder=Path(output))
    return told


def _named(systems: Sequence[System]) -> list[System]:
    """Those of one name by the shortest end of their paths that tells them apart."""
    names = [system.name for system in systems]
    if len(set(names)) == len(names):
        return list(systems)
    whole = [system.path.resolve() for system in systems]
    for n_parts in range(1, max(len(path.parts) for path in whole) + 1):
        names = ["/".join(path.parts[-n_parts:]) for path in whole]
        if len(set(names)) == len(names):
            return [replace(system, name=name) for system, name in zip(systems, names, strict=True)]
    raise UserError("the same results were named twice", fix="Name two studies, folders or files")


def _usual_score(systems: Sequence[System]) -> str:
    known = {system.objective for system in systems if system.objective is not None}
    objective = known.pop() if len(known) == 1 else USUAL_SCORE
    return objective if objective in score_names(systems[0].files[0]) else USUAL_SCORE


def _split(together: Counts, systems: Sequence[System]) -> list[Counts]:
    """The counts of all files as those of each system's seeds, all in the same columns."""
    remaining = iter(together.counts)
    return [replace(together, counts=tuple(next(remaining) for _ in system.files)) for system in systems]


def _system(system: System, letter: str) -> dict[str, Any]:
    return {
        "letter": letter,
        "name": system.name,
        "path": shown_path(system.path),
        "seeds": [seed for seed in system.seeds if seed is not None],
        "files": len(system.files),
    }


def _scores(every: Mapping[str, Sequence[Counts]], *, seed: int) -> dict[str, dict[str, Any]]:
    """By score and letter: mean, interval, sd."""
    return {
        name: {letter: asdict(one) for letter, one in zip(LETTERS, intervals, strict=False)}
        for name, intervals in intervals_of_systems(every, seed=seed).items()
    }


def _labels(systems: Sequence[System]) -> dict[str, dict[str, Any]]:
    """By label: how often it stands in gold, and the mean F1 of each system."""
    rates, support = rates_by_label([file for system in systems for file in system.files])
    ends = np.cumsum([len(system.files) for system in systems])
    return {
        label: {
            "support": support[label],
            "f1": {
                letter: float(own.mean()) for letter, own in zip(LETTERS, np.split(values, ends[:-1]), strict=False)
            },
        }
        for label, values in rates.items()
    }


# ---- pairs


def _pairs(
    systems: Sequence[System], counts: Sequence[Counts], *, n_draws: int, seed: int, n_examples: int
) -> list[dict[str, Any]]:
    numbers = list(combinations(range(len(systems)), 2))
    found = [_compare(systems, counts, *pair, n_draws=n_draws, seed=seed) for pair in numbers]
    corrected = holm([difference.p_texts for difference in found])
    told = []
    for (one, other), difference, p in zip(numbers, found, corrected, strict=True):
        contrasts = find_contrasts(systems[one].files, systems[other].files, n_examples=n_examples)
        told.append(
            {
                "first": LETTERS[one],
                "second": LETTERS[other],
                **difference.to_json(),
                "p_holm": p,
                "better": _better(difference, p=p, pair=(one, other), is_minimised=counts[0].is_minimised),
                **contrasts.to_json(),
            }
        )
    return told


def _compare(
    systems: Sequence[System], counts: Sequence[Counts], one: int, other: int, *, n_draws: int, seed: int
) -> Difference:
    is_paired = systems[one].has_seeds_of(systems[other])
    sides = [_by_seed(systems[i], counts[i]) if is_paired else counts[i] for i in (one, other)]
    return compare_systems(*sides, is_paired=is_paired, n_draws=n_draws, seed=seed)


def _by_seed(system: System, counts: Counts) -> Counts:
    order = sorted(range(len(system.seeds)), key=lambda i: system.seeds[i] or 0)
    return replace(counts, counts=tuple(counts.counts[i] for i in order))


def _better(difference: Difference, *, p: float, pair: tuple[int, int], is_minimised: bool) -> str | None:
    """The letter of the better one, where both the interval and the test over texts tell them apart; else None."""
    if p > ALPHA or difference.low <= 0 <= difference.high:
        return None
    return LETTERS[pair[0] if (difference.value > 0) != is_minimised else pair[1]]


# ---- learning curves, notes


def _sizes(systems: Sequence[System], *, score: str, split: SplitName) -> list[dict[str, Any]]:
    """A row for each percent of train that two systems have: examples, mean, sd and seeds by letter."""
    curves = {letter: system.sizes for letter, system in zip(LETTERS, systems, strict=False) if system.sizes}
    rows = []
    for size in sorted({size for curve in curves.values() for size in curve}, key=float):
        of_size = {letter: _point(curve[size], score, split) for letter, curve in curves.items() if size in curve}
        known = {letter: point for letter, point in of_size.items() if point is not None}
        if len(known) > 1:
            rows.append({"percent": float(size), "systems": known})
    return rows


def _point(size: Mapping[str, Any], score: str, split: SplitName) -> dict[str, Any] | None:
    found = size.get(split, {}).get("scores", {}).get(score)
    if found is None or found["mean"] is None:
        return None
    return {"examples": size["examples"], "mean": found["mean"], "sd": found["sd"], "seeds": found["n"]}


def _notes(systems: Sequence[System], counts: Sequence[Counts], *, score: str, split: SplitName) -> list[str]:
    return [*_recorded_otherwise(systems, counts, score=score), *_single_seeds(systems), *_chosen_on(split)]


def _recorded_otherwise(systems: Sequence[System], counts: Sequence[Counts], *, score: str) -> list[str]:
    notes = []
    for system, letter, one in zip(systems, LETTERS, counts, strict=False):
        recorded = [values[score] for values in system.recorded if score in values]
        if len(recorded) == len(one.scores) and np.abs(one.scores - recorded).max() > NEAR:
            notes.append(
                f"{letter}'s own results have a mean {score} of {np.mean(recorded):.4f}, here it is "
                f"{one.scores.mean():.4f}: prediction files do not say which of several heads a label is of, nor which "
                "labels a model knows and never gave."
            )
    return notes


def _single_seeds(systems: Sequence[System]) -> list[str]:
    single = [letter for system, letter in zip(systems, LETTERS, strict=False) if len(system.files) == 1]
    if not single:
        return []
    return [
        f"One seed of {', '.join(single)}: what is said of it is said of this one trained model. Another seed can turn "
        "it round; train several to compare settings."
    ]


def _chosen_on(split: SplitName) -> list[str]:
    return ["Settings are chosen on dev, so that scores there are too hopeful."] if split == "dev" else []
