"""The demo's text: legal, complete, and nothing of dev or test to be seen in training."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "demo" / "data"
SPLITS = ("train", "dev", "test")
Rows = list[tuple[str, str]]


def plain(sentence: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", sentence.lower()).strip()


def read_sentiment(split: str) -> Rows:
    header, *rows = (DEMO / "sentiment" / f"{split}.txt").read_text(encoding="utf-8").splitlines()
    assert header == "sentence\tLabel"
    return [(text, label) for text, label in (row.split("\t") for row in rows)]


def read_entities(split: str) -> list[Rows]:
    blocks = (DEMO / "ner" / "en" / f"{split}.txt").read_text(encoding="utf-8").strip().split("\n\n")
    return [[(word, tag) for word, tag in (row.split("\t") for row in block.split("\n"))] for block in blocks]


def sentences(task: str, split: str) -> list[str]:
    if task == "sentiment":
        return [plain(text) for text, _ in read_sentiment(split)]
    return [plain(" ".join(word for word, _ in sentence)) for sentence in read_entities(split)]


@pytest.mark.parametrize("task", ["sentiment", "ner"])
def test_no_sentence_stands_twice_within_or_between_splits(task: str) -> None:
    found = Counter(sentence for split in SPLITS for sentence in sentences(task, split))
    assert len(found) > 600
    assert [sentence for sentence, n in found.items() if n > 1] == []


@pytest.mark.parametrize("task", ["sentiment", "ner"])
def test_pretraining_has_not_seen_dev_or_test(task: str) -> None:
    corpus = (DEMO / "lm" / "corpus.txt").read_text(encoding="utf-8").splitlines()
    parts = {plain(part) for line in corpus for part in [line, *re.split(r'(?<=[.!?"]) ', line)]}
    assert len(corpus) > 2000
    assert parts & {*sentences(task, "dev"), *sentences(task, "test")} == set()


def test_every_class_of_dev_and_test_is_learned_from_train() -> None:
    counts = {split: Counter(label for _, label in read_sentiment(split)) for split in SPLITS}
    assert {frozenset(found) for found in counts.values()} == {frozenset({"negative", "neutral", "positive"})}
    assert min(counts["train"].values()) > 50


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_the_three_entity_types(split: str) -> None:
    found = Counter(tag for sentence in read_entities(split) for _, tag in sentence)
    types = ("Organisation", "Person", "Place")
    assert set(found) == {"O"} | {f"{place}-{kind}" for place in "BI" for kind in types}
    assert min(found[f"B-{kind}"] for kind in types) > 50


@pytest.mark.parametrize("split", SPLITS)
def test_tags_are_legal_iob2(split: str) -> None:
    for sentence in read_entities(split):
        tags = ["O", *(tag for _, tag in sentence)]
        for before, tag in pairwise(tags):
            assert not tag.startswith("I-") or before[2:] == tag[2:], sentence


def test_a_name_alone_does_not_tell_its_type() -> None:
    kinds: dict[str, set[str]] = {}
    for word, tag in (pair for sentence in read_entities("train") for pair in sentence):
        kinds.setdefault(word, set()).add(tag[2:])
    assert sum(len(found - {""}) > 1 for found in kinds.values()) > 30


def test_test_has_names_that_train_lacks() -> None:
    known, new = ({word for s in read_entities(x) for word, tag in s if tag != "O"} for x in ("train", "test"))
    assert len(new - known) > 40
