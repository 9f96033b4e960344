"""Tests of differences agree with scipy's, with trying everything, and with the textbook; intervals cover the truth."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nertune.analysis.comparison import compare_systems, find_contrasts, holm, randomisation_p, signed_rank
from nertune.analysis.predictions import Predictions
from nertune.analysis.units import Counts
from nertune.data.examples import Span


def accuracy(sums):
    return sums[..., 0] / sums[..., 1]


def micro_f1(sums):
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)


def counts_of(*files, score=accuracy):
    """Each file as [U, K]; of [U] rights and wrongs, the texts are counted, too."""
    stacked = [np.stack([file, np.ones_like(file)], axis=1) if np.ndim(file) == 1 else file for file in files]
    return Counts("accuracy", tuple(stacked), score, "texts", np.arange(len(stacked[0])))


def test_randomisation_is_what_trying_all_swaps_gives():
    rng = np.random.default_rng(2)
    first, second = ([rng.integers(0, 4, (8, 3)) for _ in range(2)] for _ in range(2))

    def distance(swapped):
        sides = [
            [np.where(swapped[:, None], b, a) for a, b in zip(*pair, strict=True)]
            for pair in ((first, second), (second, first))
        ]
        means = [np.mean([micro_f1(file.sum(axis=0)) for file in side]) for side in sides]
        return abs(means[0] - means[1])

    found = distance(np.zeros(8, bool))
    every = [distance(np.array(swapped, bool)) >= found - 1e-12 for swapped in product([0, 1], repeat=8)]
    p = randomisation_p(first, second, micro_f1, n_draws=40_000)
    assert p == pytest.approx(np.mean(every), abs=0.01)
    assert 0.05 < p < 0.95


def test_randomisation_is_scipys_permutation_of_pairs():
    rng = np.random.default_rng(4)
    one, other = rng.integers(0, 2, 40), rng.integers(0, 2, 40)
    oracle = stats.permutation_test(
        (one, other), lambda a, b: abs(a.mean() - b.mean()), permutation_type="samples", n_resamples=20_000,
        alternative="greater", rng=1,
    )  # fmt: skip
    ours = randomisation_p(counts_of(one).counts, counts_of(other).counts, accuracy, n_draws=20_000)
    assert ours == pytest.approx(oracle.pvalue, abs=0.015)


def test_what_is_said_alike_everywhere_gives_a_p_of_1_and_the_least_p_is_that_of_the_draws():
    right, wrong = np.ones(60, int), np.zeros(60, int)
    assert randomisation_p(counts_of(right).counts, counts_of(right).counts, accuracy, n_draws=99) == 1.0
    assert randomisation_p(counts_of(right).counts, counts_of(wrong).counts, accuracy, n_draws=99) == 0.01


def test_randomisation_of_unlike_numbers_of_seeds_compares_their_means():
    right = np.random.default_rng(0).integers(0, 2, 50)
    p = randomisation_p(counts_of(right, right, right).counts, counts_of(right).counts, accuracy, n_draws=99)
    assert p == 1.0


@pytest.mark.parametrize("n_pairs", [2, 5, 6, 9])
def test_signed_rank_test_is_exact_and_says_the_least_that_so_many_seeds_can_give(n_pairs):
    rng = np.random.default_rng(n_pairs)
    differences = rng.normal(0.3, 1, n_pairs)
    found = signed_rank(differences)
    assert found.p == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
    assert signed_rank(np.arange(1.0, n_pairs + 1)).p == pytest.approx(found.least)
    assert found.least == pytest.approx(2 / 2**n_pairs)


def test_five_seeds_all_for_one_system_carry_no_less_than_a_sixteenth():
    found = signed_rank(np.array([0.01, 0.01, 0.02, 0.05, 0.03]))  # two alike
    assert (found.p, found.least) == (pytest.approx(0.0625), 0.0625)
    assert signed_rank(np.zeros(5)).p == 1.0


def test_holm_corrects_as_in_the_textbook():
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"); 4 x 0.005, 3 x 0.01, 2 x 0.03, and never less than before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_interval_of_one_pair_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(6)
    one, other = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    found = compare_systems(counts_of(one), counts_of(other), is_paired=False, n_draws=20_000)
    expected = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.003)
    assert found.value == pytest.approx(one.mean() - other.mean())
    assert found.signed_rank is None


def test_interval_is_scipys_bootstrap_of_the_difference():
    rng = np.random.default_rng(8)
    one, other = rng.integers(0, 3, (200, 3)), rng.integers(0, 3, (200, 3))
    found = compare_systems(
        counts_of(one, score=micro_f1), counts_of(other, score=micro_f1), is_paired=False, n_draws=5000
    )

    def difference(*columns, axis=-1):
        sums = [column.sum(axis=axis) for column in columns]
        return 2 * sums[0] / (sums[1] + sums[2]) - 2 * sums[3] / (sums[4] + sums[5])

    oracle = stats.bootstrap(
        (*one.T, *other.T), difference, paired=True, vectorized=True, n_resamples=5000, rng=3
    )  # fmt: skip
    assert (found.high - found.low) / (2 * 1.97) == pytest.approx(oracle.standard_error, rel=0.06)


@pytest.mark.parametrize("is_paired", [True, False])
def test_intervals_of_differences_cover_the_difference_to_be_expected(is_paired):
    rng, n_covered = np.random.default_rng(9), 0
    for seed in range(400):
        hard = rng.normal(scale=1.5, size=200)
        skill = rng.normal(scale=0.2, size=(2, 5, 1))
        right = (rng.random((2, 5, 200)) < 1 / (1 + np.exp(-(1 + skill + hard)))).astype(int)
        found = compare_systems(counts_of(*right[0]), counts_of(*right[1]), is_paired=is_paired, n_draws=200, seed=seed)
        n_covered += found.low <= 0 <= found.high
    assert 0.925 <= n_covered / 400 <= 0.98


def test_pairs_of_seeds_that_go_together_make_the_interval_narrow():
    rng = np.random.default_rng(5)
    skill = np.array([60, 70, 80, 90, 100])
    texts = [np.repeat([1, 0], [n, 100 - n]) for n in skill]
    better = [np.minimum(1, text + (rng.random(100) < 0.02)) for text in texts]
    paired, free = (
        compare_systems(counts_of(*better), counts_of(*texts), is_paired=is_paired) for is_paired in (True, False)
    )
    assert paired.high - paired.low < (free.high - free.low) / 3


def test_degrees_of_freedom_are_no_fewer_than_those_of_the_fewest_seeds():
    rng = np.random.default_rng(1)
    models = [rng.integers(0, 2, 200) for _ in range(5)]
    found = compare_systems(counts_of(*models), counts_of(*models[:3]), is_paired=False, n_draws=500)
    assert found.df >= 2


def file_of(gold, predicted, *, task="sequence", words=()):
    where = tuple(f"test.txt:{number + 1}" for number in range(len(gold)))
    labels = ("a", "b")
    return Predictions(Path("p"), task, "single_label", where, gold, predicted, ((),) * len(gold), labels, words=words)


def test_texts_won_and_lost_are_those_that_more_seeds_got_right():
    gold = (("a",), ("b",), ("a",), ("b",))
    first = [file_of(gold, (("a",), ("a",), ("a",), ("b",))), file_of(gold, (("a",), ("b",), ("b",), ("b",)))]
    second = [file_of(gold, (("b",), ("b",), ("a",), ("b",))), file_of(gold, (("b",), ("b",), ("b",), ("b",)))]
    found = find_contrasts(first, second, n_examples=1)
    assert (found.won, found.lost, found.alike) == (1, 1, 2)
    won = found.examples_won[0]
    assert (won.where, won.first_errors, won.second_errors) == ("test.txt:1", 0.0, 1.0)
    assert (won.gold, won.first, won.second) == (({"label": "a"},), ({"label": "a"},), ({"label": "b"},))
    assert found.examples_lost[0].where == "test.txt:2"


def test_entities_are_told_with_their_words():
    span = Span("a", 0, 2)
    first = file_of(((span,),), ((span,),), task="token", words=({span: "New York"},))
    second = file_of(((span,),), ((),), task="token")
    (won,) = find_contrasts([first], [second], n_examples=5).examples_won
    assert won.first == ({"label": "a", "start": 0, "end": 2, "text": "New York"},)
    assert (won.second, won.second_errors) == ((), 1.0)
