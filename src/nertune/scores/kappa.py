"""Agreement of annotators beyond chance, on items that each of them puts in a category.

What goes in everywhere is a tally: (answer of annotator 1, answer of annotator 2, …) -> how many items have these. A
million words are then a few dozen lines of a tally. None stands for an item that an annotator did not judge.
A coefficient is None where it is not defined: no item, or one category only, so that chance alone agrees fully.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from itertools import permutations
from math import comb

Answers = tuple[Hashable | None, ...]
Tally = Mapping[Answers, int]


def observed_agreement(tally: Tally) -> float | None:
    """The share of pairs of answers to one item that are alike; None where no item has two answers."""
    alike = pairs = 0
    for answers, n in tally.items():
        given = _given(answers)
        pairs += n * comb(len(given), 2)
        alike += n * sum(comb(votes, 2) for votes in Counter(given).values())
    return alike / pairs if pairs else None


def cohen_kappa(tally: Tally) -> float | None:
    """Cohen's kappa of two annotators over the items that both judged.

    Source   Cohen 1960, "A coefficient of agreement for nominal scales", Educ. and Psychol. Measurement 20(1)
    """
    first: Counter[Hashable] = Counter()
    second: Counter[Hashable] = Counter()
    n_alike = 0
    for (one, other), n in tally.items():
        if one is not None and other is not None:
            first[one] += n
            second[other] += n
            n_alike += n * (one == other)
    total = first.total()
    by_chance = sum(n * second[category] for category, n in first.items())  # of total², as whole numbers
    return (n_alike * total - by_chance) / (total**2 - by_chance) if by_chance < total**2 else None


def fleiss_kappa(tally: Tally) -> float | None:
    """Fleiss' kappa of two annotators or more over the items that all judged.

    Source   Fleiss 1971, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76(5)
    """
    complete = {answers: n for answers, n in tally.items() if len(answers) > 1 and None not in answers}
    votes = _votes(complete)
    total = votes.total()
    by_chance = sum(n * n for n in votes.values())  # of total²
    if by_chance == total**2:
        return None
    alike = observed_agreement(complete)
    assert alike is not None  # there are items with two answers
    return (alike - by_chance / total**2) / (1 - by_chance / total**2)


def nominal(one: Hashable, other: Hashable) -> float:
    """0 between equal categories, 1 between others."""
    return float(one != other)


def krippendorff_alpha(tally: Tally, *, distance: Callable[[Hashable, Hashable], float] = nominal) -> float | None:
    """Krippendorff's alpha over the items that two annotators or more judged; the others may lack.

    distance  symmetric, 0 between equal categories
    Cost      O(C²) for C categories in use
    Source    Krippendorff 2011, "Computing Krippendorff's alpha-reliability"
    """
    paired = {answers: n for answers, n in tally.items() if len(_given(answers)) > 1}
    votes = _votes(paired)
    total = votes.total()
    by_chance = sum(n * m * distance(one, other) for (one, n), (other, m) in permutations(votes.items(), 2))
    if not by_chance:
        return None
    differing = sum(n * _mean_difference(_given(answers), distance) for answers, n in paired.items())
    return 1 - differing * (total - 1) / by_chance


def masi_distance(one: Hashable, other: Hashable) -> float:
    """Distance of two sets of labels: 0 when equal, less than 1 when they share some, 1 when they share none.

    Source   Passonneau 2006, "Measuring agreement on set-valued items (MASI)", LREC
    """
    if one == other:
        return 0.0
    first, second = _as_set(one), _as_set(other)
    shared = first & second
    likeness = 2 / 3 if shared in (first, second) else 1 / 3
    return 1 - likeness * len(shared) / len(first | second)


def regroup(tally: Tally, category: Callable[[Hashable], Hashable]) -> Counter[Answers]:
    """The tally with other categories: one label against the rest, for example."""
    counts: Counter[Answers] = Counter()
    for answers, n in tally.items():
        counts[tuple(None if answer is None else category(answer) for answer in answers)] += n
    return counts


def choose(tally: Tally, annotators: Iterable[int]) -> Counter[Answers]:
    """The tally of these annotators only, by their numbers from 0, without what one of them did not judge."""
    chosen = tuple(annotators)
    counts: Counter[Answers] = Counter()
    for answers, n in tally.items():
        kept = tuple(answers[number] for number in chosen)
        if None not in kept:
            counts[kept] += n
    return counts


def _given(answers: Answers) -> list[Hashable]:
    return [answer for answer in answers if answer is not None]


def _votes(tally: Tally) -> Counter[Hashable]:
    """How often each category was given."""
    votes: Counter[Hashable] = Counter()
    for answers, n in tally.items():
        for answer in _given(answers):
            votes[answer] += n
    return votes


def _mean_difference(given: list[Hashable], distance: Callable[[Hashable, Hashable], float]) -> float:
    """An item's share of the coincidence matrix: each ordered pair of answers, divided by answers less one."""
    return sum(distance(one, other) for one, other in permutations(given, 2)) / (len(given) - 1)


def _as_set(labels: Hashable) -> frozenset[Hashable]:
    assert isinstance(labels, Collection)
    return frozenset(labels)
