"""Documents annotated by characters become examples of words: what is kept, widened, left out, and counted where."""

import time
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.documents import Document, Entity
from nertune.data.examples import Span, TokenExample
from nertune.data.mapping import to_examples
from nertune.data.notices import Notices
from nertune.data.words import find_words
from nertune.errors import Where
from nertune.spec.study import DataSpec

PLACE = Where(Path("a.txt"), 1)


def document(text, *entities, **more):
    """A document of (label, *parts) entities; the n-th stands on line n of a.ann."""
    made = [Entity(label, parts, Where(Path("a.ann"), line)) for line, (label, *parts) in enumerate(entities, 1)]
    made = [Entity(entity.label, tuple(entity.parts), entity.where) for entity in made]
    return Document("a", text, tuple(made), PLACE, **more)


def read(doc, *, keep_overlaps=False, **data):
    """The examples as (words, {(label, mention)}), and the notices as {kind: [place]}."""
    notices = Notices()
    examples = list(to_examples(doc, data=DataSpec(**data), notices=notices, keep_overlaps=keep_overlaps))
    places = {kind: [str(place) for place in found] for kind, found in notices.places.items()}
    return [(e.words, [(s.label, " ".join(e.words[s.start : s.end])) for s in e.spans]) for e in examples], places


def test_each_line_with_words_is_an_example():
    doc = document("Ada saw Oslo.\n \r\n\nIt rained.\r\n", ("PER", (0, 3)), ("LOC", (8, 12)), is_plain=True)
    examples = list(to_examples(doc, data=DataSpec(), notices=Notices()))
    assert examples == [
        TokenExample(("Ada", "saw", "Oslo", "."), (Span("PER", 0, 1), Span("LOC", 2, 3)), PLACE, "a"),
        TokenExample(("It", "rained", "."), (), Where(Path("a.txt"), 4), "a"),
    ]


def test_carriage_returns_end_lines_where_there_is_no_line_feed():
    doc = document("Ada saw\r\rOslo", ("LOC", (9, 13)), is_plain=True)
    assert list(to_examples(doc, data=DataSpec(), notices=Notices())) == [
        TokenExample(("Ada", "saw"), (), PLACE, "a"),
        TokenExample(("Oslo",), (Span("LOC", 0, 1),), Where(Path("a.txt"), 3), "a"),
    ]


def test_a_document_is_one_example_when_asked_for():
    doc = document("Ada slept.\nOslo", ("LOC", (11, 15)))
    assert read(doc, sentences="documents") == ([(("Ada", "slept", ".", "Oslo"), [("LOC", "Oslo")])], {})
    assert read(document(" \n"), sentences="documents") == ([], {})


def test_lines_that_an_entity_joins_stay_together():
    doc = document("In New\nYork and\nOslo", ("LOC", (3, 11)), ("LOC", (16, 20)))
    assert read(doc) == (
        [(("In", "New", "York", "and"), [("LOC", "New York")]), (("Oslo",), [("LOC", "Oslo")])],
        {},
    )


def test_an_entity_inside_a_word_is_widened_or_left_out_and_listed():
    doc = document("50mg daily", ("DOSE", (2, 4)))
    assert read(doc) == (
        [(("50mg", "daily"), [("DOSE", "50mg")])],
        {"widened-entities": ['a.ann:1: DOSE "mg" → "50mg"']},
    )
    examples, places = read(doc, misaligned="drop")
    assert examples[0][1] == []
    assert places == {"misaligned-entities": ['a.ann:1: DOSE "mg" in "50mg"']}


def test_blanks_and_invisible_characters_at_the_ends_of_an_entity_are_no_change():
    doc = document("in \ufeffOslo \nnow", ("LOC", (2, 10)))
    assert read(doc) == ([(("in", "Oslo"), [("LOC", "Oslo")]), (("now",), [])], {})


def test_an_entity_without_a_word_is_listed():
    assert read(document("a \u200b b", ("X", (1, 4))))[1] == {"wordless-entities": ['a.ann:1: X " \\u200b "']}


def test_entities_that_the_text_cannot_hold_are_listed():
    doc = document("abc", ("X", (2, 9)), ("X", (-1, 2)), ("Y", (1, 1)))
    examples, places = read(doc)
    assert examples == [(("abc",), [])]
    assert places == {
        "outside-text": ["a.ann:1: X 2-9 in a text of 3 characters", "a.ann:2: X -1-2 in a text of 3 characters"],
        "empty-entities": ["a.ann:3: Y"],
    }


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("join", [("X", "left and right knee")]),
        ("split", [("X", "left"), ("X", "knee")]),
        ("drop", []),
    ],
)
def test_entities_in_parts_are_joined_split_or_dropped_and_listed(rule, wanted):
    doc = document("left and right knee", ("X", (0, 4), (15, 19)))
    examples, places = read(doc, discontinuous=rule)
    assert examples[0][1] == wanted
    assert places == {"discontinuous-entities": ['a.ann:1: X "left … knee"']}


@pytest.mark.parametrize("rule", ["join", "split", "drop"])
def test_parts_with_only_white_space_between_them_are_one(rule):
    doc = document("New\nYork", ("LOC", (0, 3), (4, 8)))
    assert read(doc, discontinuous=rule) == ([(("New", "York"), [("LOC", "New York")])], {})


def test_the_same_annotation_twice_is_kept_once():
    doc = document("Oslo !", ("LOC", (0, 4)), ("LOC", (0, 5)), ("LOC", (0, 4)))
    examples, places = read(doc)
    assert examples[0][1] == [("LOC", "Oslo")]
    assert places == {"duplicate-entities": ['a.ann:2: LOC "Oslo "', 'a.ann:3: LOC "Oslo"']}


def test_two_entities_in_one_word_are_no_duplicates():
    doc = document("50mg", ("X", (0, 2)), ("X", (2, 4)))
    examples, places = read(doc)
    assert examples[0][1] == [("X", "50mg")]
    assert places["overlapping-entities"] == ['a.ann:2: X "mg" overlaps X "50"']


@pytest.mark.parametrize(("rule", "wanted"), [("outermost", "New York Times"), ("innermost", "York")])
def test_the_outermost_or_innermost_of_nested_entities_is_kept(rule, wanted):
    doc = document("New York Times", ("LOC", (0, 8)), ("ORG", (0, 14)), ("X", (4, 8)))
    examples, places = read(doc, nested=rule)
    assert [mention for _, mention in examples[0][1]] == [wanted]
    assert len(places["overlapping-entities"]) == 2
    assert places["overlapping-entities"][0].startswith('a.ann:1: LOC "New York" overlaps ')


def test_of_equals_the_earlier_one_is_kept():
    doc = document("a b c", ("X", (2, 5)), ("Y", (0, 3)), ("Z", (0, 3)))
    examples, places = read(doc)
    assert examples[0][1] == [("Y", "a b")]
    assert places["overlapping-entities"] == ['a.ann:1: X "b c" overlaps Y "a b"', 'a.ann:3: Z "a b" overlaps Y "a b"']


def test_words_with_several_labels_keep_overlaps_of_different_types():
    doc = document("New York", ("LOC", (0, 8)), ("LOC", (4, 8)), ("CITY", (0, 8)))
    examples, places = read(doc, keep_overlaps=True)
    assert examples[0][1] == [("CITY", "New York"), ("LOC", "New York")]
    assert places == {"overlapping-entities": ['a.ann:2: LOC "York" overlaps LOC "New York"']}


def test_words_that_the_document_states_are_the_words():
    doc = document("New\nYork e.g. x", ("LOC", (0, 8)), words=((0, 8), (9, 13), (14, 15)))
    assert read(doc) == ([(("New\nYork", "e.g.", "x"), [("LOC", "New\nYork")])], {})


def test_a_large_document_is_quick():
    text = "word " * 20_000
    entities = [(f"T{n % 7}", (n * 20, n * 20 + 9 + n % 31)) for n in range(5_000)]
    start = time.perf_counter()
    read(document(text, *entities), keep_overlaps=False)
    assert time.perf_counter() - start < 2  # measured: 0.1 s


# ---- against a slow, obvious version

TEXTS = st.text("ab-  \n", max_size=25)


@st.composite
def documents(draw):
    text = draw(TEXTS.filter(bool))
    offsets = st.integers(0, len(text))
    parts = st.lists(st.tuples(offsets, offsets).map(sorted).map(tuple), min_size=1, max_size=2).map(sorted)
    entities = draw(st.lists(st.tuples(st.sampled_from("XY"), parts), max_size=5))
    return document(text, *((label, *parts) for label, parts in entities))


def obvious(doc, *, nested, keep_overlaps):
    """The (label, words) that remain, words as numbers of characters, with parts joined and words widened."""
    words = [set(range(start, end)) for start, end in find_words(doc.text, rule="punctuation")]
    found = []
    for entity in doc.entities:
        parts = [part for part in entity.parts if part[0] < part[1]]
        covered = set(range(min(p[0] for p in parts), max(p[1] for p in parts))) if parts else set()
        inside = frozenset(number for number, word in enumerate(words) if word & covered)
        if inside:
            found.append((entity.label, inside))
    size = -1 if nested == "outermost" else 1
    kept = []
    for label, inside in sorted(found, key=lambda item: (size * len(item[1]), min(item[1]))):
        if not any(inside & other and (not keep_overlaps or label == name) for name, other in kept):
            kept.append((label, inside))
    return sorted((min(inside), max(inside) + 1, label) for label, inside in kept)


@given(doc=documents(), nested=st.sampled_from(["outermost", "innermost"]), keep_overlaps=st.booleans())
def test_spans_are_those_of_the_obvious_way(doc, nested, keep_overlaps):
    data = DataSpec(sentences="documents", nested=nested)
    examples = list(to_examples(doc, data=data, notices=Notices(), keep_overlaps=keep_overlaps))
    spans = [(span.start, span.end, span.label) for example in examples for span in example.spans]
    assert spans == obvious(doc, nested=nested, keep_overlaps=keep_overlaps)


@given(doc=documents(), rule=st.sampled_from(["join", "split", "drop"]), misaligned=st.sampled_from(["widen", "drop"]))
def test_every_entity_is_kept_or_counted(doc, rule, misaligned):
    notices = Notices()
    data = DataSpec(discontinuous=rule, misaligned=misaligned)
    examples = list(to_examples(doc, data=data, notices=notices))
    left_out = {"overlapping-entities", "duplicate-entities", "wordless-entities", "empty-entities"}
    left_out |= {"misaligned-entities"} | ({"discontinuous-entities"} if rule != "join" else set())
    n_counted = sum(notices.counts[kind] for kind in left_out)
    n_kept = sum(len(example.spans) for example in examples)
    assert n_kept + n_counted >= len(doc.entities)
    assert rule == "split" or n_kept + n_counted == len(doc.entities)


@given(doc=documents())
def test_lines_and_whole_documents_have_the_same_words_and_entities(doc):
    lines = list(to_examples(doc, data=DataSpec(), notices=Notices()))
    whole = list(to_examples(doc, data=DataSpec(sentences="documents"), notices=Notices()))
    offset, spans = 0, []
    for example in lines:
        spans += [Span(span.label, span.start + offset, span.end + offset) for span in example.spans]
        offset += len(example.words)
    assert [word for example in lines for word in example.words] == [word for e in whole for word in e.words]
    assert sorted(spans) == sorted(span for example in whole for span in example.spans)
    assert all(a.end <= b.start for e in lines for a, b in combinations(e.spans, 2))
