"""The comparison with the plain loop: its table, its limit of time, what its scores mean, and one real run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import run
from nertune.data.corpus import read_corpus
from nertune.data.labels import tags_to_spans
from nertune.scores.classes import score_classes
from nertune.scores.entities import score_entities
from nertune.spec.load import load_study
from nertune.spec.study import DataSpec
from rows import make_row, make_table, notes
from sets import Encoder, spread_out, write_cut
from sides import Run, SideError, Work, read_nertune, read_plain, study_of, timed

WORK = Work("token, tiny", "token", Path("data"), Encoder("model"), (8,), (1e-3, 1e-4), epochs=1, rounds=2)
RUN_PY = Path(run.__file__)


@pytest.fixture
def plain_file(tmp_path: Path) -> Path:
    cells = [
        {"batch_size": 8, "learning_rate": 1e-3, "f1": 0.5, "best_epoch": 1.0, "seconds": 9.0},
        {"batch_size": 8, "learning_rate": 1e-4, "f1": 0.7, "best_epoch": 1.0, "seconds": 9.0},
    ]
    return written(tmp_path / "plain.json", {"task": "token", "cells": cells})


@pytest.fixture
def nertune_file(tmp_path: Path) -> Path:
    """One cell complete, one failed."""
    point = {"train.batch_size": 8, "train.learning_rate": 1e-4}
    cells = [
        {"state": "failed", "cause": "nan", "point": {**point, "train.learning_rate": 1e-3}, "scores": {}},
        {"state": "complete", "point": point, "scores": {"dev": {"f1": 0.72, "loss": 0.1}}},
    ]
    return written(tmp_path / "nertune.json", {"study": "benchmark", "cells": cells})


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_row_compares_whole_wall_time_and_best_scores(plain_file: Path, nertune_file: Path) -> None:
    plain = read_plain(plain_file, wall_s=40.0, work=WORK)
    nertune = read_nertune(nertune_file, wall_s=10.0, work=WORK)
    row = make_row(WORK, plain=[plain], nertune=[nertune])
    assert (row.plain_s_per_cell, row.nertune_s_per_cell, row.times_as_fast) == (20.0, 5.0, 4.0)
    assert (row.plain_f1.mean, row.nertune_f1.mean) == (0.7, 0.72)
    assert row.cell_difference == pytest.approx(0.02)  # of the one cell that both finished
    assert "1 of 2 cells of nertune gave no score" in notes([row])[-1]


def test_table_has_a_line_for_each_row_with_the_spread_over_rounds() -> None:
    plain = [Run(wall, {(8, 1e-3): f1}) for wall, f1 in ((9.0, 0.50), (30.0, 0.54), (10.0, 0.52))]
    nertune = [Run(2.0, {(8, 1e-3): f1}) for f1 in (0.51, 0.55, 0.53)]
    row = make_row(replace(WORK, learning_rates=(1e-3,)), plain=plain, nertune=nertune)
    table = make_table([row, row])
    cells = [next(iter(column.cells)) for column in table.columns]
    assert table.row_count == 2
    assert cells[3:] == ["3", "10.0", "2.0", "5.00", "0.5200 ± 0.0200", "0.5300 ± 0.0200", "+0.0100 ± 0.0163"]


def test_side_that_lacks_a_cell_is_an_error(plain_file: Path) -> None:
    with pytest.raises(SideError, match="gave 2 scores where 4 cells were asked for"):
        read_plain(plain_file, wall_s=1.0, work=replace(WORK, batch_sizes=(8, 16)))


def test_side_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(SideError, match=r"exit code 3.*\n.*no memory left"):
        timed("nertune", [sys.executable, "-c", "import sys; print('no memory left', file=sys.stderr); sys.exit(3)"],
              folder=tmp_path)  # fmt: skip


def test_sides_take_turns_and_rounds_that_would_end_too_late_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[tuple[str, int]] = []

    def side(name: str) -> Any:
        def go(work: Work, *, seed: int, folder: Path) -> Run:
            assert list(folder.iterdir()) == []
            turns.append((name, seed))
            return Run(50.0, {(8, 1e-3): 0.5})

        return go

    monkeypatch.setattr(run, "SIDES", {name: side(name) for name in ("plain", "nertune")})
    run.compare([WORK], folder=tmp_path)
    assert turns == [("plain", 42), ("nertune", 42), ("plain", 43), ("nertune", 43)]
    (tmp_path / "late").mkdir()
    assert [len(runs) for runs in run.compare([WORK], folder=tmp_path / "late", limit_s=99)[0].values()] == [1, 1]


def test_study_of_a_work_is_the_same_grid_with_defaults(tmp_path: Path) -> None:
    path = written(tmp_path / "study.yaml", study_of(WORK, seed=43))
    spec = load_study(path)
    assert spec.search.space == {"train.batch_size": [8], "train.learning_rate": [1e-3, 1e-4]}
    assert (spec.search.seed, spec.search.sampler, spec.train.epochs, spec.track.aim) == (43, "grid", 1, None)


def test_both_sides_freeze_the_same_layers(bert_folder: Path, tmp_path: Path) -> None:
    from plain_loop import AutoModelForTokenClassification, frozen

    path = written(tmp_path / "study.yaml", study_of(replace(WORK, top_layers=1), seed=43))
    assert load_study(path).train.top_layers == 1
    model = frozen(AutoModelForTokenClassification.from_pretrained(bert_folder), top_layers=1)
    learning = {name.partition("layer.")[2][:1] for name, one in model.named_parameters() if one.requires_grad}
    assert learning == {"1", ""}
    assert not model.bert.embeddings.word_embeddings.weight.requires_grad
    assert model.classifier.weight.requires_grad


@pytest.mark.parametrize("task", ["token", "sequence"])
def test_cut_data_keeps_examples_spread_over_the_file(task: Any, tmp_path: Path) -> None:
    whole = read_corpus(DataSpec(dir=run.DEMO_DATA[task]), task=task)
    write_cut(run.DEMO_DATA[task], task=task, columns=None, sentences=30, folder=tmp_path / "cut")
    cut = read_corpus(DataSpec(dir=tmp_path / "cut"), task=task)
    for name in ("train", "dev"):
        wanted = spread_out(whole.splits[name].examples, n=30)
        assert [without_place(example) for example in cut.splits[name].examples] == list(map(without_place, wanted))
    assert wanted[1] != whole.splits["dev"].examples[1]
    assert {path.stem for path in (tmp_path / "cut").iterdir()} == {"train", "dev"}


def without_place(example: Any) -> Any:
    return replace(example, where=None)


def test_entity_f1_of_the_plain_loop_is_nertunes_and_counts_cut_words() -> None:
    import plain_loop

    random = np.random.default_rng(0)
    tags = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC", "I-LOC", "O"]] * 20
    ids = np.where(np.arange(6) % 2, np.resize(0, (40, 6)), plain_loop.IGNORED)  # three first pieces a sentence
    logits = random.normal(size=(40, 6, 5))
    prediction = SimpleNamespace(predictions=logits, label_ids=ids)
    dev = {"tags": gold, "scored_words": [[0, 1, 2]] * 40}  # word 3 was cut off
    guesses = [[tags[i] for i in row[1::2]] + ["O"] for row in logits.argmax(-1)]
    ours = score_entities([tags_to_spans(g) for g in gold], [tags_to_spans(g) for g in guesses], n_words=[4] * 40)
    assert plain_loop.score_entities(prediction, gold=dev, tags=tags)["f1"] == pytest.approx(ours.overall["f1"])


def test_class_f1_of_the_plain_loop_is_nertunes() -> None:
    import plain_loop

    gold, logits = np.array([0, 0, 1, 1, 0]), np.eye(3)[[0, 1, 1, 1, 0]]  # class 2: neither in gold nor predicted
    ours = score_classes(list("aabba"), list("abbba"), labels=("a", "b", "c"))
    theirs = plain_loop.score_classes(SimpleNamespace(predictions=logits, label_ids=gold))
    assert theirs["f1"] == pytest.approx(ours.overall["f1"])


@pytest.mark.slow
def test_benchmark_prints_one_table_with_both_tasks(bert_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.json"
    words = ["--model", bert_folder, "--sentences", 40, "--batch-sizes", 8, "--learning-rates", "1e-3,1e-4"]
    words += ["--epochs", 1, "--rounds", 1, "--json", output]
    done = subprocess.run(
        [sys.executable, str(RUN_PY), *map(str, words)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(output.read_text(encoding="utf-8"))
    assert [(row["work"], row["cells"]) for row in rows] == [("token, search", 2), ("sequence, search", 2)]
    assert all(row["work"] in done.stdout and len(row["runs"]["nertune"][0]["scores"]) == 2 for row in rows)
