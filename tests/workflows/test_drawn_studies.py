"""Studies of one file: dev and test drawn out of train, nested samples, texts with several labels; a tiny model."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from real_study import read_json

from nertune.data import corpus
from nertune.data.examples import Split
from nertune.data.splitting import unpack_parts
from nertune.errors import StudyConflictError, UserError
from nertune.report.progress import Quiet
from nertune.results.database import open_database
from nertune.spec.load import load_study
from nertune.workflows import best_and_train, search

INLINE = ("execute.kind=inline", "execute.threads=1")
LABELS = ("anger", "fear", "joy")


@pytest.fixture
def study(tmp_path: Path, bert_folder: Path) -> Callable[..., Path]:
    def write(rows: str, *, space: str = "{train.learning_rate: [3e-3]}", split: str = "{dev: 0.2, test: 0.2}") -> Path:
        (tmp_path / "all.tsv").write_text(f"text\tlabel\n{rows}", encoding="utf-8")
        path = tmp_path / "s.yaml"
        path.write_text(
            f"task: sequence\ndata: {{train: all.tsv, split: {split}}}\nmodel: {{base: {bert_folder}, name: tiny}}\n"
            f"train: {{epochs: 3, precision: fp32, batch_size: 4}}\nsearch: {{space: {space}}}\n"
            "final: {seeds: [1]}\ntrack: {aim: null}\n"
        )
        return path

    return write


@pytest.fixture
def moods(sequence_train: Split) -> str:
    rows = [f"{example.text} {i}\t{example.labels[0]}\n" for i, example in enumerate(sequence_train.examples)]
    return "".join(rows)


def seed_folder(path: Path) -> Path:
    [folder] = (path.parent / "runs" / "s").glob("tiny-*")
    return folder


def recorded(path: Path) -> list[int]:
    spec = load_study(path)
    database = open_database(spec.storage)
    try:
        row = database.find_study(spec.name)
        assert row is not None
        return unpack_parts(row.facts["parts"]).tolist()
    finally:
        database.close()


def test_one_file_is_enough_for_a_study(study: Callable[..., Path], moods: str) -> None:
    path, n = study(moods), len(moods.splitlines())
    search(path, progress=Quiet(), edits=[*INLINE])
    best_and_train(path, progress=Quiet(), edits=[*INLINE])
    results = [read_json(seed_folder(path) / f"{name}_results.json") for name in ("train", "eval", "test")]
    sizes = [results[0]["train_samples"], results[1]["eval_samples"], results[2]["test_samples"]]
    assert sum(sizes) == n
    assert sizes[1:] == [recorded(path).count(1), recorded(path).count(2)] == [round(n / 5), round(n / 5)]


def test_the_draw_is_recorded_and_never_changes(
    study: Callable[..., Path], moods: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study(moods)
    search(path, progress=Quiet(), edits=[*INLINE])
    before = recorded(path)
    monkeypatch.setattr(corpus, "draw_parts", None)  # a later version might draw otherwise: it must not be asked
    outcome = search(path, progress=Quiet(), edits=[*INLINE])
    best_and_train(path, progress=Quiet(), edits=[*INLINE])
    assert recorded(path) == before
    assert len(outcome.cells) == 1


def test_another_draw_under_the_same_name_is_refused(study: Callable[..., Path], moods: str) -> None:
    path = study(moods)
    search(path, progress=Quiet(), edits=[*INLINE])
    with pytest.raises(StudyConflictError, match=r"data\.split\.seed \(1 → 2\)"):
        search(path, progress=Quiet(), edits=[*INLINE, "data.split.seed=2"])
    search(path, progress=Quiet(), edits=[*INLINE, "data.split.seed=2"], fresh=True)


def test_a_learning_curve_is_a_search_over_the_size_of_train(study: Callable[..., Path], moods: str) -> None:
    path = study(moods, space="{data.size: [10, 50, 100]}")
    search(path, progress=Quiet(), edits=[*INLINE])
    with (path.parent / "runs/s/trials.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["data.size"]) for row in rows] == [10, 50, 100]
    assert len({row["dev_loss"] for row in rows}) == 3
    best_and_train(path, progress=Quiet(), edits=[*INLINE])
    spec = load_study(seed_folder(path) / "spec.yaml")
    n = read_json(seed_folder(path) / "train_results.json")["train_samples"]
    assert n == max(1, round(recorded(path).count(0) * spec.data.size / 100))


def test_texts_with_several_labels_train_and_are_written_with_commas(study: Callable[..., Path]) -> None:
    rows = "".join(
        f"{' '.join(LABELS[j] for j in range(3) if i >> j & 1)} {i}\t"
        f"{', '.join(LABELS[j] for j in range(3) if i >> j & 1)}\n"
        for i in range(64)
    )
    path = study(rows)
    search(path, progress=Quiet(), edits=[*INLINE])
    best_and_train(path, progress=Quiet(), edits=[*INLINE])
    folder = seed_folder(path)
    lines = (folder / "test_predictions.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) == recorded(path).count(2)
    assert {label for line in lines for label in line.split(",") if line} <= set(LABELS)
    assert read_json(folder / "config.json")["problem_type"] == "multi_label_classification"
    assert {"test_samples_f1", "test_hamming_loss"} < set(read_json(folder / "test_results.json"))


def test_an_objective_that_several_labels_do_not_have_is_refused(study: Callable[..., Path]) -> None:
    path = study("".join(f"text {i}\t{'a, b' if i % 2 else 'a' if i % 3 else 'b'}\n" for i in range(40)))
    with pytest.raises(UserError, match="mcc is no score of items with several labels"):
        search(path, progress=Quiet(), edits=[*INLINE, "search.objective=mcc"])
