"""Multi-label scores agree with scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from nertune.scores.multi_label import score_label_sets

LABELS = ("a", "b", "c", "d")
SETS = st.lists(st.sampled_from(LABELS), unique=True, max_size=3).map(tuple)
ANSWERS = st.lists(st.tuples(SETS, SETS), min_size=1, max_size=12)


def indicators(label_sets):
    return np.array([[label in own for label in LABELS] for own in label_sets], dtype=int)


@settings(max_examples=150, deadline=None)
@given(ANSWERS)
def test_scores_are_those_of_scikit_learn(answers):
    sides = [[pair[side] for pair in answers] for side in (0, 1)]
    gold, predicted = map(indicators, sides)
    present = np.flatnonzero(gold.any(axis=0) | predicted.any(axis=0))
    macro = {"average": "macro", "labels": present, "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of labels that are absent
        theirs = {
            "f1": oracle.f1_score(gold, predicted, **macro) if len(present) else 0.0,
            "precision": oracle.precision_score(gold, predicted, **macro) if len(present) else 0.0,
            "recall": oracle.recall_score(gold, predicted, **macro) if len(present) else 0.0,
            "macro_f1_all": oracle.f1_score(gold, predicted, average="macro", zero_division=0),
            "micro_f1": oracle.f1_score(gold, predicted, average="micro", zero_division=0),
            "weighted_f1": oracle.f1_score(gold, predicted, average="weighted", zero_division=0),
            "samples_f1": oracle.f1_score(gold, predicted, average="samples", zero_division=1),
            "accuracy": oracle.accuracy_score(gold, predicted),
            "hamming_loss": oracle.hamming_loss(gold, predicted),
            "binary_f1": oracle.f1_score(gold[:, 1], predicted[:, 1], zero_division=0),
        }
        table = oracle.precision_recall_fscore_support(gold, predicted, zero_division=0)
    ours = score_label_sets(*sides, labels=LABELS, positive_label="b")
    assert dict(ours.overall) == pytest.approx(theirs)
    for label, row in zip(LABELS, zip(*table, strict=True), strict=True):
        assert list(ours.labels[label].values()) == pytest.approx(list(row))


def test_binary_f1_needs_a_positive_label():
    assert "binary_f1" not in score_label_sets([("a",)], [("a",)], labels=LABELS).overall


def test_a_text_without_a_label_that_is_given_none_is_right():
    scores = score_label_sets([(), ("a", "b")], [(), ("a",)], labels=LABELS).overall
    assert (scores["accuracy"], scores["samples_f1"]) == (0.5, pytest.approx((1 + 2 / 3) / 2))
    assert scores["hamming_loss"] == 1 / 8


def test_no_text_is_zero_and_no_fault():
    assert set(score_label_sets([], [], labels=LABELS).overall.values()) == {0.0}
