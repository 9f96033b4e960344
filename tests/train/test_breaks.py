"""A fit that was broken off is, in the end, the one that was not."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from fits import digest, scripted

from nertune.train import breaks as breaks_module
from nertune.train.breaks import Breaks, read_checkpoint


@pytest.fixture
def fit_in_parts(run, tmp_path):
    """`fit_in_parts([1/9, 1/3], …)`: a fit that pauses so often; what each part left, the whole last."""

    def go(shares, *, key="the fit", **options):
        parts, found = [], None
        for number, share in enumerate([*shares, None]):
            file = tmp_path / f"part-{number}" / "fit.pt"
            parts.append(run(breaks=Breaks(file, found, key, pause_after=share), **options))
            found = file
        return parts

    return go


CASES = {
    "plain": {"epochs": 3, "batch_size": 8},
    "inside a pass": {"epochs": 2, "batch_size": 4, "schedule": "linear", "warmup_ratio": 0.3},
    "in micro-batches": {"epochs": 2, "batch_size": 6, "device_batch_size": 2},
    "shuffled": {"epochs": 2, "batch_size": 8, "batches": "shuffled"},
    "frozen encoder": {"epochs": 4, "freeze": "encoder"},
    "stages": {"stages": [{"epochs": 2, "freeze": "encoder"}, {"epochs": 2, "learning_rate": 1e-3, "patience": 1}]},
    "evaluated by steps": {"epochs": 3, "evaluate_every": 4},
    "evaluated late": {"epochs": 3, "evaluate_from": 2},
    "evaluated late by steps": {"epochs": 3, "evaluate_every": 4, "evaluate_from": 2},
    "steps that end inside a pass": {"epochs": 3, "max_steps": 13},
    "another optimizer": {"epochs": 2, "optimizer": "adafactor"},
    "sequences": {"task": "sequence", "epochs": 3},
    "bf16": {"precision": "bf16", "epochs": 2},
}


@pytest.mark.parametrize("shares", [[1 / 9, 1 / 3], [1 / 2], [0.01, 0.9]], ids=["thirds", "half", "ends"])
@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_pauses_comes_to_the_bits_of_one_that_does_not(run, fit_in_parts, case, shares):
    options = {"batch_size": 8, **CASES[case]}
    task = options.pop("task", "token")
    whole, parts = run(task, **options), fit_in_parts(shares, task=task, **options)
    last = parts[-1]
    assert [part.record.stopped for part in parts[:-1]] == ["pause"] * len(shares)
    assert (last.record.dev, last.record.best_step) == (whole.record.dev, whole.record.best_step)
    assert (last.record.steps, last.record.epochs) == (whole.record.steps, whole.record.epochs)
    assert digest(last.model) == digest(whole.model)
    told = {step.step for part in parts for step in part.told}
    assert told >= {step.step for step in whole.told}
    asked = [step for part in parts for step in part.asked]
    assert [step for step in asked if step in whole.asked] == whole.asked
    assert last.record.train["loss"] == pytest.approx(whole.record.train["loss"], rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"lora": {"rank": 2}}, {"model": {"crf": True}}, {"model": {"head": "mlp"}, "layer_decay": 0.7}],
    ids=["lora", "crf", "mlp"],
)
def test_adapters_and_other_heads_go_on_to_the_same_bits(learn, options, tmp_path):
    if "lora" in options:
        pytest.importorskip("peft")
    whole = learn("token", epochs=3, **options)
    file = tmp_path / "fit.pt"
    learn("token", epochs=3, breaks=Breaks(file, None, "fit", pause_after=0.4), **options)
    rest = learn("token", epochs=3, breaks=Breaks(tmp_path / "rest.pt", file, "fit"), **options)
    assert (rest.record.dev, digest(rest.model)) == (whole.record.dev, digest(whole.model))


def test_tuned_thresholds_of_the_best_epoch_outlive_a_break(learn, tmp_path):
    options = {"model": {"problem": "multi_label", "threshold": "tuned"}, "epochs": 3}
    whole = learn("token", **options)
    file = tmp_path / "fit.pt"
    learn("token", breaks=Breaks(file, None, "fit", pause_after=0.7), **options)
    rest = learn("token", breaks=Breaks(tmp_path / "rest.pt", file, "fit"), **options)
    assert rest.model.config.nertune["heads"] == whole.model.config.nertune["heads"]
    assert rest.record.dev == whole.record.dev


def test_a_pause_is_evaluated_where_it_is_and_says_the_best_so_far(run, tmp_path):
    part = run(epochs=3, batch_size=8, breaks=Breaks(tmp_path / "fit.pt", None, "fit", pause_after=0.5))
    assert [(step.step, step.epoch) for step in part.asked] == [(5, 1.0), (8, 1.6)]
    assert (part.record.steps, part.record.epochs) == (8, pytest.approx(1.6))
    assert part.record.dev.overall["f1"] == max(step.values["f1"] for step in part.asked)


def test_an_evaluation_for_a_pause_has_no_say_in_the_fit(run, tmp_path, monkeypatch):
    """The unbroken fit has scores 0.2, 0.3; the glance between them would be its best, and would end its patience."""
    file = tmp_path / "fit.pt"
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.2, 0.9]))
    part = run(epochs=2, patience=1, breaks=Breaks(file, None, "fit", pause_after=0.7))
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.3]))
    rest = run(epochs=2, patience=1, breaks=Breaks(tmp_path / "rest.pt", file, "fit"))
    assert (part.record.dev.overall["f1"], rest.record.dev.overall["f1"], rest.record.best_epoch) == (0.9, 0.3, 2.0)


def test_patience_counts_on_over_a_break(run, tmp_path, monkeypatch):
    file = tmp_path / "fit.pt"
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.5, 0.4]))
    run(epochs=6, patience=2, breaks=Breaks(file, None, "fit", pause_after=2 / 6))
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.3, 0.9]))
    rest = run(epochs=6, patience=2, breaks=Breaks(tmp_path / "rest.pt", file, "fit"))
    assert (rest.record.stopped, rest.record.epochs, rest.record.best_epoch) == ("patience", 3.0, 1.0)


def test_a_fit_whose_patience_ends_at_its_pause_is_over(run, tmp_path, monkeypatch):
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.5, 0.4]))
    done = run(epochs=6, patience=1, breaks=Breaks(tmp_path / "fit.pt", None, "fit", pause_after=2 / 6))
    assert (done.record.stopped, done.record.best_epoch) == ("patience", 1.0)
    assert not (tmp_path / "fit.pt").exists()


def test_a_pause_that_was_not_told_any_more_is_the_same_pause(run, tmp_path):
    file = tmp_path / "fit.pt"
    first = run(epochs=3, breaks=Breaks(file, None, "fit", pause_after=0.5))
    again = run(epochs=3, breaks=Breaks(tmp_path / "again.pt", file, "fit", pause_after=0.5))
    assert (again.told, again.asked) == ([], [])
    for name in ("dev", "steps", "epochs", "best_step", "stopped"):
        assert getattr(again.record, name) == getattr(first.record, name)


class StoppedError(Exception):
    """A process died."""


@pytest.mark.parametrize("dies_at", [6, 11, 14])
def test_a_fit_that_died_goes_on_from_its_last_epoch(run, tmp_path, dies_at):
    def die(step):
        if step.step >= dies_at:
            raise StoppedError

    whole = run(epochs=3)
    file, rest_file = tmp_path / "fit.pt", tmp_path / "rest.pt"
    with pytest.raises(StoppedError):
        run(epochs=3, tell=die, breaks=Breaks(file, None, "fit", every_s=0))
    rest = run(epochs=3, breaks=Breaks(rest_file, file, "fit", every_s=0))
    assert rest.told[0].step == (dies_at - 1) // 5 * 5 + 1
    assert (rest.record.dev, digest(rest.model)) == (whole.record.dev, digest(whole.model))
    assert rest.losses == whole.losses[-len(rest.losses) :]


def test_epochs_are_written_down_when_they_took_long_enough(run, tmp_path, monkeypatch):
    file = tmp_path / "fit.pt"
    run(epochs=2, breaks=Breaks(file, None, "fit", every_s=3600))
    assert not file.exists()
    run(epochs=2, breaks=Breaks(file, None, "fit", every_s=0))
    assert read_checkpoint(file, key="fit").epoch == 1  # the last one needs no checkpoint


def test_a_checkpoint_that_only_saves_time_leaves_the_disk_some_room(run, tmp_path, monkeypatch):
    monkeypatch.setattr(breaks_module, "LEFT_FREE", 2**60)
    file = tmp_path / "fit.pt"
    assert run(epochs=2, breaks=Breaks(file, None, "fit", every_s=0)).record.epochs == 2.0
    assert not file.exists()


@pytest.mark.parametrize("spoil", ["torn", "empty", "another fit's"])
def test_a_checkpoint_that_is_of_no_use_is_passed_over(run, tmp_path, spoil, capfd):
    file = tmp_path / "fit.pt"
    run(epochs=2, breaks=Breaks(file, None, "another" if spoil == "another fit's" else "fit", pause_after=0.5))
    if spoil != "another fit's":
        file.write_bytes(file.read_bytes()[: 1000 if spoil == "torn" else 0])
    whole, rest = run(epochs=2), run(epochs=2, breaks=Breaks(tmp_path / "rest.pt", file, "fit"))
    assert digest(rest.model) == digest(whole.model)
    assert "The fit begins anew" in capfd.readouterr().err


def test_a_checkpoint_is_there_whole_or_not_at_all(run, tmp_path, monkeypatch):
    file = tmp_path / "fit.pt"
    run(epochs=2, breaks=Breaks(file, None, "fit", pause_after=0.5))
    found = read_checkpoint(file, key="fit")

    def no_room(_value, stream):
        stream.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", no_room)
    with pytest.raises(OSError, match="No space left"):
        dataclasses.replace(found, epoch=7).write(file, key="fit")
    assert read_checkpoint(file, key="fit").epoch == found.epoch
    assert [path.name for path in tmp_path.glob("fit.*")] == ["fit.pt"]


def test_a_checkpoint_holds_what_learns_and_no_more(run, tmp_path):
    sizes = {}
    for freeze in ("none", "encoder"):
        file = tmp_path / f"{freeze}.pt"
        run(epochs=2, freeze=freeze, breaks=Breaks(file, None, "fit", pause_after=0.5))
        sizes[freeze] = set(read_checkpoint(file, key="fit").learned)
    assert sizes["encoder"] == {"classifier.weight", "classifier.bias"}
    assert len(sizes["none"]) > 20


@pytest.mark.parametrize("n_steps", [1, 2, 3, 9, 10, 100])
def test_a_share_of_a_fit_is_a_whole_step_of_it_and_never_its_last(n_steps, tmp_path):
    for share in (1 / 27, 1 / 9, 1 / 3, 2 / 3):
        step = Breaks(tmp_path, None, "", pause_after=share).pause_at(n_steps)
        assert step is None or 1 <= step < n_steps
        if n_steps * share > 1 and n_steps > 1:
            assert step is None or step == math.ceil(round(n_steps * share, 6))
