"""Examples in Arrow tables: what goes in comes out, whatever it is."""

import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.data.labels import labels_of
from nertune.data.source import TaggedSentence
from nertune.data.store import AT_ONCE, join_examples, store_examples, store_tables, store_tagged, with_spans
from nertune.errors import StoppedError, Where

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


def test_the_temporary_folder_never_holds_a_file_that_a_kill_could_leave(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def sentences():
        for number in range(2 * AT_ONCE):
            yield TokenExample(("a",), (), Where(Path("x"), number))
            assert list(tmp_path.iterdir()) == []

    stored = store_examples(sentences(), task="token")
    assert len(stored) == 2 * AT_ONCE
    assert list(tmp_path.iterdir()) == []


def test_stored_examples_lie_on_disk_and_not_in_memory():
    before = pa.total_allocated_bytes()
    stored = store_examples(sentences_of_length(1000, n=4 * AT_ONCE), task="token")
    assert stored.table.nbytes > 2**22
    assert pa.total_allocated_bytes() - before < 2**16


def sentences_of_length(length, *, n):
    return (TokenExample(("a" * length,), (), Where(Path("x"), number)) for number in range(n))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("length", [10, 10_000])  # less and more than a file's buffer: told at the end, or on the way
def test_a_full_temporary_folder_is_named(length, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb"))  # noqa: SIM115
    with pytest.raises(StoppedError, match=rf"cannot be kept in {tempfile.gettempdir()}: No space left") as caught:
        store_examples(sentences_of_length(length, n=3 * AT_ONCE), task="token")
    assert "TMPDIR" in caught.value.fix
