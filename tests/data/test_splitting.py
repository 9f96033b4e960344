"""Dev and test taken out of train, and nested samples: complete, disjoint, repeatable, and mixed as the whole."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpora import labelled_texts as texts
from nertune.data.labels import labels_of
from nertune.data.splitting import draw_parts, nested_ranks, pack_parts, sample_size, unpack_parts
from nertune.spec.study import SplitSpec


def drawn(examples, **split):
    spec = SplitSpec(**split)
    return draw_parts(examples, split=spec, drawn=[name for name in ("dev", "test") if getattr(spec, name)])


def test_shares_are_those_that_were_asked_for():
    parts = drawn(texts(["a", "b"] * 500), dev=0.1, test=0.2)
    assert Counter(parts.tolist()) == {0: 700, 1: 100, 2: 200}


@given(labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_equal_seed_and_data_give_an_equal_split(labels, seed):
    split = {"dev": 0.2, "test": 0.2, "seed": seed}
    assert drawn(texts(labels), **split).tolist() == drawn(texts(labels), **split).tolist()


def test_another_seed_gives_another_split():
    examples = texts(["a"] * 100)
    assert drawn(examples, dev=0.2, seed=1).tolist() != drawn(examples, dev=0.2, seed=2).tolist()


def test_documents_stay_whole():
    documents = [f"doc {i // 10}" for i in range(200)]
    parts = drawn(texts(["a", "b"] * 100, documents=documents), dev=0.2)
    assert Counter(parts.tolist()) == {0: 160, 1: 40}
    assert all(len({*parts[i : i + 10].tolist()}) == 1 for i in range(0, 200, 10))


def test_sentences_are_drawn_out_of_documents_when_asked():
    parts = drawn(texts(["a"] * 100, documents=["one"] * 100), dev=0.2, by="sentence")
    assert Counter(parts.tolist()) == {0: 80, 1: 20}


def test_equal_texts_stay_together_so_that_nothing_leaks():
    words = [f"text {i % 50}" for i in range(100)]
    parts = drawn(texts(["a", "b"] * 50, words=words), dev=0.3)
    assert (parts[:50] == parts[50:]).all()
    assert 0 < (parts == 1).sum() < 100


def test_a_rare_label_is_in_every_part_and_a_single_one_in_train():
    examples = texts(["common"] * 989 + ["rare"] * 10 + ["single"])
    parts = drawn(examples, dev=0.2, test=0.2)
    counts = [
        labels_of([example for example, part in zip(examples, parts, strict=True) if part == i]) for i in range(3)
    ]
    assert [count["rare"] for count in counts] == [6, 2, 2]
    assert counts[0]["single"] == 1


@given(labels=st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_no_class_leaves_train_altogether(labels, seed):
    parts = drawn(texts(labels), dev=0.4, test=0.4, seed=seed)
    assert {label for label, part in zip(labels, parts, strict=True) if part == 0} == set(labels)


def test_texts_that_differ_in_white_space_only_stay_together():
    words = ["a  b", "c", "a b ", "d", " a\tb"] + [f"text {i}" for i in range(20)]
    assert all(
        len({*drawn(texts(["x", "y"] * 12 + ["x"], words=words), dev=0.4, seed=seed)[[0, 2, 4]].tolist()}) == 1
        for seed in range(20)
    )


def test_a_document_and_its_copy_stay_together():
    words = ["a", "b", "c", "d", "a", "b", "e", "f"]
    examples = texts(["x", "y"] * 4, words=words, documents=["1", "1", "2", "2", "copy", "copy", "3", "3"])
    assert all(
        len({*drawn(examples, dev=0.4, seed=seed, stratify=False)[[0, 1, 4, 5]].tolist()}) == 1 for seed in range(20)
    )


def test_stratifying_keeps_shares_closer_than_chance():
    examples = texts(["a"] * 900 + ["b"] * 100)
    counts = {
        stratify: [
            labels_of([examples[i] for i in np.flatnonzero(drawn(examples, dev=0.1, seed=seed, stratify=stratify))])[
                "b"
            ]
            for seed in range(20)
        ]
        for stratify in (True, False)
    }
    assert set(counts[True]) <= {9, 10, 11}
    assert np.std(counts[False]) > np.std(counts[True])


@given(labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_samples_are_nested_and_complete(labels, seed):
    ranks = nested_ranks(texts(labels), seed=seed)
    assert sorted(ranks.tolist()) == list(range(len(labels)))
    sizes = [sample_size(len(labels), percent=percent) for percent in (10, 20, 50, 100)]
    samples = [set(np.flatnonzero(ranks < size).tolist()) for size in sizes]
    assert all(small <= large for small, large in pairwise(samples))
    assert [len(sample) for sample in samples] == sizes


def test_a_small_sample_is_mixed_as_the_whole():
    examples = texts(["a"] * 800 + ["b"] * 150 + ["c"] * 50)
    sample = [examples[i] for i in np.flatnonzero(nested_ranks(examples, seed=1) < 100)]
    counts = labels_of(sample)
    assert abs(counts["a"] - 80) <= 1
    assert abs(counts["b"] - 15) <= 1
    assert abs(counts["c"] - 5) <= 1


@given(parts=st.lists(st.integers(0, 2), max_size=50))
def test_an_assignment_is_text_and_back(parts):
    assert unpack_parts(pack_parts(np.array(parts, dtype=np.uint8))).tolist() == parts
