"""Folds: complete, repeatable, whole groups, and mixed as the whole."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import labelled_texts as texts
from nertune.errors import DataError
from nertune.protocols.kfold import assign_folds, splits_to_read
from nertune.spec.study import SplitSpec, StudySpec


def folds(examples, n_folds=3, **split):
    return assign_folds(examples, n_folds=n_folds, split=SplitSpec(**split) if split else None).tolist()


@given(labels=st.lists(st.sampled_from("aaabbc"), min_size=5, max_size=80), n_folds=st.integers(2, 5))
def test_folds_differ_by_one_example_at_most_in_all_and_of_each_class(labels, n_folds):
    found = folds(texts(labels), n_folds)
    sizes = Counter(found)
    assert set(sizes) == set(range(n_folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1
    for label in set(labels):
        of_label = Counter(fold for fold, own in zip(found, labels, strict=True) if own == label)
        counts = [of_label[fold] for fold in range(n_folds)]
        assert max(counts) - min(counts) <= 1


@given(
    documents=st.lists(st.integers(0, 11), min_size=1, max_size=60),
    n_folds=st.integers(2, 4),
    seed=st.integers(0, 9),
)
def test_documents_are_in_one_fold_and_every_fold_has_one(documents, n_folds, seed):
    documents = [*documents, *range(n_folds)]
    examples = texts(
        ["a", "b"] * (len(documents) // 2) + ["a"] * (len(documents) % 2), documents=list(map(str, documents))
    )
    found = folds(examples, n_folds, seed=seed)
    assert len({*zip(documents, found, strict=True)}) == len(set(documents))
    assert set(found) == set(range(n_folds))


@given(words=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40))
def test_equal_texts_are_in_one_fold(words):
    words = [*words, "x", "y", "z"]
    found = folds(texts(["a"] * len(words), words=words))
    assert len({*zip(words, found, strict=True)}) == len(set(words))


def test_large_documents_do_not_leave_a_fold_small():
    documents = [
        name for name, size in zip("abcdefgh", (30, 20, 10, 10, 10, 10, 5, 5), strict=True) for _ in range(size)
    ]
    sizes = Counter(folds(texts(["x"] * 100, documents=documents), 3))
    assert sorted(sizes.values()) == [30, 35, 35]


def test_equal_seed_and_data_give_equal_folds_on_every_machine():
    examples = texts("abaacbab")
    pinned = [1, 2, 2, 0, 0, 0, 1, 1]
    assert folds(examples) == folds(examples, seed=1) == pinned
    assert folds(examples, seed=2) != pinned


def test_sentences_are_dealt_one_by_one_when_asked():
    assert Counter(folds(texts(["a"] * 9, documents=["one"] * 9), by="sentence")) == {0: 3, 1: 3, 2: 3}


@pytest.mark.parametrize(
    ("documents", "words"), [(["1", "2"] * 3, "documents"), (None, "different texts")], ids=["documents", "texts"]
)
def test_more_folds_than_there_are_groups_are_refused_with_what_can_be_had(documents, words):
    examples = texts(["a"] * 6, words=["same", "other"] * 3, documents=documents)
    with pytest.raises(DataError, match=rf"asks for 3 folds, but there are 2 {words}(.|\n)*kfold: 2"):
        folds(examples)


@pytest.mark.parametrize(("protocol", "read"), [({"kfold": 2}, ("train",)), ("holdout", ("train", "dev"))])
def test_dev_is_needed_unless_folds_take_its_place(tmp_path, protocol, read):
    (tmp_path / "train.txt").write_text("Anna\tB-PER\n")
    parts = {"name": "s", "task": "token", "data": {"dir": tmp_path}, "model": {"base": "b"}, "output": "o"}
    spec = StudySpec.model_validate({**parts, "protocol": protocol})
    assert splits_to_read(spec, splits=("train", "dev")) == read
    (tmp_path / "dev.txt").write_text("Bob\tB-PER\n")
    assert splits_to_read(spec, splits=("train", "dev")) == ("train", "dev")
