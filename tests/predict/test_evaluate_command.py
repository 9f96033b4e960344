"""`nertune evaluate`: the scores of the seed run again, and what they do not tell."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import yaml

from nertune.workflows import evaluate


def scores_of(results, *, prefix="test"):
    left_out = ("runtime", "samples", "samples_per_second", "labels")
    own = {name.removeprefix(f"{prefix}_"): value for name, value in results.items() if name.startswith(f"{prefix}_")}
    return {name: value for name, value in own.items() if name not in left_out}


@pytest.mark.parametrize("name", ["tagger", "classifier", "multi_classifier"])
def test_scores_are_those_of_the_seed_run(name, request):
    trained = request.getfixturevalue(name)
    (file,) = trained.data.glob("test.*")
    told = evaluate(trained.seeds[0], file, device="cpu")
    results = trained.results()
    assert told["scores"] == pytest.approx(scores_of(results), abs=1e-6)
    assert told["labels"] == results["test_labels"]


def test_a_study_and_a_folder_are_scored_on_test_or_the_split_that_is_named(classifier):
    (file,) = classifier.data.glob("dev.*")
    alone = evaluate(classifier.seeds[0], file)["scores"]
    assert evaluate(classifier.seeds[0], classifier.study, split="dev")["scores"] == alone
    told = evaluate(classifier.seeds[0], classifier.data)
    assert (told["split"], told["scores"]) == ("test", pytest.approx(scores_of(classifier.results()), abs=1e-6))


@pytest.mark.parametrize(
    ("split", "settings", "is_warned"),
    [
        ("train", {}, True),
        ("dev", {}, False),
        ("dev", {"final": {"train_with_dev": True}}, True),
        ("dev", {"protocol": {"kfold": 3}}, True),
        ("test", {"final": {"train_with_dev": True}}, False),
    ],
)
def test_scores_on_what_the_model_learned_from_come_with_a_warning(classifier, tmp_path, split, settings, is_warned):
    model = shutil.copytree(classifier.seeds[0], tmp_path / "model")
    spec = yaml.safe_load((model / "spec.yaml").read_text())
    (model / "spec.yaml").write_text(yaml.safe_dump({**spec, **settings}))
    said = []
    evaluate(model, classifier.study, split=split, tell=said.append)
    assert any("far too hopeful" in line for line in said) is is_warned


def test_long_work_tells_how_much_is_left(classifier, monkeypatch):
    monkeypatch.setattr("nertune.workflows.run_evaluate.NEWS_EVERY_S", 0.0)
    said = []
    evaluate(classifier.seeds[0], classifier.data, tell=said.append)
    assert any(re.fullmatch(r"15 of 15, about \d+\.\ds left", line) for line in said), said


def test_matches_agree_with_scores_and_confusions(tagger, tmp_path):
    gold = "Ada B-PER\nlives O\nin O\nNew B-LOC\nYork I-LOC\n. O\n\nOslo B-LOC\nlives B-PER\nAlan I-PER\nTuring I-PER\n"
    (tmp_path / "hard.txt").write_text(gold)
    told = evaluate(tagger.seeds[0], tmp_path / "hard.txt")
    strict = told["matching"]["strict"]
    assert [strict[key] for key in ("precision", "recall", "f1")] == [
        pytest.approx(told["scores"][key]) for key in ("precision", "recall", "f1")
    ]
    assert told["matching"]["partial"]["f1"] >= strict["f1"]
    entities = told["confusion"]["entities"]
    assert sum(n for row in entities if row for n in entities[row].values()) == 4
    words = told["confusion"]["words"]
    assert sum(n for row in words.values() for n in row.values()) == told["words"] == 10


def test_labels_that_the_model_does_not_know_are_told_and_count_as_missed(tagger, classifier, nertune, tmp_path):
    (tmp_path / "new.txt").write_text("Ada B-PER\nsings O\n\nMars B-PLANET\n")
    code, out, err = nertune("evaluate", tagger.seeds[0], "new.txt", "--json")
    told = json.loads(out)
    assert (code, told["unknown"], told["labels"]["PLANET"]["support"]) == (0, {"PLANET": 1}, 1)
    assert "labels that the model does not know, which count as missed: PLANET 1" in err
    assert "data.rename={PLANET: NAME}" in err  # there are two that it knows
    _, out, err = nertune("evaluate", tagger.seeds[0], "new.txt", "--json", "--set", "data.rename={PLANET: LOC}")
    assert (json.loads(out)["unknown"], err) == ({}, "")
    (tmp_path / "new.tsv").write_text("text\tlabel\na fine film\tgood\na film\tneutral\n")
    told = evaluate(classifier.seeds[0], tmp_path / "new.tsv")
    assert (told["unknown"], told["scores"]["accuracy"] <= 0.5) == ({"neutral": 1}, True)
    assert told["confusion"]["texts"]["neutral"]


def test_labels_are_renamed_and_chosen_as_in_the_models_own_study(tagger, nertune, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tagger.seeds[0], folder)
    spec = folder / "spec.yaml"
    text = spec.read_text()
    assert "keep: null" in text
    spec.write_text(text.replace("keep: null", "keep: [PER, LOC]").replace("rename: {}", "rename: {PERSON: PER}"))
    (tmp_path / "new.txt").write_text("Ada B-PERSON\nsings O\n\nMars B-PLANET\n")
    _, out, err = nertune("evaluate", folder, "new.txt", "--json")
    assert set(json.loads(out)["labels"]) <= {"PER", "LOC"}
    assert "As in the model's study: data.rename={PERSON: PER}, data.keep=[PER]" in err


def test_several_labels_on_a_text_are_confused_by_what_is_missing_and_superfluous(multi_classifier):
    told = evaluate(multi_classifier.folder, multi_classifier.data / "test.tsv")
    assert len(told["models"]) == 2
    assert set(told["confusion"]["texts"]) <= {"", "fun", "bore", "film"}


def test_tables_keep_to_80_columns_and_the_result_is_written_as_json(tagger, classifier, nertune, tmp_path):
    for trained in (tagger, classifier):
        code, out, _ = nertune("evaluate", trained.seeds[0], trained.study, "--output", "told.json")
        assert code == 0
        assert max(len(line) for line in out.splitlines()[1:]) <= 80
        assert json.loads((tmp_path / "told.json").read_text())["split"] == "test"


def test_a_study_of_another_task_is_refused(tagger, classifier, nertune):
    code, _, err = nertune("evaluate", tagger.seeds[0], classifier.study)
    assert (code, "is a sequence study, but the model is for token tasks" in err) == (2, True)
