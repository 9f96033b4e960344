"""Sequence task: one window a text, and what was cut is counted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nertune.data.examples import SequenceExample, Split
from nertune.errors import DataError, Where
from nertune.models.tokenizers import load_tokenizer
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
    outputs = Outputs(ids=ids, probabilities=np.eye(3, dtype=np.float32)[ids], loss=0.0, runtime_s=0.0)
    predicted = TASKS["sequence"].decode(outputs, encoded=encoded)
    assert predicted.classes == encoded.gold_classes == [example.label for example in sequence_dev.examples]


def test_an_empty_text_is_still_predicted(encode, bert_folder):
    split = Split("dev", (SequenceExample("", "good", Where(Path("dev.tsv"), 2)),), "0")
    encoded = encode(split, load_tokenizer(str(bert_folder), task="sequence"), task="sequence", labels=CLASSES)
    assert encoded.windows.lengths.tolist() == [2]


def test_an_unknown_class_is_told_with_its_line_and_the_closest(encode, bert_folder):
    split = Split("dev", (SequenceExample("fine", "godo", Where(Path("dev.tsv"), 7)),), "0")
    with pytest.raises(DataError, match=r"dev\.tsv:7: the class 'godo'(.|\n)*Write 'good'"):
        encode(split, load_tokenizer(str(bert_folder), task="sequence"), task="sequence", labels=CLASSES)
