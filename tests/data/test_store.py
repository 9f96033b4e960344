"""Examples in Arrow tables: what goes in comes out, whatever it is."""

import gc
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.data.labels import labels_of
from nertune.data.source import TaggedSentence
from nertune.data.store import Examples, join_examples, store_examples, store_tables, store_tagged, with_spans
from nertune.errors import Where

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLACES = st.builds(Where, st.sampled_from([Path("a.txt"), Path("b/c.txt")]), st.none() | st.integers(1, 10**12))
DOCUMENTS = st.none() | WORDS
SPANS = st.lists(st.builds(Span, WORDS, st.integers(0, 9), st.integers(0, 9)), max_size=3).map(tuple)
SENTENCES = st.builds(TokenExample, st.lists(WORDS, max_size=9).map(tuple), SPANS, PLACES, DOCUMENTS)
TEXTS = st.builds(
    SequenceExample, WORDS, st.lists(WORDS, max_size=3).map(tuple), PLACES, pair=st.none() | WORDS, document=DOCUMENTS
)


@settings(deadline=None)  # the first table takes long
@given(examples=st.lists(SENTENCES, max_size=6))
def test_sentences_come_out_as_they_went_in(examples):
    stored = store_examples(examples, task="token")
    assert list(stored) == examples
    assert [stored[i] for i in range(-len(examples), len(examples))] == examples * 2


@given(examples=st.lists(TEXTS, max_size=6))
def test_texts_come_out_as_they_went_in(examples):
    assert list(store_examples(iter(examples), task="sequence")) == examples


@given(examples=st.lists(SENTENCES, min_size=1, max_size=8), data=st.data())
def test_rows_can_be_taken_and_joined_in_any_order(examples, data):
    order = data.draw(st.permutations(range(len(examples))))
    stored = store_examples(examples, task="token")
    assert list(stored.take(np.array(order))) == [examples[i] for i in order]
    assert list(join_examples((stored.take(np.array(order[:2])), stored), task="token")) == [
        *(examples[i] for i in order[:2]),
        *examples,
    ]


@given(examples=st.lists(SENTENCES, max_size=6))
def test_labels_are_counted_as_by_hand(examples):
    by_hand = Counter(span.label for example in examples for span in example.spans)
    assert labels_of(store_examples(examples, task="token")) == by_hand
    texts = [SequenceExample("x", tuple(span.label for span in e.spans), e.where) for e in examples]
    assert labels_of(store_examples(texts, task="sequence")) == by_hand


SORTED = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)).map(lambda at: Span("X", at[0], sum(at))), max_size=3)


@given(spans=st.lists(SORTED.map(sorted).map(tuple), max_size=5))
def test_overlaps_are_found_as_by_hand(spans):
    examples = [TokenExample(("w",) * 12, each, Where(Path("x"), 1)) for each in spans]
    by_hand = any(one.end > other.start for each in spans for one, other in pairwise(each))
    assert store_examples(examples, task="token").has_overlaps() == by_hand


def test_more_examples_than_one_batch_keep_their_order():
    examples = [TokenExample((str(i),) * (i % 7), (), Where(Path("x"), i + 1)) for i in range(4500)]
    stored = store_examples(iter(examples), task="token")
    assert list(stored) == examples
    assert stored[4321] == examples[4321]
    assert stored[1998:2003] == examples[1998:2003]


def test_a_wrong_index_is_an_index_error():
    with pytest.raises(IndexError):
        store_examples([], task="token")[0]


def test_tags_become_numbers_and_spans_take_their_place():
    sentences = [TaggedSentence(("a", "b"), ("O", "B-X"), (1, 2)), TaggedSentence(("c",), ("O",), (4,), "doc")]
    tagged = store_tagged((Path("x"), sentence) for sentence in sentences)
    assert tagged.tags == ("O", "B-X")
    [(part, batch)] = tagged.batches()
    assert (batch.codes.tolist(), batch.starts.tolist(), batch.lines.tolist()) == ([0, 1, 0], [0, 2, 3], [1, 2, 4])
    stored = store_tables([with_spans(part, [[Span("X", 1, 2)], []])], task="token")
    assert list(stored) == [
        TokenExample(("a", "b"), (Span("X", 1, 2),), Where(Path("x"), 1)),
        TokenExample(("c",), (), Where(Path("x"), 4), "doc"),
    ]


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stored = store_examples([TokenExample(("a",), (), Where(Path("x"), 1))], task="token")
    assert isinstance(stored, Examples)
    assert list(tmp_path.iterdir()) == []
    del stored
    gc.collect()
