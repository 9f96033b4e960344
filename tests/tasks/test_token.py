"""Token task: labels stand on first pieces of home words, and every word gets one tag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.examples import Span, Split, TokenExample
from nertune.data.labels import spans_to_tags
from nertune.errors import DataError, Where
from nertune.models.losses import IGNORED
from nertune.models.tokenizers import load_tokenizer
from nertune.spec.study import DataSpec
from nertune.tasks import TASKS
from nertune.tasks.predictions import Outputs
from nertune.tasks.token import continuations

WORDS = st.sampled_from(
    ["Oslo", "New", "unbelievable", "a", ".", "\u200b", "", "[SEP]", "<s>", "ﬁ", "日本", "x" * 30, "don't", "\u00ad"]
)
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=30), min_size=1, max_size=4)


def split_of(*sentences, spans=()):
    return Split(
        "train",
        tuple(TokenExample(tuple(words), tuple(spans), Where(Path("t.txt"), 1)) for words in sentences),
        "0" * 64,
    )


def oracle_outputs(encoded):
    """What a perfect model says: gold, where it is at home."""
    ids = encoded.windows.targets.astype(np.int64)
    probabilities = np.full((len(ids), len(encoded.labels)), 0.5, np.float32)
    return Outputs(decoded=ids, probabilities=probabilities, loss=0.0, runtime_s=0.0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=SENTENCES, length=st.integers(8, 24))
def test_every_word_with_a_piece_has_one_home_and_every_word_one_tag(encode, tokenizer, sentences, length):
    encoded = encode(split_of(*sentences), tokenizer, max_pieces=length, overlap_pieces=4)
    windows = encoded.windows
    assert len(set(windows.items.tolist())) == len(windows.items)
    assert encoded.counts["words without a piece"] == encoded.n_words.sum() - len(windows.items)
    assert windows.lengths.max(initial=0) <= length
    predicted = TASKS["token"].decode(oracle_outputs(encoded), encoded=encoded)
    assert [len(tags) for tags in predicted.tags] == [len(words) for words in sentences]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=SENTENCES)
def test_each_home_is_read_at_the_first_piece_of_its_word(encode, tokenizer, sentences):
    encoded = encode(split_of(*sentences), tokenizer, max_pieces=20, overlap_pieces=4)
    windows = encoded.windows
    words = [word for sentence in sentences for word in sentence]
    for window in range(len(windows)):
        homes = slice(windows.home_starts[window], windows.home_starts[window + 1])
        for item, place in zip(windows.items[homes], windows.places[homes], strict=True):
            own = tokenizer(
                [words[item]], is_split_into_words=True, add_special_tokens=False, split_special_tokens=True
            )["input_ids"]
            assert windows.pieces[windows.piece_starts[window] + place] == own[0]


@pytest.mark.parametrize("tagging", ["iob2", "io", "bioes"])
def test_gold_read_back_through_the_model_is_gold_in_every_scheme(encode, tokenizer, token_train, tagging):
    encoded = encode(token_train, tokenizer, data={"tagging": tagging}, max_pieces=12, overlap_pieces=4)
    predicted = TASKS["token"].decode(oracle_outputs(encoded), encoded=encoded)
    assert encoded.counts["sentences in several windows"] > 0
    assert [tuple(spans) for spans in predicted.spans] == [example.spans for example in token_train.examples]
    assert predicted.tags[0] == spans_to_tags(token_train.examples[0].spans, len(token_train.examples[0].words))


def test_a_word_that_vanishes_is_tagged_o_and_breaks_the_entity_around_it(encode, bert_folder):
    tokenizer = load_tokenizer(str(bert_folder), task="token")
    encoded = encode(split_of(["New", "\u200b", "York"], spans=[Span("LOC", 0, 3)]), tokenizer)
    predicted = TASKS["token"].decode(oracle_outputs(encoded), encoded=encoded)
    assert encoded.counts["words without a piece"] == 1
    assert predicted.tags == [["B-LOC", "O", "B-LOC"]]


def test_a_sentence_of_vanishing_words_has_no_window_and_still_its_tags(encode, bert_folder):
    tokenizer = load_tokenizer(str(bert_folder), task="token")
    encoded = encode(split_of(["\u200b", "\u200b"], ["Oslo"]), tokenizer)
    predicted = TASKS["token"].decode(oracle_outputs(encoded), encoded=encoded)
    assert (len(encoded.windows), predicted.tags) == (1, [["O", "O"], ["O"]])


def test_words_that_look_like_special_pieces_are_taken_apart(encode, tokenizer):
    encoded = encode(split_of([tokenizer.sep_token, "Oslo"]), tokenizer)
    inner = encoded.windows.pieces[1:-1].tolist()
    assert not {tokenizer.sep_token_id, tokenizer.cls_token_id} & set(inner)
    assert len(encoded.windows.items) == 2


def test_a_word_longer_than_a_window_keeps_its_first_pieces_and_is_counted(encode, tokenizer):
    encoded = encode(split_of(["Oslo", "t" + "e" * 30, "."], spans=[Span("LOC", 1, 2)]), tokenizer, max_pieces=10)
    predicted = TASKS["token"].decode(oracle_outputs(encoded), encoded=encoded)
    assert encoded.counts["words cut"] == 1
    assert encoded.windows.lengths.max() == 10
    assert predicted.tags == [["O", "B-LOC", "O"]]


def test_a_type_that_train_lacks_is_ignored_by_the_loss_counted_and_stays_in_gold(encode, tokenizer):
    encoded = encode(split_of(["Oslo", "met", "Ada"], spans=[Span("CITY", 0, 1), Span("PER", 2, 3)]), tokenizer)
    assert encoded.counts["words of a type that is not learned"] == 1
    assert encoded.windows.targets.tolist().count(IGNORED) == 1
    assert encoded.gold_spans == [(Span("CITY", 0, 1), Span("PER", 2, 3))]


def test_a_word_of_two_types_is_refused_with_its_line_and_a_way_out(encode, tokenizer):
    split = split_of(["New", "York", "Times"], spans=[Span("LOC", 0, 2), Span("ORG", 1, 3)])
    with pytest.raises(DataError, match=r'^t\.txt:1: the word "York" is both LOC and ORG(.|\n)*data\.columns'):
        encode(split, tokenizer)


OVERLAPPING = [Span("LOC", 0, 2), Span("ORG", 1, 3)]


@pytest.mark.parametrize("tagging", ["iob2", "io", "bioes"])
def test_words_of_several_types_are_learned_and_read_back(encode, tokenizer, tagging):
    split = split_of(["New", "York", "Times", "says"], spans=OVERLAPPING)
    options = {"labels": ["LOC", "ORG"], "model": {"problem": "multi_label"}, "data": {"tagging": tagging}}
    encoded = encode(split, tokenizer, **options)
    windows = encoded.windows
    gold = windows.label_sets.rows(windows.targets, n_labels=len(encoded.labels))
    assert "O" not in encoded.labels
    assert gold.sum(axis=1).tolist() == [1, 2, 1, 0]
    outputs = Outputs(decoded=gold > 0, probabilities=gold * 0.8, loss=0.0, runtime_s=0.0)
    predicted = TASKS["token"].decode(outputs, encoded=encoded)
    assert predicted.spans == [OVERLAPPING]
    assert predicted.probabilities == [[pytest.approx(0.8)] * 2]
    assert predicted.tags == [["B-LOC", "B-ORG|I-LOC", "I-ORG", "O"]]
    assert TASKS["token"].score(predicted, encoded=encoded, data=DataSpec()).overall["f1"] == 1


def test_of_one_types_tags_the_most_probable_is_read(encode, tokenizer):
    encoded = encode(split_of(["a", "b"]), tokenizer, labels=["LOC"], model={"problem": "multi_label"})
    assert encoded.labels == ("B-LOC", "I-LOC")
    sure = np.array([[0.9, 0.6], [0.7, 0.8]], np.float32)
    predicted = TASKS["token"].decode(Outputs(sure > 0.5, sure, loss=0.0, runtime_s=0.0), encoded=encoded)
    assert predicted.spans == [[Span("LOC", 0, 2)]]


def test_each_head_learns_its_own_types(encode, tokenizer):
    heads = {"places": {"labels": ["LOC"]}, "groups": {"labels": ["ORG"]}}
    encoded = encode(split_of(["New", "York", "Times"], spans=OVERLAPPING), tokenizer, model={"heads": heads})
    views = encoded.views
    assert {name: view.labels for name, view in views.items()} == {
        "places": ("B-LOC", "I-LOC", "O"),
        "groups": ("B-ORG", "I-ORG", "O"),
    }
    tags = {name: [view.labels[i] for i in view.windows.targets] for name, view in views.items()}
    assert tags == {"places": ["B-LOC", "I-LOC", "O"], "groups": ["O", "B-ORG", "I-ORG"]}
    assert views["groups"].gold_spans == [(Span("ORG", 1, 3),)]


def test_an_entity_without_its_first_word_begins_with_the_second(encode, bert_folder):
    tokenizer = load_tokenizer(str(bert_folder), task="token")  # a byte-level one has pieces for every word
    encoded = encode(split_of(["\u200b", "New", "York"], spans=[Span("LOC", 0, 3)]), tokenizer, labels=["LOC"])
    assert [encoded.labels[i] for i in encoded.windows.targets] == ["B-LOC", "I-LOC"]


def test_later_pieces_continue_the_tag_or_have_one_of_their_own():
    assert continuations(["B-LOC", "I-LOC", "O"], own_label=False) == [1, 1, 2]
    assert continuations(["B-A", "E-A", "I-A", "O", "S-A"], own_label=False) == [2, 2, 2, 3, 2]
    assert continuations(["B-LOC", "I-LOC", "O", "X"], own_label=True) == [3, 3, 3, 3]


def test_an_entitys_probability_is_the_mean_over_its_words(encode, tokenizer):
    encoded = encode(split_of(["New", "York", "is", "far"], spans=[Span("LOC", 0, 2)]), tokenizer)
    ids = encoded.windows.targets.astype(np.int64)
    sure = np.eye(len(encoded.labels), dtype=np.float32)[ids] * np.array([[0.9], [0.6], [1.0], [1.0]], np.float32)
    outputs = Outputs(decoded=ids, probabilities=sure, loss=0.0, runtime_s=0.0)
    assert TASKS["token"].decode(outputs, encoded=encoded).probabilities == [[pytest.approx(0.75)]]
