"""Seed runs of several folds: the averaged probabilities of models that load by themselves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from nertune.data.corpus import read_corpus
from nertune.data.store import join_examples
from nertune.models.build import build_model, load_saved
from nertune.protocols.kfold import assign_folds
from nertune.train.deciding import average
from nertune.train.predict import infer, read_outputs
from nertune.trials.splits import load_model, open_splits

ALL = ("train", "dev", "test")
AVERAGE = {"kfold": 2, "final": "average"}


def rows(folder, prefix):
    return [json.loads(line) for line in (folder / f"{prefix}_predictions.jsonl").read_text().splitlines()]


def probabilities(folder, texts):
    """What a saved classifier says of texts, by plain transformers: [N, L]."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return np.stack([model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1).numpy() for text in texts])


@pytest.fixture(scope="module")
def shared():
    """What the tests of this module make once."""
    return {}


@pytest.fixture
def averaged(job, run, shared, tmp_path_factory):
    """A finished seed run on texts: its job, in a folder that stays, and its outcome."""
    if not shared:
        own = job("seed", task="sequence", splits=ALL, protocol=AVERAGE, batch_size=4)
        outcome, _ = run(own)
        shared["folder"] = Path(shutil.copytree(own.path, tmp_path_factory.mktemp("averaged") / "seed"))
        shared["job"], shared["outcome"] = own, outcome
    return shared


def test_test_is_scored_by_the_mean_of_the_fold_models_probabilities(averaged):
    folder, study = averaged["folder"], averaged["job"].study
    test = read_corpus(study.data, task="sequence", splits=ALL).splits["test"].examples
    texts = [example.text for example in test]
    mean = np.mean([probabilities(folder / name, texts) for name in ("fold-1", "fold-2")], axis=0)
    told = rows(folder, "test")
    found = np.array([[row["probabilities"][label] for label in ("bad", "good", "mixed")] for row in told])
    assert found == pytest.approx(mean, abs=2e-6)
    predicted = [("bad", "good", "mixed")[label] for label in mean.argmax(-1)]
    assert [row["predicted"] for row in told] == predicted
    assert (folder / "test_predictions.txt").read_text().splitlines() == predicted


def test_dev_is_out_of_fold(averaged):
    folder, study = averaged["folder"], averaged["job"].study
    splits = read_corpus(study.data, task="sequence").splits
    examples = join_examples([splits[name].examples for name in ("train", "dev")], task="sequence")
    folds, told = assign_folds(examples, n_folds=2, split=None), rows(folder, "eval")
    assert len(told) == len(examples) == 51
    for fold in (0, 1):
        mine = np.flatnonzero(folds == fold)
        said = probabilities(folder / f"fold-{fold + 1}", [examples[int(row)].text for row in mine])
        found = np.array([list(told[row]["probabilities"].values()) for row in mine])
        assert found == pytest.approx(said, abs=2e-6)


def test_dev_scores_are_of_all_out_of_fold_predictions_and_those_of_each_fold_are_kept(averaged):
    from sklearn.metrics import f1_score

    scores, told = averaged["outcome"]["scores"], rows(averaged["folder"], "eval")
    assert set(scores) == {"dev", "dev_1", "dev_2", "test"}
    gold, predicted = [row["gold"] for row in told], [row["predicted"] for row in told]
    assert scores["dev"]["overall"]["f1"] == pytest.approx(f1_score(gold, predicted, average="macro"))
    results = json.loads((averaged["folder"] / "eval_results.json").read_text())
    assert results["eval_folds"]["2"] == scores["dev_2"]["overall"]
    sizes = [(results["eval_samples"], scores["dev"]["overall"]["loss"])]
    assert sizes == [(51, pytest.approx(_mean_loss(told)))]


def _mean_loss(told):
    return float(np.mean([-np.log(row["probabilities"][row["gold"]]) for row in told]))


def test_a_seed_folder_of_folds_says_how_each_was_made(averaged):
    from nertune.spec.load import load_study

    folder = averaged["folder"]
    for name in ("fold-1", "fold-2"):
        assert {"config.json", "model.safetensors", "tokenizer.json", "spec.yaml"} <= {
            path.name for path in (folder / name).iterdir()
        }
        assert load_study(folder / name / "spec.yaml").protocol.kfold == 2
    trained = json.loads((folder / "train_results.json").read_text())
    assert trained["train_samples"] == 26  # half of 51


def test_kept_weights_give_the_same_scores_without_a_fit(averaged, run, tmp_path, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr("nertune.trials.fits.fit", None)
    (tmp_path / "again").mkdir()
    again = replace(averaged["job"], folder=str(tmp_path / "again"), weights=str(averaged["folder"]))
    again = replace(again, encoded=str(tmp_path / "encoded"))
    outcome, _ = run(again)
    assert outcome == averaged["outcome"]


def test_tags_of_a_crf_are_those_of_the_averaged_probabilities(job, run):
    own = job("seed", splits=ALL, protocol=AVERAGE, epochs=2, batch_size=4, model={"crf": True})
    run(own)
    test = open_splits(own, load_model(own))["test"]
    bases = [load_saved(str(own.path / name)) for name in ("fold-1", "fold-2")]
    said = [infer(build_model(base, seed=0), test, device="cpu", precision="fp32")[""] for base in bases]
    mean = average(said, head=bases[0].heads[0], encoded=test)
    assert mean.probabilities == pytest.approx(np.mean([one.probabilities for one in said], axis=0), abs=1e-6)
    tags = read_outputs({"": mean}, encoded=test, heads=bases[0].heads).tags
    assert (own.path / "test_predictions.txt").read_text().splitlines() == [" ".join(one) for one in tags]


def test_a_part_of_train_leaves_scores_and_no_weights(job, run):
    own = job("seed", splits=ALL, data={"size": 50}, epochs=1, keeps_weights=False)
    outcome, _ = run(own)
    assert set(outcome["scores"]) == {"dev", "test"}
    assert not list(own.path.rglob("*.safetensors"))
    assert json.loads((own.path / "all_results.json").read_text())["train_samples"] == 20
