"""Strict and partial matching: by hand, against SemEval-2013's own example, and against trying all matchings."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.data.examples import Span
from nertune.data.labels import tags_to_spans
from nertune.scores.entities import score_entities
from nertune.scores.matching import MEASURES, assign, measure_matches, pair_entities, share_words
from nertune.scores.overlaps import count_overlapping

TAGS = st.lists(st.sampled_from(["O", "B-X", "I-X", "I-X", "B-Y", "I-Y"]), min_size=6, max_size=6)
# Entities of a sentence whose words carry several labels: those of one type never overlap.
LAYERS = st.tuples(TAGS, TAGS).map(
    lambda pair: sorted(
        {Span(f"{s.label}{i}", s.start, s.end) for i, tags in enumerate(pair) for s in tags_to_spans(tags)}
    )
)


def all_matchings(gold, predicted):
    for n in range(min(len(gold), len(predicted)) + 1):
        for chosen in combinations(gold, n):
            for others in permutations(predicted, n):
                pairs = list(zip(chosen, others, strict=True))
                if all(share_words(*pair) for pair in pairs):
                    yield pairs


def most_worth(gold, predicted, *, worth):
    sums = [
        tuple(map(sum, zip((0, 0, 0), *(worth(*pair) for pair in pairs), strict=True)))
        for pairs in all_matchings(gold, predicted)
    ]
    return max(sums)


@settings(max_examples=60, deadline=None)
@given(LAYERS, LAYERS)
def test_the_matching_is_the_best_of_all(gold, predicted):
    gold, predicted = gold[:4], predicted[:4]
    for name, found in measure_matches([gold], [predicted]).items():
        halves, correct, pairs = most_worth(gold, predicted, worth=MEASURES[name].worth)
        assert (found.correct, found.partial) == (correct, halves - 2 * correct)
        assert found.correct + found.partial + found.incorrect == pairs
        assert (found.possible, found.actual) == (len(gold), len(predicted))


@given(TAGS, TAGS)
def test_what_other_modules_count_is_the_same(ours, theirs):
    gold, predicted = tags_to_spans(ours), tags_to_spans(theirs)
    found = measure_matches([gold], [predicted])
    assert found["type"].correct == count_overlapping(gold, predicted).total()
    strict = found["strict"].to_json()
    scores = score_entities([gold], [predicted], n_words=[6]).overall
    assert [strict[name] for name in ("precision", "recall", "f1")] == [
        scores[name] for name in ("precision", "recall", "f1")
    ]


@given(LAYERS, LAYERS, st.randoms())
def test_the_order_of_spans_does_not_matter(gold, predicted, random):
    mixed = random.sample(gold, len(gold)), random.sample(predicted, len(predicted))
    assert measure_matches([gold], [predicted]) == measure_matches([mixed[0]], [mixed[1]])
    assert pair_entities(gold, predicted) == pair_entities(*mixed)


def test_the_scenarios_of_semeval_2013_count_as_they_did_there():
    """The seven lines by which the measures of task 9.1 are explained: spurious, missed, right, other type or ends."""
    gold = [
        Span("BRAND", 0, 1),
        Span("DRUG", 5, 6),
        Span("DRUG", 10, 11),
        Span("DRUG", 13, 14),
        Span("DRUG", 16, 17),
        Span("GROUP", 19, 20),
    ]
    predicted = [
        Span("BRAND", 2, 3),
        Span("DRUG", 4, 6),
        Span("BRAND", 10, 11),
        Span("DRUG", 13, 14),
        Span("DRUG", 16, 17),
        Span("DRUG", 18, 20),
    ]
    found = {name: counts.to_json() for name, counts in measure_matches([gold], [predicted]).items()}
    told = {
        name: tuple(found[name][key] for key in ("correct", "incorrect", "partial", "missed", "spurious"))
        for name in found
    }
    assert told == {
        "type": (3, 2, 0, 1, 1),
        "partial": (3, 0, 2, 1, 1),
        "exact": (3, 2, 0, 1, 1),
        "strict": (2, 3, 0, 1, 1),
    }
    assert {name: (round(one["precision"], 2), round(one["recall"], 2)) for name, one in found.items()} == {
        "type": (0.5, 0.5),
        "partial": (0.67, 0.67),
        "exact": (0.5, 0.5),
        "strict": (0.33, 0.33),
    }


def test_two_halves_do_not_both_count_against_one_entity():
    found = measure_matches([[Span("X", 0, 5)]], [[Span("X", 0, 2), Span("X", 3, 5)]])
    assert (found["partial"].partial, found["partial"].spurious) == (1, 1)
    assert (found["strict"].incorrect, found["strict"].spurious) == (1, 1)


def test_each_measure_takes_the_matching_that_is_best_for_it():
    gold, predicted = [Span("X", 2, 4), Span("X", 5, 7)], [Span("Y", 0, 3), Span("X", 3, 6)]
    found = measure_matches([gold], [predicted])
    assert (found["partial"].partial, found["type"].correct, found["type"].incorrect) == (2, 1, 1)
    gold = [Span("X", 2, 4), Span("Z", 5, 7)]
    found = measure_matches([gold], [predicted])
    assert (found["partial"].partial, found["partial"].missed) == (2, 0)
    assert (found["type"].correct, found["type"].missed, found["type"].spurious) == (1, 1, 1)


def test_entities_are_paired_with_what_they_were_meant_to_be():
    gold = [Span("X", 0, 2), Span("Y", 3, 6), Span("X", 8, 9)]
    predicted = [Span("Y", 0, 2), Span("X", 3, 4), Span("Y", 4, 6), Span("Z", 10, 11)]
    assert pair_entities(gold, predicted) == [
        (gold[0], predicted[0]),
        (gold[1], predicted[2]),
        (None, predicted[1]),
        (gold[2], None),
        (None, predicted[3]),
    ]


def test_nothing_there_and_nothing_found_is_zero_and_no_fault():
    found = measure_matches([[], []], [[], []])["strict"].to_json()
    assert (found["correct"], found["precision"], found["recall"], found["f1"]) == (0, 0.0, 0.0, 0.0)


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=4))
def test_an_assignment_has_the_greatest_sum(weights):
    rows = [*weights, *([[0] * 3] * max(0, 3 - len(weights)))]
    best = max(
        sum(rows[row][column] for column, row in enumerate(order)) for order in permutations(range(len(rows)), 3)
    )
    assert sum(weights[row][column] for row, column in assign(weights)) == pytest.approx(best)
