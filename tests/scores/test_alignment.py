"""The same text of several annotators side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.errors import DataError, Where
from nertune.scores.alignment import Gap, align_examples, align_texts

ADA = Span("PER", 0, 1)


def sentences(name, *texts, document=None, spans=None):
    """Sentences of one annotator, a line each; `spans`: of the first one."""
    return name, [
        TokenExample(tuple(text.split()), (spans or ()) if not number else (), Where(Path(name), number + 1), document)
        for number, text in enumerate(texts)
    ]


def texts(name, *pairs):
    return name, [
        SequenceExample(text, tuple(labels.split()), Where(Path(name), number + 1))
        for number, (text, labels) in enumerate(pairs)
    ]


def words(alignment):
    return [" ".join(unit.words) for unit in alignment.units]


def test_equal_sentences_stand_side_by_side_with_their_places():
    alignment = align_examples([sentences("a", "Ada came", "."), sentences("b", "Ada came", ".", spans=(ADA,))])
    assert words(alignment) == ["Ada came", "."]
    assert alignment.units[0].answers == ((), (ADA,))
    assert alignment.units[1].places == (Where(Path("a"), 2), Where(Path("b"), 2))
    assert alignment.gaps == ()


def test_sentences_that_a_tool_parted_otherwise_are_cut_at_the_borders_of_both():
    first = sentences("a", "One two", "three", "four five")
    second = sentences("b", "One", "two three", "four five", spans=(ADA,))
    alignment = align_examples([first, second])
    assert words(alignment) == ["One two three", "four five"]
    assert alignment.units[1].places == (Where(Path("a"), 3), Where(Path("b"), 3))


def test_entities_move_with_the_sentence_that_is_joined_to_another():
    first = sentences("a", "Then Ada came")
    second = ("b", [*sentences("b", "Then")[1], *sentences("b", "Ada came", spans=(ADA,))[1]])
    assert align_examples([first, second]).units[0].answers == ((), (Span("PER", 1, 2),))


@given(st.lists(st.lists(st.integers(1, 4), min_size=1), min_size=2, max_size=3), st.data())
def test_no_entity_is_lost_or_moved_however_the_text_is_parted(parts, data):
    n_words = max(map(sum, parts))
    names = "abc"[: len(parts)]
    parts = [[*lengths, n_words - sum(lengths)] for lengths in parts]
    annotators = []
    for name, lengths in zip(names, parts, strict=True):
        marked, start = [], 0
        for length in lengths:
            spans = (Span("X", 0, length),) if length and data.draw(st.booleans()) else ()
            told = tuple(str(word) for word in range(start, start + length))
            marked.append(TokenExample(told, spans, Where(Path(name), start + 1)))
            start += length
        annotators.append((name, marked))
    alignment = align_examples(annotators)
    assert [word for unit in alignment.units for word in unit.words] == [str(word) for word in range(n_words)]
    for number, (_, marked) in enumerate(annotators):
        before = [sentence.words[span.start : span.end] for sentence in marked for span in sentence.spans]
        after = [unit.words[span.start : span.end] for unit in alignment.units for span in unit.answers[number]]
        assert after == before


def test_documents_are_paired_by_name_whatever_their_order():
    one, other = sentences("a", "x y", document="d1")[1], sentences("a", "z", document="d2")[1]
    alignment = align_examples([("a", one + other), ("b", other + one)])
    assert (words(alignment), alignment.paired_by, alignment.gaps) == (["x y", "z"], "names", ())


def test_documents_whose_names_pair_nothing_are_paired_by_their_words():
    first = [*sentences("a", "x y", document="1")[1], *sentences("a", "z", "z", document="2")[1]]
    second = [*sentences("b", "z", "z", document="1")[1], *sentences("b", "x y", document="2")[1]]
    alignment = align_examples([("a", first), ("b", second)])
    assert (sorted(words(alignment)), alignment.paired_by, alignment.gaps) == (["x y", "z", "z"], "words", ())


def test_text_with_and_without_document_borders_is_paired_as_one_text():
    first = [*sentences("a", "x y", document="1")[1], *sentences("a", "z", document="2")[1]]
    alignment = align_examples([("a", first), sentences("b", "x y", "z")])
    assert (words(alignment), alignment.paired_by) == (["x y", "z"], "order")


def test_a_document_that_one_annotator_lacks_is_told_and_left_out():
    both, alone = sentences("a", "x y", document="d1")[1], sentences("a", "only here", document="d2")[1]
    alignment = align_examples([("a", both + alone), ("b", both)])
    assert words(alignment) == ["x y"]
    assert alignment.gaps == (Gap("documents", ("b",), 1, False, ('a:1: "only here"',)),)


def test_other_words_are_told_with_the_place_in_each_file():
    first = sentences("a", "the same", "Springfeild is far", "the end")
    second = sentences("b", "the same", "Springfield is far", "the end")
    alignment = align_examples([first, second])
    assert words(alignment) == ["the same", "the end"]
    assert alignment.gaps == (
        Gap("sentences", ("b",), 1, False, ('a:2: "Springfeild is far"',)),
        Gap("sentences", ("a",), 1, False, ('b:2: "Springfield is far"',)),
    )


def test_what_two_of_three_have_is_compared_on_those_two():
    alignment = align_examples([sentences("a", "x", "y"), sentences("b", "x", "y"), sentences("c", "y")])
    assert [unit.answers for unit in alignment.units] == [((), (), None), ((), (), ())]
    assert alignment.gaps == (Gap("sentences", ("c",), 1, True, ('a:1: "x"',)),)


def test_annotators_of_one_name_are_told_apart():
    assert align_examples([sentences("a", "x")] * 3).annotators == ("a", "a (2)", "a (3)")


def test_texts_are_paired_by_their_words_and_the_first_of_equal_ones_with_the_first():
    first = texts("a", ("good  film", "pos"), ("ok", "neg"), ("ok", "pos"))
    second = texts("b", ("ok", "pos neg"), ("good film", "neg"), ("ok", ""))
    alignment = align_texts([first, second])
    assert [(unit.words, unit.answers) for unit in alignment.units] == [
        (("good film",), (("pos",), ("neg",))),
        (("ok",), (("neg",), ("neg", "pos"))),
        (("ok",), (("pos",), ())),
    ]


def test_texts_that_some_annotators_lack_are_counted():
    first = texts("a", ("one", "x"), ("two", "x"), ("three", "x"))
    alignment = align_texts([first, texts("b", ("two", "x"))])
    assert alignment.gaps == (Gap("texts", ("b",), 2, False, ('a:1: "one"', 'a:3: "three"')),)


@pytest.mark.parametrize(
    ("annotators", "message"),
    [
        ([sentences("a", "x")], "agreement needs two annotators or more"),
        ([sentences("a", "x"), sentences("b", "y")], "no sentence in common.*a begins at a:1, b begins at b:1"),
        ([sentences("a"), sentences("b")], "all are empty"),
    ],
)
def test_what_cannot_be_compared_is_refused(annotators, message):
    with pytest.raises(DataError, match=message):
        align_examples(annotators)
