"""Both commands on a tiny real model: every file of the design exists, parses and agrees with the others."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from real_study import nertune, read_json, write_sequence_files, write_study, write_token_files

from nertune.data.examples import Split
from nertune.errors import StoppedError, StudyConflictError
from nertune.report.progress import Quiet
from nertune.results.outcomes import FinalOutcome
from nertune.workflows import best, best_and_train, compare, search

# In this process, which has imported torch already; one thread, as other tests run beside.
OF_FOLDERS = ("tokenizers", "predictions")  # what `check` says of seed folders besides weights
INLINE = ("execute.kind=inline", "execute.threads=1")
SEED_FILES = {
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("train_results.json", "eval_results.json", "test_results.json", "all_results.json"),
    *("test_predictions.txt", "eval_predictions.jsonl", "test_predictions.jsonl"),
    *("trainer_state.json", "training_args.bin", "spec.yaml", "environment.json", "README.md"),
}


@dataclass(frozen=True)
class Done:
    """A study after both commands."""

    name: str
    path: Path
    output: Path

    def seed_folders(self) -> list[Path]:
        return sorted(self.output.glob(f"tiny-*_{self.name}_*"))

    def results(self, folder: Path, part: str = "test") -> dict[str, Any]:
        return read_json(folder / f"{part}_results.json")


def _refit(study: Done, *edits: str, so_far: bool = False) -> FinalOutcome:
    """best-and-train in this process, which has imported torch already."""
    return best_and_train(study.path, progress=Quiet(), edits=[*INLINE, *edits], so_far=so_far)


@pytest.fixture(scope="module")
def token_study(
    tmp_path_factory: pytest.TempPathFactory, bert_folder: Path, token_train: Split, token_dev: Split
) -> Done:
    folder = tmp_path_factory.mktemp("token")
    test = token_train.examples[5:15]
    write_token_files(folder / "data", {"train": token_train.examples, "dev": token_dev.examples, "test": test})
    path = write_study(folder / "ents.yaml", task="token", model=bert_folder, more="final: {seeds: [1, 2]}")
    for command in ("search", "best-and-train"):  # as a user does, with worker processes
        told = nertune(command, path, "--workers", 2, cwd=folder)
        assert told.returncode == 0, told.stderr
    return Done("ents", path, folder / "runs" / "ents")


@pytest.fixture(scope="module")
def sequence_study(
    tmp_path_factory: pytest.TempPathFactory, bert_folder: Path, sequence_train: Split, sequence_dev: Split
) -> Done:
    folder = tmp_path_factory.mktemp("sequence")
    splits = {"train": sequence_train.examples, "dev": sequence_dev.examples, "test": sequence_train.examples[3:20]}
    write_sequence_files(folder / "data", splits)
    more = "final: {seeds: [1, 2, 3], candidates: 2}"
    path = write_study(folder / "mood.yaml", task="sequence", model=bert_folder, more=more)
    study = Done("mood", path, folder / "runs" / "mood")
    search(path, progress=Quiet(), edits=[*INLINE])
    _refit(study)
    return study


def test_every_seed_has_a_folder_with_every_file(token_study: Done, sequence_study: Done) -> None:
    for study, n_seeds in ((token_study, 2), (sequence_study, 3)):
        folders = study.seed_folders()
        assert len(folders) == n_seeds
        for folder in folders:
            found = {file.name for file in folder.iterdir()}
            assert found >= SEED_FILES | {f"predict_results_{study.name}.txt"}


def test_rescoring_the_tag_file_with_seqeval_gives_the_written_figures(token_study: Done) -> None:
    from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

    for folder in token_study.seed_folders():
        text = (folder / "predict_results_ents.txt").read_text()
        rows = [[line.split("\t") for line in block.split("\n")] for block in text.strip("\n").split("\n\n")]
        gold = [[row[1] for row in sentence] for sentence in rows]
        predicted = [[row[2] for row in sentence] for sentence in rows]
        results = token_study.results(folder)
        assert f1_score(gold, predicted) == pytest.approx(results["test_f1"], abs=1e-12)
        assert precision_score(gold, predicted) == pytest.approx(results["test_precision"], abs=1e-12)
        assert recall_score(gold, predicted) == pytest.approx(results["test_recall"], abs=1e-12)
        assert accuracy_score(gold, predicted) == pytest.approx(results["test_accuracy"], abs=1e-12)


def test_rescoring_the_classes_with_scikit_learn_gives_the_written_figures(sequence_study: Done) -> None:
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    gold = [line.split("\t")[1] for line in (sequence_study.path.parent / "data/test.tsv").read_text().splitlines()[1:]]
    for folder in sequence_study.seed_folders():
        predicted = (folder / "test_predictions.txt").read_text().splitlines()
        table = (folder / "predict_results_mood.txt").read_text().splitlines()
        assert table[0] == "index\tprediction"
        assert [row.split("\t")[1] for row in table[1:]] == predicted
        results = sequence_study.results(folder)
        assert f1_score(gold, predicted, average="macro") == pytest.approx(results["test_f1"], abs=1e-12)
        assert accuracy_score(gold, predicted) == pytest.approx(results["test_accuracy"], abs=1e-12)
        assert matthews_corrcoef(gold, predicted) == pytest.approx(results["test_mcc"], abs=1e-12)


def test_every_word_has_one_tag_also_one_that_no_tokenizer_keeps(token_study: Done) -> None:
    blocks = (token_study.path.parent / "data" / "test.txt").read_text(encoding="utf-8").strip("\n").split("\n\n")
    for folder in token_study.seed_folders():
        tags = (folder / "test_predictions.txt").read_text().splitlines()
        assert [len(line.split(" ")) for line in tags] == [len(block.split("\n")) for block in blocks]
        assert tags[-1].split(" ")[1] == "O"


def test_the_saved_model_gives_the_same_predictions_with_plain_transformers(token_study: Done) -> None:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    folder = token_study.seed_folders()[0]
    model, tokenizer = AutoModelForTokenClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    text = (folder / "predict_results_ents.txt").read_text().strip("\n").split("\n\n")[0]
    words = [line.split("\t")[0] for line in text.split("\n")]
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        ids = model(**encoded).logits[0].argmax(-1).tolist()
    first = {word: place for place, word in reversed(list(enumerate(encoded.word_ids()))) if word is not None}
    raw = [model.config.id2label[ids[first[number]]] for number in range(len(words))]
    from nertune.data.labels import spans_to_tags, tags_to_spans

    assert [line.split("\t")[2] for line in text.split("\n")] == spans_to_tags(tags_to_spans(raw), len(words))


def test_the_summary_holds_mean_and_sd_of_the_seeds(sequence_study: Done) -> None:
    summary = read_json(sequence_study.output / "summary.json")
    values = [sequence_study.results(folder)["test_f1"] for folder in sequence_study.seed_folders()]
    assert summary["test"]["scores"]["f1"]["mean"] == pytest.approx(statistics.fmean(values))
    assert summary["test"]["scores"]["f1"]["sd"] == pytest.approx(statistics.stdev(values))
    assert summary["test"]["scores"]["f1"]["n"] == 3
    assert set(summary["test"]["labels"]) == {"bad", "good", "mixed"}


def test_candidates_are_chosen_on_dev_and_the_losers_never_see_test(sequence_study: Done) -> None:
    import sqlite3

    database = sqlite3.connect(sequence_study.path.parent / "nertune.db")
    rows = database.execute("SELECT point_id, scores FROM nertune_cells WHERE stage = 'candidate'").fetchall()
    database.close()
    assert len(rows) == 6
    assert all(set(json.loads(scores)) == {"dev"} for _, scores in rows)
    means: dict[str, list[float]] = {}
    for point, scores in rows:
        means.setdefault(point, []).append(json.loads(scores)["dev"]["f1"])
    best = max(statistics.fmean(values) for values in means.values())
    summary = read_json(sequence_study.output / "summary.json")
    assert summary["search"]["mean_dev_score_of_seeds"] == pytest.approx(best)
    assert len(summary["search"]["candidates"]) == 2


def test_search_and_seed_run_of_one_seed_agree(token_study: Done) -> None:
    """In fp32 the dev score of a trial is that of a seed run with the search's seed."""
    summary = _refit(token_study, "final.seeds=[42]").summary
    assert summary["search"]["dev_score"] == summary["dev"]["scores"]["f1"]["values"]["42"]
    _refit(token_study)  # the summary of both seeds again


def test_running_again_does_only_what_is_missing(token_study: Done) -> None:
    first, second = token_study.seed_folders()[:2]
    kept = (second / "model.safetensors").stat().st_mtime_ns
    before = token_study.results(first)["test_f1"]
    shutil.rmtree(first)
    _refit(token_study)
    assert token_study.results(first)["test_f1"] == before
    assert (second / "model.safetensors").stat().st_mtime_ns == kept


def test_comparing_a_study_with_one_of_its_seeds_finds_the_recorded_scores(
    token_study: Done, sequence_study: Done
) -> None:
    for study in (token_study, sequence_study):
        told = compare([study.path, study.seed_folders()[0]], n_draws=100)
        summary = read_json(study.output / "summary.json")["test"]["scores"]
        for name, scores in told["scores"].items():
            assert scores["A"]["mean"] == pytest.approx(summary[name]["mean"]), name
            assert scores["A"]["sd"] == pytest.approx(summary[name]["sd"]), name
        assert {"f1", "precision", "recall", "accuracy"} <= told["scores"].keys()
        assert not [note for note in told["notes"] if "own results" in note]


def test_the_spec_of_a_seed_folder_is_a_study_file(token_study: Done) -> None:
    from nertune.spec.load import load_study

    spec = load_study(token_study.seed_folders()[0] / "spec.yaml")
    assert spec.search.space == {}
    assert spec.data.dir == token_study.path.parent / "data"


def test_json_never_holds_nan(token_study: Done, sequence_study: Done) -> None:
    files = [file for study in (token_study, sequence_study) for file in study.output.rglob("*.json")]
    assert len(files) > 10
    for file in files:
        json.loads(file.read_text(), parse_constant=_refuse)


def test_worker_processes_and_this_process_give_equal_bits(tmp_path: Path, token_study: Done) -> None:
    path = tmp_path / "ents.yaml"
    path.write_text(token_study.path.read_text().replace("dir: data", f"dir: {token_study.path.parent / 'data'}"))
    here = search(path, progress=Quiet(), edits=[*INLINE])
    there = best(token_study.path)  # two workers, in whatever order they came to run
    assert [cell.scores for cell in here.cells] == [cell.scores for cell in there.cells]


def test_a_changed_test_file_is_scored_anew_with_the_weights_there_are(tmp_path: Path, token_study: Done) -> None:
    path, study = _copy(tmp_path, token_study)
    edits = ["search.trials=1", "final.seeds=[7]"]
    search(path, progress=Quiet(), edits=[*INLINE, *edits])
    first = _refit(study, *edits)
    weights = (study.seed_folders()[0] / "model.safetensors").read_bytes()
    with (tmp_path / "data" / "test.txt").open("a") as stream:
        stream.write("\nEmmy\tB-PER\nreads\tO\n")
    second = _refit(study, *edits)
    results = study.results(study.seed_folders()[0])
    assert results["test_samples"] == 12
    assert second.seeds[0]["scores"]["test"]["f1"] == results["test_f1"]
    assert (study.seed_folders()[0] / "model.safetensors").read_bytes() == weights
    assert first.seeds[0]["scores"]["dev"] == second.seeds[0]["scores"]["dev"]


def test_check_knows_what_the_seed_folders_take(token_study: Done) -> None:
    told = nertune("check", token_study.path, "--json", cwd=token_study.path.parent)
    needs = {need["what"]: need["bytes"] for need in json.loads(told.stdout)["disk"]}
    sizes = {file.name: file.stat().st_size for file in token_study.seed_folders()[0].iterdir() if file.is_file()}
    assert needs["weights"] == pytest.approx(2 * sizes["model.safetensors"], rel=0.1)  # of two seeds
    assert 2 * sum(sizes.values()) <= sum(needs[name] for name in ("weights", *OF_FOLDERS))


def test_seed_runs_without_room_are_refused_before_the_first(
    tmp_path: Path, token_study: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, study = _copy(tmp_path, token_study)
    search(path, progress=Quiet(), edits=[*INLINE, "search.trials=1"])
    room = SimpleNamespace(free=2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: room)
    with pytest.raises(StoppedError, match="1 MiB is free"):
        _refit(study, "search.trials=1")
    assert study.seed_folders() == []


def test_training_with_dev_is_another_fit_and_reports_no_dev_scores(tmp_path: Path, token_study: Done) -> None:
    path, study = _copy(tmp_path, token_study)
    edits = ["search.trials=1", "final.seeds=[7]"]
    search(path, progress=Quiet(), edits=[*INLINE, *edits])
    _refit(study, *edits)
    alone = (study.seed_folders()[0] / "model.safetensors").read_bytes()
    outcome = _refit(study, *edits, "final.train_with_dev=true")
    folder = study.seed_folders()[0]
    assert (folder / "model.safetensors").read_bytes() != alone
    assert set(outcome.seeds[0]["scores"]) == {"test"}
    assert study.results(folder, "train")["train_samples"] == 60
    _refit(study, *edits)
    assert (folder / "model.safetensors").read_bytes() == alone


def _copy(folder: Path, study: Done) -> tuple[Path, Done]:
    """The study's file and data in another folder, without its results."""
    shutil.copytree(study.path.parent / "data", folder / "data")
    path = Path(shutil.copy(study.path, folder))
    return path, Done(study.name, path, folder / "runs" / study.name)


def test_event_files_are_written_on_request(tmp_path: Path, token_study: Done) -> None:
    path = tmp_path / "ents.yaml"
    path.write_text(token_study.path.read_text().replace("dir: data", f"dir: {token_study.path.parent / 'data'}"))
    study = Done("ents", path, tmp_path / "runs" / "ents")
    edits = ["track.tensorboard=true", "search.trials=1", "final.seeds=[7]"]
    search(path, progress=Quiet(), edits=[*INLINE, *edits])
    _refit(study, *edits)
    assert list((study.output / "tensorboard" / "trial-0000").glob("events.*"))
    assert list((study.seed_folders()[0] / "runs").glob("events.*"))


def _refuse(name: str) -> None:
    raise AssertionError(f"JSON with {name}")


def test_best_and_train_refuses_an_unfinished_search(tmp_path: Path, token_study: Done) -> None:
    path = tmp_path / "ents.yaml"
    path.write_text(token_study.path.read_text().replace("dir: data", f"dir: {token_study.path.parent / 'data'}"))
    study = Done("ents", path, tmp_path / "runs" / "ents")
    with pytest.raises(StudyConflictError, match="nertune search"):
        _refit(study)
    search(path, progress=Quiet(), edits=[*INLINE, "search.trials=1"])
    with pytest.raises(StudyConflictError, match="--so-far"):
        _refit(study)
    assert [row["seed"] for row in _refit(study, "final.seeds=[7]", so_far=True).seeds] == [7]


def test_a_setting_edited_by_hand_is_used_and_marked(tmp_path: Path, token_study: Done) -> None:
    path = tmp_path / "ents.yaml"
    path.write_text(token_study.path.read_text().replace("dir: data", f"dir: {token_study.path.parent / 'data'}"))
    search(path, progress=Quiet(), edits=[*INLINE, "search.trials=1"])
    best = tmp_path / "runs" / "ents" / "best.yaml"
    best.write_text(best.read_text().replace("weight_decay: 0.0", "weight_decay: 0.25"))
    summary = _refit(Done("ents", path, best.parent), "final.seeds=[7]").summary
    assert summary["setting_edited_by_hand"]
    assert summary["setting"]["train.weight_decay"] == 0.25
    (folder,) = best.parent.glob("tiny-*_ents_*")
    assert len(folder.name.rpartition("-")[2]) == 8  # another key than the usual ones: the name says so
