"""The cache of encoded splits: opened without tokenizing, never half written, never mistaken."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nertune.data.examples import SequenceExample, Split, TokenExample
from nertune.errors import Where
from nertune.models.tokenizers import load_tokenizer
from nertune.tasks import cache
from nertune.tasks.cache import open_encoded


@pytest.fixture
def wordpiece(bert_folder):
    return load_tokenizer(str(bert_folder), task="token")


def test_the_second_time_nothing_is_tokenized(encode, wordpiece, token_train, monkeypatch):
    first = encode(token_train, wordpiece)
    monkeypatch.setattr("nertune.tasks.token.split_sentences", None)  # calling it would fail
    second = encode(token_train, wordpiece)
    assert second.folder == first.folder
    assert np.array_equal(second.windows.pieces, first.windows.pieces)


@pytest.mark.parametrize("task", ["token", "sequence"])
def test_a_folder_is_all_that_is_needed_to_open_it(encode, wordpiece, token_train, sequence_train, task):
    split, labels = (token_train, ("LOC", "PER")) if task == "token" else (sequence_train, ("bad", "good", "mixed"))
    written = encode(split, wordpiece, task=task, labels=labels)
    opened = open_encoded(written.folder)
    assert tuple(opened.examples) == split.examples
    assert (opened.labels, opened.counts, opened.pad_id) == (written.labels, written.counts, wordpiece.pad_token_id)


def test_pairs_label_sets_and_documents_come_back_as_they_were(encode, wordpiece):
    where = Where(Path("a.tsv"), 3)
    texts = (
        SequenceExample("fine", ("bad", "good"), where, pair="a dull end", document="d1"),
        SequenceExample("", (), where, pair=""),
        SequenceExample("dull", ("bad",), where),
    )
    split = Split("train", texts, "0")
    several = {"task": "sequence", "labels": ("bad", "good", "mixed"), "model": {"problem": "multi_label"}}
    opened = open_encoded(encode(split, wordpiece, **several).folder)
    assert tuple(opened.examples) == texts
    assert (opened.problem, opened.gold_classes) == ("multi_label", [("bad", "good"), (), ("bad",)])
    sentence = TokenExample(("Oslo",), (), where, document="d2")
    assert open_encoded(encode(Split("dev", (sentence,), "0"), wordpiece).folder).examples == [sentence]


def test_opened_arrays_are_mapped_not_copied(encode, wordpiece, token_train):
    pieces = encode(token_train, wordpiece).windows.pieces
    assert not pieces.flags.owndata
    assert not pieces.flags.writeable


def test_what_decides_the_encoding_decides_the_folder(encode, wordpiece, roberta_folder, token_train):
    other_spans = dataclasses.replace(token_train.examples[0], spans=())
    changed = Split("train", (other_spans, *token_train.examples[1:]), token_train.fingerprint)
    folders = [
        encode(token_train, wordpiece).folder,
        encode(token_train, wordpiece, max_pieces=20).folder,
        encode(token_train, wordpiece, overlap_pieces=3).folder,
        encode(token_train, wordpiece, data={"tagging": "io"}).folder,
        encode(token_train, wordpiece, labels=("LOC",)).folder,
        encode(changed, wordpiece).folder,
        encode(token_train, load_tokenizer(str(roberta_folder), task="token")).folder,
    ]
    assert len(set(folders)) == 7


def test_the_problem_and_the_second_text_decide_the_folder(encode, wordpiece, sequence_train):
    first = sequence_train.examples[0]
    pair = dataclasses.replace(first, pair="fine")
    paired = Split("train", (pair, *sequence_train.examples[1:]), sequence_train.fingerprint)
    options = {"task": "sequence", "labels": ("bad", "good", "mixed")}
    folders = [
        encode(sequence_train, wordpiece, **options).folder,
        encode(sequence_train, wordpiece, **options, model={"problem": "multi_label"}).folder,
        encode(paired, wordpiece, **options).folder,
    ]
    assert len(set(folders)) == 3


def test_what_decides_nothing_leaves_the_folder(encode, wordpiece, token_train):
    wordpiece("a", padding="max_length", truncation=True, max_length=9)  # leaves its traces in the tokenizer
    assert encode(token_train, wordpiece, epochs=9).folder == encode(token_train, wordpiece).folder


def test_a_write_that_fails_leaves_nothing_behind(encode, wordpiece, token_train, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_write_examples", full)
    with pytest.raises(OSError, match="No space left"):
        encode(token_train, wordpiece)
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_writers_of_the_same_split_both_end_with_it(encode, wordpiece, token_train, tmp_path, monkeypatch):
    rename = cache.os.rename

    def late(source, target):
        monkeypatch.setattr(cache.os, "rename", rename)
        encode(token_train, wordpiece)  # the other one is faster
        rename(source, target)

    monkeypatch.setattr(cache.os, "rename", late)
    encoded = encode(token_train, wordpiece)
    assert encoded.n_examples == 40
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [encoded.folder.name]
