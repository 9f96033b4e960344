"""What is taken for what: classes, sets of labels, entities and words."""

from __future__ import annotations

from nertune.data.examples import Span
from nertune.scores.confusion import confuse_classes, confuse_entities, confuse_label_sets, confuse_words


def test_classes_are_counted_by_gold_and_prediction():
    assert confuse_classes("aab", "aba") == {"a": {"a": 1, "b": 1}, "b": {"a": 1}}


def test_a_missing_label_is_confused_with_the_superfluous_ones_of_its_text():
    gold, predicted = [("a", "b"), ("a",), (), ()], [("a", "c"), (), ("c",), ()]
    assert confuse_label_sets(gold, predicted) == {"": {"c": 1}, "a": {"": 1, "a": 1}, "b": {"c": 1}}


def test_entities_with_other_ends_are_confused_by_their_types():
    gold = [[Span("X", 0, 2), Span("Y", 4, 5)], [Span("X", 0, 1)]]
    predicted = [[Span("Y", 1, 3), Span("Y", 4, 5), Span("Z", 6, 7)], []]
    assert confuse_entities(gold, predicted) == {"": {"Z": 1}, "X": {"": 1, "Y": 1}, "Y": {"Y": 1}}


def test_words_are_confused_by_the_types_of_their_entities():
    gold, predicted = [[Span("X", 0, 2)], []], [[Span("X", 1, 3)], []]
    assert confuse_words(gold, predicted, n_words=[4, 3]) == {"O": {"O": 4, "X": 1}, "X": {"O": 1, "X": 1}}


def test_a_word_of_several_types_is_a_category_of_its_own():
    assert confuse_words([[Span("Y", 0, 1), Span("X", 0, 1)]], [[Span("X", 0, 1)]], n_words=[1]) == {"X+Y": {"X": 1}}
