"""A corpus in numbers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.examples import Corpus, SequenceExample, Span, Split, TokenExample
from nertune.data.labels import tags_to_spans
from nertune.data.statistics import KEPT_FREQUENT, Part, describe_corpus
from nertune.errors import Where

TAGS = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y"]), min_size=1, max_size=6)
WORDS = st.sampled_from("abcd")


def sentence(text, *spans, document=None, line=1):
    return TokenExample(tuple(text.split()), tuple(spans), Where(Path("train.txt"), line), document)


def text(words, labels, pair=None):
    return SequenceExample(words, tuple(labels.split()), Where(Path("train.tsv"), 1), pair)


def describe(task="token", problem="single_label", n_pieces=None, **splits):
    read = {name: Split(name, tuple(examples), "f" * 64) for name, examples in splits.items()}
    kinds = Counter(
        label
        for examples in splits.values()
        for example in examples
        for label in (example.labels if task == "sequence" else [span.label for span in example.spans])
    )
    return describe_corpus(Corpus(task, read, tuple(sorted(kinds)), problem=problem), n_pieces=n_pieces)


@given(st.lists(st.lists(WORDS, max_size=9), min_size=1, max_size=30))
def test_lengths_are_those_of_numpy(sentences):
    (split,) = describe(train=[sentence(" ".join(words)) for words in sentences]).splits
    lengths = [len(words) for words in sentences]
    found = split.lengths
    percentiles = np.percentile(lengths, [50, 95, 99], method="inverted_cdf")
    assert [found.median, found.p95, found.p99] == percentiles.tolist()
    assert (found.n, found.total, found.mean) == (len(lengths), sum(lengths), pytest.approx(np.mean(lengths)))
    assert dict(found.counts) == Counter(lengths)
    assert (found.shortest, found.longest) == (min(lengths), max(lengths))
    assert (split.words, split.word_types) == (sum(lengths), len({word for words in sentences for word in words}))


@given(st.lists(TAGS, min_size=1, max_size=5))
def test_every_entity_is_counted_under_its_type(sentences):
    examples = [
        TokenExample(tuple("abcdef"[: len(tags)]), tuple(tags_to_spans(tags)), Where(Path("f"), 1))
        for tags in sentences
    ]
    (split,) = describe(train=examples).splits
    spans = [span for example in examples for span in example.spans]
    assert {label: one.count for label, one in split.labels.items()} == Counter(span.label for span in spans)
    assert split.all_labels.count == split.labels_each.total == len(spans)
    assert split.inside == sum(tag != "O" for tags in sentences for tag in tags)
    assert split.unlabelled == sum(not example.spans for example in examples)
    for label, one in split.labels.items():
        assert one.lengths.total == sum(span.end - span.start for span in spans if span.label == label)
        assert one.examples == sum(any(span.label == label for span in example.spans) for example in examples)


def test_entities_are_counted_by_their_words_and_single_ones_told_with_their_place():
    x = Span("X", 0, 2)
    (split,) = describe(
        train=[
            sentence("New York is big", x, line=1),
            sentence("New York", x, line=6),
            sentence("new york", x, Span("Y", 0, 1), line=9),
        ]
    ).splits
    one = split.labels["X"]
    assert (one.count, one.distinct, one.once, one.share) == (3, 2, 1, 0.75)
    assert one.frequent == (("New York", 2), ("new york", 1))
    assert one.rare == (("new york", "train.txt:9"),)
    assert (split.all_labels.distinct, split.all_labels.once) == (3, 2)


def test_of_many_entities_the_most_frequent_are_kept():
    names = [f"e{number:03}" for number in range(KEPT_FREQUENT + 5)]
    often = [sentence(names[-1], Span("X", 0, 1))] * 2
    (split,) = describe(train=[*(sentence(name, Span("X", 0, 1)) for name in names), *often]).splits
    frequent = split.labels["X"].frequent
    assert (len(frequent), frequent[0], frequent[1]) == (KEPT_FREQUENT, (names[-1], 3), (names[0], 1))


def test_what_train_lacks_is_counted_in_types_and_tokens():
    train = [sentence("Ada lives in Oslo", Span("PER", 0, 1), Span("LOC", 3, 4))]
    dev = [
        sentence("Bo lives in Oslo Oslo", Span("PER", 0, 1), Span("LOC", 3, 4)),
        sentence("Bo Oslo", Span("PER", 1, 2)),
    ]
    (unseen,) = describe(train=train, dev=dev).unseen
    assert (unseen.split, unseen.reference) == ("dev", "train")
    assert (unseen.word_types, unseen.words) == (Part(1, 4), Part(2, 7))
    assert (unseen.distinct, unseen.mentions) == (Part(2, 3), Part(2, 3))  # Oslo is no PER in train
    assert unseen.labels == {"LOC": Part(0, 1), "PER": Part(2, 2)}


@given(st.lists(st.lists(WORDS, min_size=1), min_size=1), st.lists(st.lists(WORDS, min_size=1), min_size=1))
def test_unseen_words_are_those_that_no_sentence_of_train_has(train, dev):
    made = {name: [sentence(" ".join(told)) for told in told_of] for name, told_of in (("train", train), ("dev", dev))}
    (unseen,) = describe(**made).unseen
    known = {word for words in train for word in words}
    tokens = [word for words in dev for word in words]
    assert unseen.words == Part(sum(word not in known for word in tokens), len(tokens))
    assert unseen.word_types == Part(len(set(tokens) - known), len(set(tokens)))


def test_without_train_the_first_split_is_compared_with():
    assert [one.reference for one in describe(dev=[sentence("a")], test=[sentence("b")]).unseen] == ["dev"]


def test_documents_are_counted_where_the_format_knows_them():
    named = [sentence("a", document="1"), sentence("b", document="1"), sentence("c", document="2")]
    assert describe(train=named).splits[0].documents == 2
    assert describe(train=[sentence("a")]).splits[0].documents is None


def test_pieces_are_those_that_the_caller_counted():
    told = describe(train=[sentence("a b")] * 3, dev=[sentence("a")], n_pieces={"train": np.array([4, 4, 9])})
    assert told.splits[0].pieces.counts == ((4, 2), (9, 1))
    assert told.splits[1].pieces is None


def test_classes_are_counted_with_the_lengths_of_their_texts():
    (split,) = describe(
        "sequence", train=[text("good film", "pos"), text("bad", "neg"), text("ok then", "pos", "yes")]
    ).splits
    assert {label: (one.count, one.share) for label, one in split.labels.items()} == {
        "neg": (1, pytest.approx(1 / 3)),
        "pos": (2, pytest.approx(2 / 3)),
    }
    assert (split.lengths.counts, split.characters.longest) == (((1, 1), (2, 1), (3, 1)), 10)
    assert (split.all_labels, split.inside, split.together) == (None, None, None)


def test_labels_of_one_text_are_counted_together():
    texts = [text("a", "x y"), text("b", "x"), text("c", ""), text("d", "x y")]
    (split,) = describe("sequence", "multi_label", train=texts).splits
    assert split.together == {"x": {"x": 3, "y": 2}, "y": {"x": 2, "y": 2}}
    assert split.label_sets == (("x + y", 2), ("", 1), ("x", 1))
    assert (split.unlabelled, split.labels_each.mean) == (1, 1.25)
    assert split.labels["y"].share == 0.5


def test_types_of_one_word_are_counted_together():
    marked = [sentence("a b c", Span("X", 0, 2), Span("Y", 1, 3)), sentence("d", Span("Y", 0, 1))]
    (split,) = describe(problem="multi_label", train=marked).splits
    assert split.together == {"X": {"X": 2, "Y": 1}, "Y": {"X": 1, "Y": 3}}
    assert split.inside == 4


def test_labels_that_a_split_lacks_are_counted_as_none():
    dev = describe(train=[sentence("a", Span("X", 0, 1))], dev=[sentence("b")]).splits[1]
    assert (dev.labels["X"].count, dev.labels["X"].lengths.median, dev.labels["X"].share) == (0, None, None)


def test_statistics_become_json():
    told = describe(train=[sentence("a b", Span("X", 0, 1))], dev=[], n_pieces={"train": np.array([4])}).to_json()
    again = json.loads(json.dumps(told, allow_nan=False))
    assert again["splits"][0]["labels"]["X"]["frequent"] == [["a", 1]]
    assert again["splits"][0]["pieces"]["counts"] == [[4, 1]]
    assert again["unseen"][0]["mentions"] == {"n": 0, "of": 0}
