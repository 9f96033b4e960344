"""The summary of a corpus: sizes, label counts, findings."""

import json

import pytest

from nertune.data.audit import summarise
from nertune.data.corpus import read_corpus
from nertune.spec.study import DataSpec


@pytest.fixture
def corpus(tmp_path):
    def read(train, dev, task="token"):
        (tmp_path / "train.txt").write_text(train)
        (tmp_path / "dev.txt").write_text(dev)
        return read_corpus(DataSpec(dir=tmp_path), task=task)

    return read


def test_sizes_and_labels_are_counted(corpus, tmp_path):
    summary = summarise(corpus("Ada\tB-PER\nin\tO\n\nOslo\tB-LOC\nOslo\tB-LOC\n", "Turin\tB-LOC\n"))
    train, dev = summary.splits
    assert (train.examples, train.words, train.labels) == (2, 4, {"LOC": 2, "PER": 1})
    assert (dev.examples, dev.words, dev.labels) == (1, 1, {"LOC": 1, "PER": 0})
    assert train.path.endswith("train.txt")
    assert [finding.message for finding in summary.findings] == ["dev has no example of PER"]


def test_a_text_in_two_splits_is_found_with_both_places(corpus, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    summary = summarise(corpus("text\tlabel\na b\tx\nc\ty\n", "text\tlabel\nc\tx\nd\ty\n", task="sequence"))
    (leak,) = summary.findings
    assert (leak.kind, leak.count, leak.places) == ("leakage", 1, ("dev.txt:2 = train.txt:3",))
    assert str(leak) == "1 of the 2 texts of dev also stand in train: dev.txt:2 = train.txt:3"


def test_sentences_that_share_only_part_of_their_words_are_no_leak(corpus):
    assert summarise(corpus("Ada\tB-PER\nslept\tO\n", "Ada\tB-PER\n")).findings == ()


def test_unknown_types_and_repairs_are_findings(corpus, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    summary = summarise(corpus("Ada\tB-PER\n", "Bo\tB-PER\nto\tO\nMay\tI-DATE\n"))
    assert [(finding.kind, finding.count, finding.places) for finding in summary.findings] == [
        ("unknown labels", 1, ("dev.txt:1",)),
        ("repaired tags", 1, ()),
    ]
    assert summary.splits[1].labels == {"PER": 1, "DATE": 1}


def test_a_summary_becomes_json(corpus):
    told = json.loads(json.dumps(summarise(corpus("Ada\tB-PER\n", "Bo\tB-PER\n")).to_json()))
    assert (told["format"], told["scheme"], told["splits"][0]["labels"]) == ("conll", "iob2", {"PER": 1})
