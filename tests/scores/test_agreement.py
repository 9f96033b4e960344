"""Agreement of annotators: entities, words, texts, and where they differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.data.labels import tags_to_spans
from nertune.errors import Where
from nertune.scores.agreement import measure_class_agreement, measure_entity_agreement
from nertune.scores.alignment import align_examples, align_texts
from nertune.scores.entities import score_entities

TAGS = st.sampled_from(["O", "O", "B-X", "I-X", "B-Y", "I-Y"])
N_WORDS = 5
SENTENCES = st.lists(st.lists(TAGS, min_size=N_WORDS, max_size=N_WORDS), min_size=3, max_size=3)


def annotator(name, *sentences):
    """Tags or spans of sentences whose words are w0 w1 …, a line each."""
    examples = []
    for number, told in enumerate(sentences):
        spans = tuple(tags_to_spans(told) if told and isinstance(told[0], str) else told)
        words = tuple(f"w{number}{word}" for word in range(N_WORDS))
        examples.append(TokenExample(words, spans, Where(Path(name), number + 1)))
    return name, examples


def measure(*annotators):
    return measure_entity_agreement(align_examples(annotators))


def classify(*answers):
    """Annotators a, b, … of the texts 0, 1, …; the labels of each text parted by blanks, None: not judged."""
    return measure_class_agreement(
        align_texts(
            [
                (
                    name,
                    [
                        SequenceExample(str(number), tuple(labels.split()), Where(Path(name), number + 1))
                        for number, labels in enumerate(told)
                        if labels is not None
                    ],
                )
                for name, told in zip("abcd", answers, strict=False)
            ]
        )
    )


@given(SENTENCES, SENTENCES)
def test_strict_scores_are_those_of_a_prediction(ours, theirs):
    (pair,) = measure(annotator("a", *ours), annotator("b", *theirs)).pairs
    gold, predicted = ([tags_to_spans(tags) for tags in side] for side in (ours, theirs))
    scores = score_entities(gold, predicted, n_words=[N_WORDS] * 3)
    told = [pair.overall.strict.f1, pair.overall.strict.precision, pair.overall.strict.recall]
    if any(gold) or any(predicted):
        assert told == pytest.approx([scores.overall[name] for name in ("f1", "precision", "recall")])
        assert {label: matches.strict.f1 for label, matches in pair.labels.items()} == pytest.approx(
            {label: rates["f1"] for label, rates in scores.labels.items()}
        )
        assert pair.overall.partial.f1 >= pair.overall.strict.f1
    else:
        assert told == [None, None, None]


@given(SENTENCES, SENTENCES)
def test_kappa_on_words_is_that_of_scikit_learn(ours, theirs):
    agreement = measure(annotator("a", *ours), annotator("b", *theirs))
    words = [
        ["".join(label for label in "XY" if any(s.label == label and s.start <= w < s.end for s in spans)) or "O"]
        for side in (ours, theirs)
        for spans in map(tags_to_spans, side)
        for w in range(N_WORDS)
    ]
    half = len(words) // 2
    first, second = ([word for (word,) in side] for side in (words[:half], words[half:]))
    marked = [(one, other) for one, other in zip(first, second, strict=True) if (one, other) != ("O", "O")]
    for (one, other), kappa in (
        ((first, second), agreement.items.cohen),
        (tuple(zip(*marked, strict=True)) or ((), ()), agreement.marked.cohen),
    ):
        if kappa is None:
            assert len({*one, *other}) < 2
        else:
            assert kappa == pytest.approx(cohen_kappa_score(one, other))


@given(SENTENCES)
def test_equal_annotators_agree_fully(tags):
    agreement = measure(annotator("a", *tags), annotator("b", *tags), annotator("c", *tags))
    has_entity = any(tag != "O" for sentence in tags for tag in sentence)
    assert agreement.f1_strict == agreement.f1_partial == (1.0 if has_entity else None)
    assert agreement.disagreements == ()
    assert agreement.items.observed == 1.0
    assert {agreement.items.cohen, agreement.items.fleiss, agreement.items.alpha} <= {1.0, None}


@settings(deadline=None)
@given(SENTENCES, SENTENCES, SENTENCES)
def test_the_order_of_annotators_does_not_matter(a, b, c):
    told = annotator("a", *a), annotator("b", *b), annotator("c", *c)
    one, other = measure(*told), measure(*reversed(told))
    for name in ("cohen", "fleiss", "alpha", "observed"):
        assert getattr(one.items, name) == pytest.approx(getattr(other.items, name))
        assert getattr(one.marked, name) == pytest.approx(getattr(other.marked, name))
    assert (one.f1_strict, one.f1_partial) == pytest.approx((other.f1_strict, other.f1_partial))
    assert (one.confusion, one.kinds, one.outside) == (other.confusion, other.kinds, other.outside)


@given(SENTENCES, SENTENCES)
def test_there_is_a_disagreement_where_and_only_where_answers_differ(ours, theirs):
    found = measure(annotator("a", *ours), annotator("b", *theirs)).disagreements
    differing = {number for number in range(3) if tags_to_spans(ours[number]) != tags_to_spans(theirs[number])}
    assert {int(one.said["a"].place.removeprefix("a:")) - 1 for one in found} == differing
    assert all(one.kinds for one in found)


def test_each_annotators_mark_is_told_with_its_place():
    first = annotator("a", [Span("PER", 0, 2), Span("LOC", 3, 4)], [Span("ORG", 1, 2)])
    second = annotator("b", [Span("PER", 0, 1), Span("LOC", 3, 4)], [Span("LOC", 1, 2), Span("PER", 4, 5)])
    agreement = measure(first, second)
    told = [(one.kinds, one.text, one.start, one.end) for one in agreement.disagreements]
    assert told == [
        (("other border",), "w00 w01", 0, 2),
        (("other type",), "w11", 1, 2),
        (("missing",), "w14", 4, 5),
    ]
    border, _, missing = agreement.disagreements
    assert (border.said["a"].marks, border.said["b"].marks) == ((("PER", "w00 w01"),), (("PER", "w00"),))
    assert (missing.said["a"].place, missing.said["a"].marks, missing.said["b"].place) == ("a:2", (), "b:2")
    assert agreement.kinds == {"other border": 1, "other type": 1, "missing": 1}


def test_partial_scores_forgive_borders_and_strict_ones_do_not():
    first, second = annotator("a", [Span("X", 0, 3), Span("Y", 4, 5)]), annotator("b", [Span("X", 2, 4)])
    (pair,) = measure(first, second).pairs
    assert (pair.overall.strict.f1, pair.overall.partial.f1) == (0.0, pytest.approx(2 / 3))
    assert (pair.overall.partial.precision, pair.overall.partial.recall) == (1.0, 0.5)
    assert pair.labels["Y"].strict.recall == 0.0


def test_the_confusion_of_words_counts_both_directions_alike():
    first, second = annotator("a", [Span("X", 0, 3)]), annotator("b", [Span("X", 1, 2), Span("Y", 2, 4)])
    agreement = measure(first, second)
    assert agreement.pairs[0].confusion == {"X": {"O": 1, "X": 1, "Y": 1}, "O": {"Y": 1, "O": 1}}
    assert agreement.confusion == {
        "O": {"O": 1, "X": 1, "Y": 1},
        "X": {"O": 1, "X": 1, "Y": 1},
        "Y": {"O": 1, "X": 1},
    }


def test_a_word_in_two_types_is_a_category_of_both_and_counts_for_each():
    first, second = annotator("a", [Span("X", 0, 2), Span("Y", 1, 2)]), annotator("b", [Span("X", 0, 2)])
    agreement = measure(first, second)
    assert agreement.confusion["X + Y"] == {"X": 1}
    assert agreement.labels["X"].coefficients.cohen == 1.0
    assert agreement.labels["X"].coefficients.alpha == 1.0
    assert agreement.labels["Y"].coefficients.observed == pytest.approx(4 / 5)
    assert agreement.items.masi > agreement.items.alpha


def test_a_sentence_that_one_of_three_lacks_counts_for_the_two_others():
    x, none = [Span("X", 0, 1)], []
    agreement = measure(annotator("a", x, x), annotator("b", x, none), annotator("c", x))
    assert [pair.units for pair in agreement.pairs] == [2, 1, 1]
    assert (agreement.units, agreement.items.items) == (2, 2 * N_WORDS)
    assert agreement.items.fleiss == 1.0  # of the first sentence
    assert agreement.items.alpha < 1.0
    assert any("Not all annotators have every text" in note for note in agreement.notes)


def test_without_an_entity_anywhere_nothing_is_defined():
    agreement = measure(annotator("a", []), annotator("b", []))
    assert (agreement.f1_strict, agreement.items.cohen, agreement.items.alpha) == (None, None, None)
    assert (agreement.items.observed, agreement.outside, agreement.marked.items) == (1.0, 1.0, 0)


def test_entities_come_with_the_caveat_about_kappa():
    notes = " ".join(measure(annotator("a", []), annotator("b", [])).notes)
    assert "Most words are O for everybody" in notes
    assert "SemEval-2013" in notes


def test_classes_of_texts_have_the_same_figures():
    agreement = classify(["x", "x", "y", "y"], ["x", "y", "y", "y"])
    assert (agreement.f1_strict, agreement.f1_partial, agreement.marked) == (0.75, None, None)
    assert agreement.items.cohen == pytest.approx(0.5)
    assert agreement.confusion == {"x": {"x": 1, "y": 1}, "y": {"x": 1, "y": 2}}
    (difference,) = agreement.disagreements
    assert (difference.text, difference.kinds, difference.said["b"].marks) == ("1", ("other label",), (("y", ""),))
    assert agreement.items.masi is None


def test_texts_with_several_labels_are_compared_as_sets_and_label_by_label():
    agreement = classify(["x y", "y", "", "x"], ["x", "y", "", "x"])
    assert agreement.items.observed == 0.75
    assert agreement.labels["x"].coefficients.alpha == 1.0
    assert agreement.labels["y"].f1_strict == pytest.approx(2 / 3)
    assert agreement.items.alpha < agreement.items.masi < 1
    assert agreement.confusion["x + y"] == {"x": 1}
    assert agreement.outside == 0.25


def test_agreement_becomes_json():
    first, second = annotator("a", [Span("X", 0, 3)]), annotator("b", [Span("X", 1, 2)])
    told = json.loads(json.dumps(measure(first, second).to_json(), allow_nan=False))
    assert told["pairs"][0]["overall"]["strict"]["f1"] == 0.0
    assert told["disagreements"][0]["said"]["b"] == {"place": "b:1", "marks": [["X", "w01"]]}
