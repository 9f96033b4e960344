"""The plain loop: its scores mean what nertune's mean, and it freezes, reads and keeps what it should."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from searched import WORK, written

import plain_loop
import plain_predict
from nertune.data.labels import tags_to_spans
from nertune.scores.classes import score_classes
from nertune.scores.entities import score_entities
from nertune.spec.load import load_study
from works import study_of

SENTENCES = "Ada\tB-PER\nlives\tO\nin\tO\nOslo\tB-LOC\n\nThe\tO\nweather\tO\nwas\tO\nfine\tO\n\n" * 8


def test_entity_f1_of_the_plain_loop_is_nertunes_and_counts_cut_words() -> None:
    random = np.random.default_rng(0)
    tags = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC", "I-LOC", "O"]] * 20
    ids = np.where(np.arange(6) % 2, np.resize(0, (40, 6)), plain_loop.IGNORED)  # three first pieces a sentence
    logits = random.normal(size=(40, 6, 5))
    prediction = SimpleNamespace(predictions=logits, label_ids=ids)
    dev: Any = {"words": gold, "tags": gold, "scored_words": [[0, 1, 2]] * 40}  # word 3 was cut off
    guesses = [[tags[i] for i in row[1::2]] + ["O"] for row in logits.argmax(-1)]
    ours = score_entities([tags_to_spans(g) for g in gold], [tags_to_spans(g) for g in guesses], n_words=[4] * 40)
    assert plain_loop.score_entities(prediction, dev, tags=tags)["f1"] == pytest.approx(ours.overall["f1"])


def test_class_f1_of_the_plain_loop_is_nertunes() -> None:
    gold, logits = np.array([0, 0, 1, 1, 0]), np.eye(3)[[0, 1, 1, 1, 0]]  # class 2: neither in gold nor predicted
    ours = score_classes(list("aabba"), list("abbba"), labels=("a", "b", "c"))
    theirs = plain_loop.score_classes(SimpleNamespace(predictions=logits, label_ids=gold))
    assert theirs["f1"] == pytest.approx(ours.overall["f1"])


def test_both_sides_freeze_the_same_layers(bert_folder: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "study.yaml", study_of(replace(WORK, top_layers=1), seed=43))
    assert load_study(path).train.top_layers == 1
    model = plain_loop.AutoModelForTokenClassification.from_pretrained(bert_folder)
    model = plain_loop.frozen(model, top_layers=1)
    learning = {name.partition("layer.")[2][:1] for name, one in model.named_parameters() if one.requires_grad}
    assert learning == {"1", ""}
    assert not model.bert.embeddings.word_embeddings.weight.requires_grad
    assert model.classifier.weight.requires_grad


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train", "dev", "test"):
        (folder / f"{name}.conll").write_text(SENTENCES)
    return folder


def run_script(module: Any, monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["script", *map(str, words)])
    module.main()


def test_search_opens_no_test(bert_folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "test.conll").unlink()
    words = ["--task", "token", "--data", data, "--model", bert_folder, "--epochs", 1]
    words += ["--batch-sizes", "8,16", "--learning-rates", "1e-3", "--output", tmp_path / "cells.json"]
    run_script(plain_loop, monkeypatch, *words)
    cells = json.loads((tmp_path / "cells.json").read_text())["cells"]
    assert sorted(cell["batch_size"] for cell in cells) == [8, 16]


def test_every_seed_keeps_its_model_scores_and_predictions(
    bert_folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--task", "token", "--data", data, "--model", bert_folder, "--epochs", 1, "--seeds", "1,2"]
    words += ["--batch-sizes", "8,16", "--learning-rates", "1e-2", "--output", tmp_path / "seeds.json"]
    run_script(plain_loop, monkeypatch, *words)
    done = json.loads((tmp_path / "seeds.json").read_text())["seeds"]
    assert [(one["seed"], one["batch_size"]) for one in done] == [(1, 8), (2, 8)]
    assert all(one["test_f1"] == one["f1"] for one in done)  # test is the same file as dev
    assert (tmp_path / "seed-2" / "model.safetensors").exists()
    predicted = (tmp_path / "seed-1" / "test_predictions.txt").read_text().splitlines()
    assert [len(line.split()) for line in predicted] == [4] * 16


def test_plain_prediction_tags_every_word_in_order(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [[line.partition("\t")[0] for line in block.split("\n")] for block in SENTENCES.strip().split("\n\n")]
    (tmp_path / "in.txt").write_text("".join("\n".join(sentence) + "\n\n" for sentence in words))
    options = ["--task", "token", "--model", bert_folder, "--input", tmp_path / "in.txt", "--output", tmp_path / "out"]
    run_script(plain_predict, monkeypatch, *options)
    told = (tmp_path / "out").read_text().strip("\n").split("\n\n")
    assert [[line.partition("\t")[0] for line in block.split("\n")] for block in told] == words
    assert all(line.partition("\t")[2] for block in told for line in block.split("\n"))
