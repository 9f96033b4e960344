"""Intervals cover a truth that is known, by simulation; where seeds or texts stand alone they are the textbook's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nertune.analysis.intervals import (
    interval_of_file,
    interval_of_seeds,
    intervals_of_labels,
    intervals_of_systems,
    resample,
)
from nertune.analysis.units import Counts

N_REPETITIONS = 400
N_RESAMPLES = 300
SKILL, TEXTS = 0.2, 1.5  # standard deviations of seeds and of texts, on the scale of log odds


def accuracy(sums):
    return sums[..., 0] / sums[..., 1]


def micro_f1(sums):
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)


def draw_chances(rng, *, n_seeds, n_texts, per_document, skill=SKILL):
    """The chance of each seed to get each text right: what the seed can, and how hard the text (or document) is."""
    hard = np.repeat(rng.normal(scale=TEXTS, size=n_texts // per_document), per_document)
    return 1 / (1 + np.exp(-(1 + rng.normal(scale=skill, size=(n_seeds, 1)) + hard)))


def draw_classes(rng, **sizes):
    right = rng.random((sizes["n_seeds"], sizes["n_texts"])) < draw_chances(rng, **sizes)
    return gather([right, np.ones_like(right)], per_document=sizes["per_document"])


def draw_entities(rng, *, rate=1.0, **sizes):
    """Hits, predictions and gold of each sentence; wrong predictions are more where entities are missed."""
    chances = draw_chances(rng, **sizes)
    gold = np.broadcast_to(rng.poisson(rate, size=sizes["n_texts"]), chances.shape)
    hits = rng.binomial(gold, chances)
    wrong = rng.poisson((1 - chances) * rate / 2)
    return gather([hits, hits + wrong, gold], per_document=sizes["per_document"])


def gather(counts, *, per_document):
    """[S, texts] each -> [U, K] for each seed."""
    stacked = np.stack(counts, axis=-1).astype(np.int64)
    n_seeds, n_texts, n_counts = stacked.shape
    return list(stacked.reshape(n_seeds, n_texts // per_document, per_document, n_counts).sum(axis=2))


def expected_chance(skill=SKILL):
    """Over texts, for each of many equally likely seeds: [seeds]."""
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    seeds = stats.norm.ppf((np.arange(200) + 0.5) / 200) * skill
    return (1 / (1 + np.exp(-(1 + seeds[:, None] + TEXTS * points))) * weights).sum(axis=1) / weights.sum()


def expected_accuracy(skill=SKILL):
    return float(expected_chance(skill).mean())


def expected_f1(skill=SKILL):
    hits = expected_chance(skill)
    return float((2 * hits / (hits + (1 - hits) / 2 + 1)).mean())


DRAWN = {"f1": (draw_entities, micro_f1, expected_f1), "accuracy": (draw_classes, accuracy, expected_accuracy)}


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize(
    ("n_seeds", "n_texts", "per_document", "skill"),
    [(5, 100, 1, SKILL), (5, 500, 1, SKILL), (5, 200, 1, 0.0), (5, 500, 10, SKILL), (2, 200, 1, SKILL)],
    ids=["100 texts", "500 texts", "seeds alike", "50 documents", "2 seeds"],
)
def test_intervals_over_seeds_and_texts_cover_the_expected_score(name, n_seeds, n_texts, per_document, skill):
    draw, score, expected = DRAWN[name]
    rng = np.random.default_rng(7)
    truth, n_covered = expected(skill), 0
    for seed in range(N_REPETITIONS):
        counts = draw(rng, n_seeds=n_seeds, n_texts=n_texts, per_document=per_document, skill=skill)
        found = interval_of_seeds(counts, score, n_resamples=N_RESAMPLES, seed=seed)
        n_covered += found.low <= truth <= found.high
    assert 0.925 <= n_covered / N_REPETITIONS <= 0.975  # 95 %, two standard errors of the simulation


def test_sentences_of_documents_taken_as_texts_of_their_own_would_cover_less():
    rng = np.random.default_rng(3)
    sizes = {"n_seeds": 5, "n_texts": 500, "skill": 0.0}
    n_covered = 0
    for seed in range(100):
        hard = draw_chances(rng, per_document=10, **sizes)
        right = rng.random(hard.shape) < hard
        counts = gather([right, np.ones_like(right)], per_document=1)
        found = interval_of_seeds(counts, accuracy, n_resamples=N_RESAMPLES, seed=seed)
        n_covered += found.low <= expected_accuracy(0.0) <= found.high
    assert n_covered < 75


@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_intervals_of_a_rare_label_cover_the_score_of_the_one_model(rate):
    rng = np.random.default_rng(5)
    truth, n_covered = expected_f1(0.0), 0
    for seed in range(N_REPETITIONS):
        (counts,) = draw_entities(rng, n_seeds=1, n_texts=200, per_document=1, skill=0.0, rate=rate)
        found = interval_of_file(counts, micro_f1, n_resamples=N_RESAMPLES, seed=seed)
        n_covered += found.low <= truth <= found.high
    assert 0.925 <= n_covered / N_REPETITIONS <= 0.985  # more rather than less where there is little to count


def test_of_texts_that_are_all_alike_it_is_the_t_interval_of_the_seeds():
    values = np.array([70, 72, 75, 71, 74])
    counts = [np.tile([[value, 100]], (50, 1)) for value in values]
    found = interval_of_seeds(counts, accuracy)
    low, high = stats.t.interval(0.95, 4, loc=values.mean() / 100, scale=stats.sem(values / 100))
    assert (found.low, found.high, found.df) == pytest.approx((low, high, 4))
    assert found.sd == pytest.approx(np.std(values / 100, ddof=1))


def test_of_seeds_that_are_all_alike_it_is_the_t_interval_of_the_texts():
    right = np.random.default_rng(0).random(400) < 0.7
    counts = np.stack([right, np.ones(400)], axis=1).astype(np.int64)
    low, high = stats.t.interval(0.95, 399, loc=right.mean(), scale=stats.sem(right))
    for n_seeds in (1, 3):
        found = interval_of_seeds([counts] * n_seeds, accuracy, n_resamples=20_000)
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)
    assert interval_of_seeds([counts], accuracy).is_of_units_alone
    assert interval_of_seeds([counts], accuracy).sd is None


def test_samples_take_the_same_texts_for_all_seeds_and_do_not_depend_on_memory(monkeypatch):
    counts = draw_classes(np.random.default_rng(1), n_seeds=1, n_texts=30, per_document=1)
    samples = resample(counts * 2, accuracy, n_resamples=50, seed=4)
    assert (samples[:, 0] == samples[:, 1]).all()
    monkeypatch.setattr("nertune.analysis.intervals.AT_ONCE", 100)
    assert (resample(counts * 2, accuracy, n_resamples=50, seed=4) == samples).all()


def test_where_all_is_right_the_interval_still_says_how_few_texts_there_were():
    counts = np.ones((16, 2), dtype=np.int64)
    found = interval_of_seeds([counts, counts], accuracy)
    assert (found.mean, found.high, found.df) == (1.0, 1.0, None)
    assert found.low == pytest.approx(0.025 ** (1 / 16))  # Clopper and Pearson 1934: 16 of 16
    assert interval_of_seeds([counts[:1], counts[:1]], accuracy).low == 0.0


def test_intervals_of_labels_stay_within_0_and_1():
    counts = np.array([[1, 1, 1]] * 9 + [[0, 1, 1]], dtype=np.int64)
    label = Counts("f1", (counts,), micro_f1, "sentences", np.arange(10))
    straight, found = interval_of_seeds([counts], micro_f1), intervals_of_labels({"A": {"f1": label}})["A"]["f1"]
    assert straight.high == 1.0
    assert 0.4 < found.low < found.mean < found.high < 1.0


def test_intervals_of_several_systems_at_once_are_those_of_each_by_itself():
    rng = np.random.default_rng(2)
    sizes = {"n_texts": 40, "per_document": 1}
    several, one = (
        Counts("f1", tuple(draw_entities(rng, n_seeds=n_seeds, **sizes)), micro_f1, "sentences", np.arange(40))
        for n_seeds in (3, 1)
    )
    found = intervals_of_systems({"f1": [several, one], "again": [one]}, n_resamples=200, seed=1)
    assert found == {
        "f1": [
            interval_of_seeds(several.counts, micro_f1, n_resamples=200, seed=1),
            interval_of_file(one.counts[0], micro_f1, n_resamples=200, seed=1),
        ],
        "again": [interval_of_file(one.counts[0], micro_f1, n_resamples=200, seed=1)],
    }


def test_intervals_of_several_labels_at_once_are_those_of_each_by_itself():
    rng = np.random.default_rng(2)
    sizes = {"n_texts": 40, "per_document": 1}
    counted = {
        label: {"f1": Counts("f1", tuple(draw_entities(rng, n_seeds=n, **sizes)), micro_f1, "sentences", np.arange(40))}
        for label, n in (("A", 3), ("B", 1))
    }
    found = intervals_of_labels(counted, n_resamples=200, seed=1)
    assert found["B"]["f1"] == interval_of_file(counted["B"]["f1"].counts[0], micro_f1, n_resamples=200, seed=1)
    alone = intervals_of_labels({"A": counted["A"]}, n_resamples=200, seed=1)
    straight = interval_of_seeds(counted["A"]["f1"].counts, micro_f1, n_resamples=200, seed=1)
    assert found["A"] == alone["A"]
    assert (found["A"]["f1"].mean, found["A"]["f1"].df) == (straight.mean, straight.df)
    assert intervals_of_labels({}) == {}
