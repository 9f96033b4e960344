"""Trials of several fits: what they come to is what the fits come to by hand."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest

from nertune.data.corpus import read_corpus
from nertune.data.examples import Split
from nertune.data.store import join_examples
from nertune.protocols.kfold import assign_folds
from nertune.tasks.cache import encode_or_open
from nertune.train.fit import NonFiniteError, fit
from nertune.trials import splits as trial_splits
from nertune.trials.splits import fold_splits, learned_name, learned_split, load_model, open_splits


def by_hand(job, *, train, dev, seed=42):
    """The dev scores of a fit on these examples."""
    loaded = load_model(job)

    def encode(examples):
        return encode_or_open(
            Split("some", tuple(examples), "0" * 64),
            labels=job.labels,
            tokenizer=loaded.tokenizer,
            spec=job.study,
            position_limit=64,
            folder=job.path / "by-hand",
        )

    record, _ = fit(
        loaded.base,
        train=encode(train),
        dev=encode(dev),
        spec=job.study,
        seed=seed,
        device="cpu",
        precision="fp32",
        folder=job.path,
        tell=lambda _: None,
        ask=lambda _: "continue",
    )
    return record


@pytest.fixture(scope="module")
def shared():
    """What is run once for this module."""
    return {}


@pytest.fixture
def two_folds(job, run, shared):
    """A trial of two folds and two epochs: its job, outcome and line."""
    if not shared:
        own = job(protocol={"kfold": 2}, epochs=2)
        shared["done"] = own, *run(own)
    return shared["done"]


def test_a_kfold_trial_is_the_mean_of_its_folds_fitted_one_by_one(two_folds):
    own, outcome, _ = two_folds
    corpus = read_corpus(own.study.data, task="token")
    examples = join_examples([corpus.splits[name].examples for name in ("train", "dev")], task="token")
    is_dev = [assign_folds(examples, n_folds=2, split=None) == fold for fold in (0, 1)]
    cut = [[examples.take(np.flatnonzero(rows)) for rows in (~own_dev, own_dev)] for own_dev in is_dev]
    records = [by_hand(own, train=train, dev=dev) for train, dev in cut]
    scores = outcome["scores"]
    assert [scores[f"dev_{number}"]["overall"] for number in (1, 2)] == [one.dev.overall for one in records]
    assert scores["dev"]["overall"]["f1"] == statistics.fmean(one.dev.overall["f1"] for one in records)
    assert outcome["best_epoch"] == statistics.fmean(one.best_epoch for one in records)


def test_a_repeated_trial_is_the_mean_of_fits_with_seeds_that_follow_each_other(job, run):
    own = job(protocol={"repeat": 2}, seed=7, epochs=1, batch_size=4)
    outcome, _ = run(own)
    corpus = read_corpus(own.study.data, task="token")
    train, dev = (corpus.splits[name].examples for name in ("train", "dev"))
    records = [by_hand(own, train=train, dev=dev, seed=seed) for seed in (7, 8)]
    scores = outcome["scores"]
    assert [scores[f"dev_{number}"]["overall"] for number in (1, 2)] == [one.dev.overall for one in records]
    assert scores["dev"]["overall"]["loss"] == statistics.fmean(one.dev.overall["loss"] for one in records)
    assert records[0].dev.overall["loss"] != records[1].dev.overall["loss"]


def test_the_curves_of_the_fits_stay_apart_and_the_trials_own_has_a_moment_for_each_fit(two_folds):
    _, outcome, line = two_folds
    curves = {}
    for record in (*line.told, *line.asked):
        curves.setdefault(record["split"], []).append(record["step"])
    assert set(curves) == {"train_1", "dev_1", "train_2", "dev_2", "dev"}
    assert all(steps == sorted(set(steps)) for steps in curves.values())
    assert [len(curves[name]) for name in ("dev_1", "dev_2", "dev")] == [2, 2, 2]
    last = [record for record in line.asked if record["split"] == "dev"][-1]
    assert last["values"] == outcome["scores"]["dev"]["overall"]
    assert (last["epoch"], last["step"]) == (4.0, sum(curves[name][-1] for name in ("dev_1", "dev_2")))


def test_a_verdict_of_stop_ends_a_trial_after_whole_fits_only(job, run):
    outcome, line = run(job(protocol={"kfold": 3}, epochs=2), verdict="stop")
    assert [record["split"] for record in line.asked] == ["dev_1", "dev_1", "dev"]
    assert outcome["scores"]["dev"] == outcome["scores"]["dev_1"]


def test_folds_are_the_same_for_every_point_and_worker(job):
    jobs = [
        job(protocol={"kfold": 3}),
        job(protocol={"kfold": 3}, learning_rate=1e-5),
        job("seed", protocol={"kfold": 3}),
    ]
    parts = []
    for own in jobs:
        trial_splits._folds.cache_clear()  # as in a worker of its own
        parts.append(fold_splits(own, open_splits(own, load_model(own)), fold=1))
    places = [[[str(example.where) for example in part.examples] for part in pair] for pair in parts]
    assert places[0] == places[1] == places[2]
    assert not set(places[0][0]) & set(places[0][1])
    assert len(places[0][0]) + len(places[0][1]) == 60


@pytest.mark.parametrize(("splits", "n_learned"), [(("train",), 40), (("train", "dev"), 60)])
def test_folds_are_of_train_and_of_dev_where_there_is_one(job, splits, n_learned):
    own = job("seed", protocol={"kfold": 2}, splits=(*splits, "test"))
    opened = open_splits(own, load_model(own))
    assert sum(part.n_examples for part in fold_splits(own, opened, fold=1)) == n_learned
    assert learned_split(own, opened).n_examples == n_learned
    assert set(opened) == {learned_name(own), "test"}


def test_a_seed_is_refitted_on_all_folds_for_so_many_epochs_and_has_no_dev_scores(job, run):
    own = job("seed", protocol={"kfold": 2}, splits=("train", "dev", "test"), stop_after_epoch=1, epochs=3)
    outcome, _ = run(own)
    results = json.loads((own.path / "all_results.json").read_text())
    assert (results["train_samples"], results["epoch"]) == (60, 1.0)
    assert set(outcome["scores"]) == {"test"}


def test_data_size_leaves_a_part_of_each_folds_train_and_all_of_its_dev(job):
    whole, part = (job(protocol={"kfold": 2}, data={"size": size}) for size in (100, 50))
    (all_train, all_dev), (train, dev) = (
        fold_splits(own, open_splits(own, load_model(own)), fold=0) for own in (whole, part)
    )
    assert (train.n_examples, dev.n_examples) == (round(all_train.n_examples / 2), all_dev.n_examples)
    assert {example.where for example in train.examples} < {example.where for example in all_train.examples}
    assert learned_split(part, open_splits(part, load_model(part))).n_examples == 30


def test_a_fit_that_is_not_finite_is_named(job, run, monkeypatch):
    calls = []

    def spoiled(*args, **keywords):
        calls.append(keywords["seed"])
        if len(calls) == 2:
            raise NonFiniteError("loss", step=3, last_finite_loss=0.5)
        return fit(*args, **keywords)

    monkeypatch.setattr("nertune.trials.fits.fit", spoiled)
    with pytest.raises(NonFiniteError, match=r"^fold 2: loss is not finite at step 3"):
        run(job(protocol={"kfold": 3}, epochs=1))
    assert calls == [42, 42]


def test_a_trial_of_several_fits_pauses_between_them_and_goes_on_without_those_that_are_over(job, run):
    options = {"protocol": {"repeat": 3}, "epochs": 1}
    whole, _ = run(job(**options))
    first = job(**options, pause_after=1 / 3)
    paused, line = run(first)
    assert (paused["paused"], [record["split"] for record in line.asked]) == (True, ["dev_1", "dev"])
    rest, line = run(job(**options, resume=str(first.checkpoint_path)))
    assert [record["split"] for record in line.asked] == ["dev_2", "dev", "dev_3", "dev"]
    assert (rest["scores"], rest["paused"]) == (whole["scores"], False)


def test_a_pause_that_was_not_told_any_more_is_told_again(job, run):
    options = {"protocol": {"repeat": 3}, "epochs": 1, "pause_after": 1 / 3}
    first = job(**options)
    paused, _ = run(first)
    again, line = run(job(**options, resume=str(first.checkpoint_path)))
    assert (again, line.asked) == (paused, [])


@pytest.mark.parametrize("change", [{"learning_rate": 1e-5}, {"seed": 7}, {"protocol": {"repeat": 4}}])
def test_fits_of_another_trial_are_not_taken_for_this_ones(job, run, change):
    first = job(protocol={"repeat": 3}, epochs=1, pause_after=1 / 3)
    run(first)
    _, line = run(job(**{"protocol": {"repeat": 3}, "epochs": 1, "resume": str(first.checkpoint_path), **change}))
    assert line.asked[0]["split"] == "dev_1"


def test_fits_in_a_torn_file_are_done_again(job, run):
    first = job(protocol={"repeat": 2}, epochs=1, pause_after=1 / 2)
    run(first)
    (first.checkpoint_path / "fits.json").write_text('{"key": "')
    _, line = run(job(protocol={"repeat": 2}, epochs=1, resume=str(first.checkpoint_path)))
    assert line.asked[0]["split"] == "dev_1"


def test_a_checkpoint_of_another_setting_is_not_gone_on_from(job, run, capfd):
    first = job(epochs=2, pause_after=1 / 2)
    run(first)
    changed, whole = (
        job(epochs=2, learning_rate=1e-5, resume=str(first.checkpoint_path)),
        job(epochs=2, learning_rate=1e-5),
    )
    assert run(changed)[0] == run(whole)[0]
    assert "the checkpoint is passed over" in capfd.readouterr().err


def test_fewer_examples_at_once_go_on_from_the_same_checkpoint(job, run):
    """After a fit ran out of memory it is tried again with half of them."""
    first = job(epochs=2, pause_after=1 / 2)
    run(first)
    _, line = run(job(epochs=2, resume=str(first.checkpoint_path), device_batch_size=2))
    assert line.told[0]["epoch"] > 1
