"""Sequence task: one window a text, and what was cut is counted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nertune.data.examples import SequenceExample, Split
from nertune.errors import DataError, Where
from nertune.models.tokenizers import load_tokenizer
from nertune.spec.study import DataSpec
from nertune.tasks import TASKS
from nertune.tasks.predictions import Outputs
from nertune.tasks.sequence import truncate

CLASSES = ("bad", "good", "mixed")


def test_windows_are_what_plain_transformers_encodes(encode, bert_folder, sequence_train):
    tokenizer = load_tokenizer(str(bert_folder), task="sequence")
    encoded = encode(sequence_train, tokenizer, task="sequence", labels=CLASSES, max_pieces=10)
    plain = tokenizer([example.text for example in sequence_train.examples], truncation=True, max_length=10)[
        "input_ids"
    ]
    starts = encoded.windows.piece_starts
    assert [encoded.windows.pieces[a:b].tolist() for a, b in pairwise(starts)] == plain


def test_cut_texts_are_counted(encode, bert_folder, sequence_train):
    tokenizer = load_tokenizer(str(bert_folder), task="sequence")
    lengths = [
        len(tokenizer(example.text, add_special_tokens=False)["input_ids"]) for example in sequence_train.examples
    ]
    encoded = encode(sequence_train, tokenizer, task="sequence", labels=CLASSES, max_pieces=10)
    assert encoded.counts == {"texts cut": sum(length > 8 for length in lengths)}
    assert encoded.counts["texts cut"] > 0


@pytest.mark.parametrize(
    ("part", "kept"), [("head", [0, 1, 2, 3, 4]), ("tail", [5, 6, 7, 8, 9]), ("both", [0, 1, 2, 8, 9])]
)
def test_the_part_that_is_kept(part, kept):
    assert truncate(list(range(10)), capacity=5, part=part) == kept


def test_a_text_of_the_windows_length_is_whole():
    assert truncate([1, 2, 3], capacity=3, part="both") == [1, 2, 3]


def test_predictions_come_in_the_order_of_the_texts(encode, bert_folder, sequence_dev):
    encoded = encode(sequence_dev, load_tokenizer(str(bert_folder), task="sequence"), task="sequence", labels=CLASSES)
    ids = encoded.windows.targets.astype(np.int64)
    outputs = Outputs(decoded=ids, probabilities=np.eye(3, dtype=np.float32)[ids], loss=0.0, runtime_s=0.0)
    predicted = TASKS["sequence"].decode(outputs, encoded=encoded)
    assert predicted.classes == encoded.gold_classes == [example.labels for example in sequence_dev.examples]


def test_an_empty_text_is_still_predicted(encode, bert_folder):
    split = Split("dev", (SequenceExample("", ("good",), Where(Path("dev.tsv"), 2)),), "0")
    encoded = encode(split, load_tokenizer(str(bert_folder), task="sequence"), task="sequence", labels=CLASSES)
    assert encoded.windows.lengths.tolist() == [2]


def pairs_of(*texts):
    where = Where(Path("pairs.tsv"), 1)
    return Split("train", tuple(SequenceExample(first, ("good",), where, pair=second) for first, second in texts), "0")


def encode_pairs(encode, tokenizer, *texts, **train):
    return encode(pairs_of(*texts), tokenizer, task="sequence", labels=CLASSES, **train)


@pytest.fixture(params=["wordpiece", "bytes"])
def text_tokenizer(request, bert_folder, roberta_folder):
    return load_tokenizer(str(bert_folder if request.param == "wordpiece" else roberta_folder), task="sequence")


PAIRS = [
    ("a fine film", "we left Oslo after ten minutes"),
    ("a dull film with a stupid end", "fine"),
    ("fine", "a dull film with a stupid end"),
    ("a dull film with a stupid end", "we left Oslo after ten minutes , cold and slow"),
    ("", "fine"),
    ("fine", ""),
    ("", ""),
]


@pytest.mark.parametrize("length", [8, 9, 12, 13, 17, 40])
def test_pairs_are_what_plain_transformers_encodes(encode, text_tokenizer, length):
    windows = encode_pairs(encode, text_tokenizer, *PAIRS, max_pieces=length).windows
    plain = text_tokenizer(*map(list, zip(*PAIRS, strict=True)), truncation=True, max_length=length)
    types = np.zeros_like(windows.pieces) if windows.types is None else windows.types
    cuts = list(pairwise(windows.piece_starts))
    assert [windows.pieces[a:b].tolist() for a, b in cuts] == plain["input_ids"]
    assert [types[a:b].tolist() for a, b in cuts] == plain.get("token_type_ids", [[0] * (b - a) for a, b in cuts])


def test_a_pair_that_is_cut_is_counted_once_and_keeps_the_part_that_was_asked_for(encode, bert_folder):
    tokenizer = load_tokenizer(str(bert_folder), task="sequence")
    long = "a dull film with a stupid end"
    encoded = encode_pairs(encode, tokenizer, (long, long), ("fine", "fine"), max_pieces=9, truncate="tail")
    own = tokenizer(long, add_special_tokens=False)["input_ids"][-3:]
    first = encoded.windows.pieces[:9].tolist()
    assert encoded.counts == {"texts cut": 1}
    assert first == [tokenizer.cls_token_id, *own, tokenizer.sep_token_id, *own, tokenizer.sep_token_id]


def test_texts_alone_have_no_types_and_may_stand_between_pairs(encode, bert_folder, sequence_train):
    tokenizer = load_tokenizer(str(bert_folder), task="sequence")
    alone = encode(sequence_train, tokenizer, task="sequence", labels=CLASSES)
    mixed = encode_pairs(encode, tokenizer, ("fine", None), ("fine", "dull"))
    cut = mixed.windows.piece_starts[1]
    assert alone.windows.types is None
    assert mixed.windows.pieces[:cut].tolist() == tokenizer("fine")["input_ids"]
    assert mixed.windows.types.tolist() == [0] * cut + tokenizer("fine", "dull")["token_type_ids"]


def label_sets(*label_sets):
    return Split("train", tuple(SequenceExample("fine", own, Where(Path("t.tsv"), 4)) for own in label_sets), "0")


def encode_sets(encode, bert_folder, *own, problem="multi_label"):
    tokenizer = load_tokenizer(str(bert_folder), task="sequence")
    return encode(label_sets(*own), tokenizer, task="sequence", labels=CLASSES, model={"problem": problem})


def test_targets_number_the_label_sets_of_the_split(encode, bert_folder):
    encoded = encode_sets(encode, bert_folder, ("mixed",), (), ("bad", "good"), ("good", "bad"), ("mixed",))
    rows = encoded.windows.label_sets.rows(encoded.windows.targets, n_labels=3)
    assert encoded.windows.targets.tolist() == [0, 1, 2, 2, 0]
    assert rows.tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert encoded.gold_classes == [("mixed",), (), ("bad", "good"), ("bad", "good"), ("mixed",)]


def test_a_split_in_which_no_text_has_a_label_is_encoded_all_the_same(encode, bert_folder):
    encoded = encode_sets(encode, bert_folder, (), ())
    assert encoded.windows.label_sets.rows(encoded.windows.targets, n_labels=3).tolist() == [[0, 0, 0]] * 2


def test_every_predicted_label_comes_back_by_name(encode, bert_folder):
    encoded = encode_sets(encode, bert_folder, ("mixed",), (), ("bad", "good"))
    chosen = encoded.windows.label_sets.rows(encoded.windows.targets, n_labels=3) > 0
    outputs = Outputs(decoded=chosen, probabilities=chosen.astype(np.float32), loss=0.0, runtime_s=0.0)
    predicted = TASKS["sequence"].decode(outputs, encoded=encoded)
    scores = TASKS["sequence"].score(predicted, encoded=encoded, data=DataSpec())
    assert predicted.classes == encoded.gold_classes
    assert (scores.overall["f1"], scores.overall["accuracy"], scores.overall["hamming_loss"]) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(("own", "told"), [(("bad", "good"), r"2 classes \(bad, good\)"), ((), "no class")])
def test_other_than_one_class_is_refused_where_one_is_learned(encode, bert_folder, own, told):
    with pytest.raises(DataError, match=rf"t\.tsv:4: the text has {told}(.|\n)*problem: multi_label"):
        encode_sets(encode, bert_folder, own, problem="single_label")


def test_an_unknown_class_is_told_with_its_line_and_the_closest(encode, bert_folder):
    split = Split("dev", (SequenceExample("fine", ("godo",), Where(Path("dev.tsv"), 7)),), "0")
    with pytest.raises(DataError, match=r"dev\.tsv:7: the class 'godo'(.|\n)*Write 'good'"):
        encode(split, load_tokenizer(str(bert_folder), task="sequence"), task="sequence", labels=CLASSES)
