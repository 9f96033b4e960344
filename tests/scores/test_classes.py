"""Class scores agree with scikit-learn."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from nertune.scores.classes import score_classes

LABELS = ("a", "b", "c", "d")
ANSWERS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=20)


@settings(max_examples=150, deadline=None)
@given(ANSWERS)
def test_scores_are_those_of_scikit_learn(answers):
    gold, predicted = ([pair[side] for pair in answers] for side in (0, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of classes that are absent
        theirs = {
            "f1": oracle.f1_score(gold, predicted, average="macro"),
            "precision": oracle.precision_score(gold, predicted, average="macro", zero_division=0),
            "recall": oracle.recall_score(gold, predicted, average="macro", zero_division=0),
            "macro_f1_all": oracle.f1_score(gold, predicted, average="macro", labels=LABELS, zero_division=0),
            "micro_f1": oracle.f1_score(gold, predicted, average="micro"),
            "weighted_f1": oracle.f1_score(gold, predicted, average="weighted"),
            "accuracy": oracle.accuracy_score(gold, predicted),
            "mcc": oracle.matthews_corrcoef(gold, predicted),
            "binary_f1": oracle.f1_score(gold, predicted, labels=["b"], average="macro", zero_division=0),
        }
        table = oracle.precision_recall_fscore_support(gold, predicted, labels=LABELS, zero_division=0)
    ours = score_classes(gold, predicted, labels=LABELS, positive_label="b")
    assert dict(ours.overall) == pytest.approx(theirs)
    for label, row in zip(LABELS, zip(*table, strict=True), strict=True):
        assert list(ours.labels[label].values()) == pytest.approx(list(row))


def test_binary_f1_needs_a_positive_label():
    assert "binary_f1" not in score_classes(["a"], ["a"], labels=LABELS).overall


def test_a_class_that_is_absent_counts_in_macro_f1_all_only():
    scores = score_classes(["a", "b"], ["a", "b"], labels=LABELS).overall
    assert (scores["f1"], scores["macro_f1_all"]) == (1.0, 0.5)
