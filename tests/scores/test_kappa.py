"""Kappa and alpha are those of the textbooks and of scikit-learn."""

from __future__ import annotations

import warnings
from collections import Counter
from fractions import Fraction
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from nertune.scores.kappa import (
    choose,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    masi_distance,
    observed_agreement,
    regroup,
)

CATEGORIES = st.sampled_from("abc")
PAIRS = st.lists(st.tuples(CATEGORIES, CATEGORIES), min_size=1, max_size=20)
TABLES = st.lists(st.tuples(*[st.sampled_from(["a", "b", "c", None])] * 3), min_size=1, max_size=15)
COMPLETE = st.lists(st.tuples(CATEGORIES, CATEGORIES, CATEGORIES), min_size=1, max_size=15)

# 14 raters put 10 subjects in one of 5 categories: how many raters chose which (Fleiss' kappa in Wikipedia).
FLEISS = "0 0 0 0 14, 0 2 6 4 2, 0 0 3 5 6, 0 3 9 2 0, 2 2 8 1 1, 7 7 0 0 0, 3 2 6 3 0, 2 5 3 2 2, 6 5 2 1 0, 0 2 2 3 7"
# Krippendorff 2011, section C: 4 observers, 12 units, missing data.
OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def fleiss_tally():
    rows = [[int(n) for n in row.split()] for row in FLEISS.split(",")]
    return Counter(tuple(category for category, n in enumerate(row) for _ in range(n)) for row in rows)


def krippendorff_tally():
    columns = zip(*OBSERVERS, strict=True)
    return Counter(tuple(None if answer == "." else answer for answer in column) for column in columns)


@given(PAIRS)
def test_cohens_kappa_is_that_of_scikit_learn(answers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where kappa is not defined
        theirs = cohen_kappa_score(*zip(*answers, strict=True))
    ours = cohen_kappa(Counter(answers))
    assert ours == pytest.approx(theirs) if ours is not None else theirs != theirs


def test_fleiss_kappa_of_fourteen_raters_is_that_of_the_textbook():
    assert fleiss_kappa(fleiss_tally()) == pytest.approx(0.210, abs=5e-4)
    assert observed_agreement(fleiss_tally()) == pytest.approx(0.378, abs=5e-4)


def test_alpha_with_missing_answers_is_that_of_krippendorff():
    assert krippendorff_alpha(krippendorff_tally()) == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_two_observers_and_two_categories_is_that_of_krippendorff():
    answers = zip("0100000010", "1110010000", strict=True)  # section A of the same paper
    assert krippendorff_alpha(Counter(answers)) == pytest.approx(0.095, abs=5e-4)


@given(TABLES)
def test_alpha_is_one_less_observed_over_expected_disagreement(table):
    paired = [[answer for answer in row if answer is not None] for row in table]
    paired = [row for row in paired if len(row) > 1]
    everything = [answer for row in paired for answer in row]
    n = len(everything)
    expected = sum(one != other for one, other in permutations(everything, 2))
    if expected == 0:
        assert krippendorff_alpha(Counter(table)) is None
        return
    observed = sum(Fraction(sum(one != other for one, other in permutations(row, 2)), len(row) - 1) for row in paired)
    slow = 1 - (observed / n) / Fraction(expected, n * (n - 1))
    assert krippendorff_alpha(Counter(table)) == pytest.approx(float(slow))


@given(COMPLETE)
def test_fleiss_kappa_is_that_of_the_definition(table):
    share = {category: sum(row.count(category) for row in table) / (3 * len(table)) for category in "abc"}
    by_chance = sum(value**2 for value in share.values())
    alike = sum(one == other for row in table for one, other in combinations(row, 2)) / (3 * len(table))
    ours = fleiss_kappa(Counter(table))
    assert ours is None if max(share.values()) == 1 else ours == pytest.approx((alike - by_chance) / (1 - by_chance))


@given(TABLES, st.permutations(range(3)))
def test_the_order_of_annotators_does_not_matter(table, order):
    turned = Counter(tuple(row[number] for number in order) for row in table)
    for measure in (fleiss_kappa, krippendorff_alpha, observed_agreement):
        assert measure(turned) == pytest.approx(measure(Counter(table)))
    pairs = choose(Counter(table), (0, 1)), choose(Counter(table), (1, 0))
    assert cohen_kappa(pairs[0]) == pytest.approx(cohen_kappa(pairs[1]))


@given(st.lists(CATEGORIES, min_size=1), st.integers(2, 4))
def test_equal_annotators_agree_fully_or_not_definably(answers, n_annotators):
    tally = Counter((answer,) * n_annotators for answer in answers)
    expected = 1.0 if len(set(answers)) > 1 else None
    assert observed_agreement(tally) == 1.0
    assert fleiss_kappa(tally) == krippendorff_alpha(tally) == expected
    assert cohen_kappa(choose(tally, (0, 1))) == expected


@pytest.mark.parametrize("tally", [{}, {("a", None): 3}, {(None, None): 1}, {("a", "a"): 5}])
def test_without_two_answers_or_two_categories_nothing_is_defined(tally):
    assert (cohen_kappa(tally), fleiss_kappa(tally), krippendorff_alpha(tally)) == (None, None, None)


def test_answers_that_are_missing_are_left_out_by_kappa_only_where_they_lack():
    tally = {("a", "a", None): 4, ("b", "b", "b"): 3, ("a", "b", "a"): 1}
    assert choose(tally, (0, 1)) == {("a", "a"): 4, ("b", "b"): 3, ("a", "b"): 1}
    assert cohen_kappa(choose(tally, (0, 2))) == 1.0
    assert fleiss_kappa(tally) == fleiss_kappa({("b", "b", "b"): 3, ("a", "b", "a"): 1})


def test_categories_can_be_put_together():
    tally = {("a", "b"): 2, ("a", "c"): 3, (None, "c"): 1}
    assert regroup(tally, lambda category: category == "a") == {(True, False): 5, (None, False): 1}


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("ab", "ab", 0),
        ("", "", 0),
        ("a", "", 1),
        ("a", "b", 1),
        ("a", "ab", 1 - 2 / 3 * 1 / 2),
        ("ab", "bc", 1 - 1 / 3 * 1 / 3),
    ],
)
def test_masi_counts_shared_labels(one, other, distance):
    assert masi_distance(tuple(one), tuple(other)) == pytest.approx(distance)
    assert masi_distance(tuple(other), tuple(one)) == pytest.approx(distance)


def test_alpha_with_masi_forgives_a_part_of_a_disagreement():
    tally = {(("a",), ("a",)): 3, (("b",), ("b",)): 3, (("a", "b"), ("a",)): 2}
    strict = krippendorff_alpha(tally)
    assert strict < krippendorff_alpha(tally, distance=masi_distance) < 1
