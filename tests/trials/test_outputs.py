"""Prediction files of texts, with one class each or several."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nertune.analysis.predictions import read_predictions
from nertune.data.examples import SequenceExample, Span, Split, TokenExample
from nertune.errors import Where
from nertune.models.tokenizers import load_tokenizer
from nertune.tasks.cache import encode_or_open
from nertune.tasks.predictions import SequencePredictions, TokenPredictions
from nertune.trials.outputs import write_predictions

LABELS = ("bad", "good")


@pytest.fixture
def written(study, bert_folder, tmp_path):
    """`written(problem, gold=…, classes=…)`: the files of these predictions, by name."""

    def write(problem, *, gold, classes):
        examples = tuple(SequenceExample("fine", own, Where(Path("data/t.tsv"), n + 2)) for n, own in enumerate(gold))
        split = encode_or_open(
            Split("test", examples, "0"),
            labels=LABELS,
            tokenizer=load_tokenizer(str(bert_folder), task="sequence"),
            spec=study("sequence", model={"problem": problem}),
            position_limit=64,
            folder=tmp_path / "cache",
        )
        probabilities = np.tile(np.array([0.25, 0.75], np.float32), (len(gold), 1))
        predictions = SequencePredictions(classes, LABELS, probabilities, loss=0.0, runtime_s=0.0)
        write_predictions(tmp_path, predictions, split=split, prefix="test", study="mood")
        names = ("test_predictions.txt", "predict_results_mood.txt", "test_predictions.jsonl")
        return [(tmp_path / name).read_text(encoding="utf-8") for name in names]

    return write


def test_several_labels_are_joined_by_commas_and_an_empty_line_is_none(written):
    lines, table, rows = written(
        "multi_label", gold=[("bad", "good"), (), ("bad",)], classes=[("bad", "good"), (), ("good",)]
    )
    assert lines == "bad,good\n\ngood\n"
    assert table == "index\tprediction\n0\tbad,good\n1\t\n2\tgood\n"
    told = [json.loads(row) for row in rows.splitlines()]
    assert [row["gold"] for row in told] == [["bad", "good"], [], ["bad"]]
    assert [row["predicted"] for row in told] == [["bad", "good"], [], ["good"]]
    assert (told[1]["id"], told[1]["where"]) == (1, "t.tsv:3")
    assert told[1]["probabilities"] == {"bad": 0.25, "good": 0.75}


def test_a_single_class_is_told_without_a_list(written):
    lines, table, rows = written("single_label", gold=[("bad",)], classes=[("good",)])
    assert (lines, table) == ("good\n", "index\tprediction\n0\tgood\n")
    assert json.loads(rows) == {
        "id": 0, "where": "t.tsv:2", "gold": "bad", "predicted": "good", "probabilities": {"bad": 0.25, "good": 0.75},
    }  # fmt: skip


def test_a_line_names_the_document_where_the_data_have_documents(study, bert_folder, tmp_path):
    places = [("d1", 1), (None, 4)]
    examples = tuple(
        TokenExample(("Ada", "sleeps"), (Span("PER", 0, 1),), Where(Path("data/t.txt"), line), document)
        for document, line in places
    )
    split = encode_or_open(
        Split("test", examples, "0"),
        labels=("PER",),
        tokenizer=load_tokenizer(str(bert_folder), task="token"),
        spec=study("token"),
        position_limit=64,
        folder=tmp_path / "cache",
    )
    spans = [[Span("PER", 0, 2)], []]
    predictions = TokenPredictions(spans, [[0.75], []], np.array([2, 2]), loss=0.0, runtime_s=0.0)
    write_predictions(tmp_path, predictions, split=split, prefix="test", study="names")
    told = [json.loads(row) for row in (tmp_path / "test_predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["where"], row.get("document", "none"), row["n_words"]) for row in told] == [
        ("t.txt:1", "d1", 2), ("t.txt:4", "none", 2),
    ]  # fmt: skip

    read = read_predictions(tmp_path / "test_predictions.jsonl")
    assert read.spans == (tuple(example.spans for example in examples), tuple(map(tuple, spans)))
    assert (read.documents, read.n_words, read.probabilities) == (("d1", None), (2, 2), ((0.75,), ()))
