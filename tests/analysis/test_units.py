"""Scores from summed counts are those that scores/ computes from the texts themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.analysis.predictions import Predictions
from nertune.analysis.units import (
    RATES,
    count_labels,
    count_scores,
    count_units,
    find_units,
    rates_by_label,
    score_names,
)
from nertune.data.examples import Span
from nertune.data.labels import tags_to_spans
from nertune.errors import UserError
from nertune.scores.classes import score_classes
from nertune.scores.entities import score_entities
from nertune.scores.multi_label import score_label_sets

LABELS = ("a", "b", "c")
TAGS = st.sampled_from(["O", "O", "B-X", "I-X", "B-Y", "I-Y"])


def file_of(task, gold, predicted, *, problem="single_label", labels=LABELS, documents=None, n_words=None):
    where = tuple(f"test.txt:{number + 1}" for number in range(len(gold)))
    nothing = tuple(() for _ in gold)
    return Predictions(
        Path("p.jsonl"), task, problem, where, tuple(gold), tuple(predicted), nothing, labels, documents, n_words
    )


def doubled(file, weights):
    """The file with each text as often as its weight says."""
    rows = [row for row, n in enumerate(weights) for _ in range(n)]
    gold, predicted = ([side[row] for row in rows] for side in (file.gold, file.predicted))
    n_words = None if file.n_words is None else tuple(file.n_words[row] for row in rows)
    return file_of(file.task, gold, predicted, problem=file.problem, labels=file.labels, n_words=n_words)


def scored(file):
    """The scores by name, as scores/ computes them, and those of each label."""
    if file.task == "token":
        return score_entities(*file.spans, n_words=file.n_words)
    if file.problem == "multi_label":
        return score_label_sets(*file.classes, labels=file.labels)
    gold, predicted = ([label for (label,) in side] for side in file.classes)
    return score_classes(gold, predicted, labels=file.labels)


@st.composite
def sentences(draw):
    pairs = draw(st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=6), min_size=1, max_size=6))
    gold, predicted = ([tuple(tags_to_spans([pair[side] for pair in one])) for one in pairs] for side in (0, 1))
    labels = tuple(sorted({span.label for spans in gold + predicted for span in spans}))
    return file_of("token", gold, predicted, labels=labels, n_words=tuple(map(len, pairs)))


@st.composite
def texts(draw):
    label = st.sampled_from(LABELS).map(lambda one: (one,))
    pairs = draw(st.lists(st.tuples(label, label), min_size=1, max_size=12))
    return file_of("sequence", *zip(*pairs, strict=True))


@st.composite
def texts_of_several(draw):
    labels = st.sets(st.sampled_from(LABELS)).map(lambda one: tuple(sorted(one)))
    pairs = draw(st.lists(st.tuples(labels, labels), min_size=1, max_size=8))
    return file_of("sequence", *zip(*pairs, strict=True), problem="multi_label")


@pytest.mark.parametrize("files", [sentences(), texts(), texts_of_several()], ids=["token", "sequence", "multi-label"])
def test_every_score_of_a_sample_of_texts_comes_from_its_summed_counts(files):
    seen = set()

    @settings(max_examples=60, deadline=None)
    @given(files, st.data())
    def check(file, data):
        weights = data.draw(st.lists(st.integers(0, 2), min_size=len(file), max_size=len(file)).filter(any))
        expected = scored(doubled(file, weights))
        for name in score_names(file):
            counts = count_units([file], score=name)
            sums = np.stack([np.array(weights) @ counts.counts[0]] * 2)
            assert counts.score(sums) == pytest.approx([expected.overall[name]] * 2, abs=1e-12), name
            seen.add(name)
        for label, rates in expected.labels.items():
            for name in RATES:
                counts = count_units([file], score=name, label=label)
                assert counts.score(np.array(weights) @ counts.counts[0]) == pytest.approx(rates[name]), label

    check()
    assert len(seen) >= 6


def test_lines_of_a_document_are_one_unit_and_a_line_without_one_is_its_own():
    gold = [(("a",), ("b",))[n % 2] for n in range(5)]
    file = file_of("sequence", gold, [("a",)] * 5, documents=("one", "two", None, "one", None))
    unit, unit_of = find_units(file)
    assert (unit, unit_of.tolist()) == ("documents", [0, 1, 2, 0, 3])
    assert count_units([file], score="accuracy").counts[0].tolist() == [[1, 2], [0, 1], [1, 1], [1, 1]]


def test_several_scores_and_labels_at_once_are_the_same_as_one_by_one():
    file = file_of("sequence", [("a",), ("b",), ("a",)], [("a",), ("a",), ("c",)])
    names = score_names(file)
    for name, counts in count_scores([file, file], names).items():
        alone = count_units([file, file], score=name)
        assert (counts.scores == alone.scores).all()
        assert [each.tolist() for each in counts.counts] == [each.tolist() for each in alone.counts]
    for label, counted in count_labels([file, file]).items():
        for rate, counts in counted.items():
            alone = count_units([file, file], score=rate, label=label)
            assert (counts.scores == alone.scores).all()
            assert [each.tolist() for each in counts.counts] == [each.tolist() for each in alone.counts]
    rates, support = rates_by_label([file])
    assert {label: values.tolist() for label, values in rates.items()} == {"a": [0.5], "b": [0.0], "c": [0.0]}
    assert support == {"a": 2, "b": 1, "c": 0}


def test_a_single_document_is_drawn_from_by_its_sentences():
    file = file_of("token", [()] * 3, [()] * 3, documents=("all", "all", "all"), labels=())
    assert find_units(file)[0] == "sentences"


def test_a_score_that_the_file_cannot_give_is_refused_with_those_that_it_can():
    file = file_of("token", [(Span("X", 0, 1),)], [()], labels=("X",))
    with pytest.raises(UserError, match=r"'accuracy' cannot be computed .* but f1, precision, recall"):
        count_units([file], score="accuracy")
    with pytest.raises(UserError, match="no text has the label 'Y'"):
        count_units([file], score="f1", label="Y")
