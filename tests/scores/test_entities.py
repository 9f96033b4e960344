"""Entity scores agree with seqeval, and with counting by hand."""

from __future__ import annotations

import warnings

import pytest
import seqeval.metrics as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.data.examples import Span
from nertune.data.labels import spans_to_tags, tags_to_spans
from nertune.scores.entities import score_entities

TAGS = st.sampled_from(["O", "O", "B-X", "I-X", "B-Y", "I-Y", "B-Z", "I-Z"])


@st.composite
def tagged(draw):
    """Gold and predicted spans of some sentences."""
    pairs = draw(st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=5))
    gold = [tags_to_spans([tag for tag, _ in pair]) for pair in pairs]
    predicted = [tags_to_spans([tag for _, tag in pair]) for pair in pairs]
    return gold, predicted, [len(pair) for pair in pairs]


@settings(max_examples=150, deadline=None)
@given(tagged())
def test_scores_are_those_of_seqeval(data):
    gold, predicted, n_words = data
    ours = score_entities(gold, predicted, n_words=n_words)
    y_true, y_pred = (
        [spans_to_tags(spans, n) for spans, n in zip(side, n_words, strict=True)] for side in (gold, predicted)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns where nothing is found
        theirs = {
            "f1": oracle.f1_score(y_true, y_pred),
            "precision": oracle.precision_score(y_true, y_pred),
            "recall": oracle.recall_score(y_true, y_pred),
            "accuracy": oracle.accuracy_score(y_true, y_pred),
        }
        if any(gold) or any(predicted):
            theirs["macro_f1"] = oracle.f1_score(y_true, y_pred, average="macro")
            if any(gold):
                theirs["weighted_f1"] = oracle.f1_score(y_true, y_pred, average="weighted")
            report = oracle.classification_report(y_true, y_pred, output_dict=True)
    assert {name: ours.overall[name] for name in theirs} == pytest.approx(theirs)
    for label, scores in ours.labels.items():
        assert [scores["precision"], scores["recall"], scores["f1"], scores["support"]] == pytest.approx(
            [report[label][name] for name in ("precision", "recall", "f1-score", "support")]
        )


def test_an_entity_counts_only_with_its_type_and_both_ends():
    gold = [[Span("X", 0, 2), Span("Y", 3, 4)]]
    predicted = [[Span("X", 0, 1), Span("Y", 3, 4), Span("X", 5, 6)]]
    scores = score_entities(gold, predicted, n_words=[6])
    assert (scores.overall["precision"], scores.overall["recall"], scores.overall["f1"]) == pytest.approx(
        (1 / 3, 1 / 2, 2 / 5)
    )
    assert scores.overall["accuracy"] == pytest.approx(4 / 6)
    assert scores.labels["Y"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}


@given(tagged())
def test_gold_against_itself_is_perfect_when_it_has_an_entity(data):
    gold, _, n_words = data
    scores = score_entities(gold, gold, n_words=n_words).overall
    assert scores["f1"] == scores["macro_f1"] == float(any(gold))
    assert scores["accuracy"] == 1.0


def test_nothing_found_and_nothing_there_is_zero_and_no_fault():
    assert score_entities([[]], [[]], n_words=[3]).overall["f1"] == 0.0
    assert score_entities([], [], n_words=[]).overall["accuracy"] == 0.0
