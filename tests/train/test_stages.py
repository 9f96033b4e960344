"""Stages follow each other on one model, and count on."""

from __future__ import annotations

import json

import pytest
import torch
from fits import same, scripted
from hypothesis import given
from hypothesis import strategies as st

from nertune.models.build import build_model
from nertune.spec.study import StudySpec
from nertune.train.stages import plan_stages

HEAD_FIRST = [{"epochs": 2, "freeze": "encoder", "learning_rate": 1e-2}, {"epochs": 3, "top_layers": 1}]


def test_one_stage_with_the_values_of_train_is_no_stage_to_the_bit(run):
    plain = run(epochs=2, learning_rate=1e-3, weight_decay=0.1)
    assert same(plain, run(epochs=9, stages=[{"epochs": 2, "learning_rate": 1e-3, "weight_decay": 0.1}]))


def test_the_same_stages_twice_give_the_same_bits(run):
    assert same(run(stages=HEAD_FIRST), run(stages=HEAD_FIRST))


def test_steps_epochs_and_rates_count_on_with_a_schedule_for_each_stage(run, tmp_path):
    done = run(stages=HEAD_FIRST, learning_rate=3e-3)  # 5 steps an epoch
    assert [step.step for step in done.told] == list(range(1, 26))
    assert [step.epoch for step in done.asked] == [1.0, 2.0, 3.0, 4.0, 5.0]
    rates = [step.values["learning_rate"] for step in done.told]
    assert (rates[0], rates[10]) == pytest.approx((1e-2, 3e-3))
    assert rates[9] < 2e-3
    assert rates[24] < 3e-4
    assert (done.record.steps, done.record.epochs) == (25, 5.0)
    assert done.record.best_epoch >= 3.0
    state = json.loads((tmp_path / "fit" / "trainer_state.json").read_text())
    assert (state["global_step"], state["max_steps"], state["num_train_epochs"]) == (25, 25, 5)
    assert [entry["step"] for entry in state["log_history"] if "grad_norm" in entry] == list(range(1, 26))
    assert done.record.train["runtime"] == sum(
        entry["train_runtime"] for entry in state["log_history"] if "train_runtime" in entry
    )


def test_each_stage_trains_its_own_parts(run, material, weights):
    start = weights(build_model(material().base, seed=1))
    first = weights(run(stages=HEAD_FIRST, stop_after_epoch=2, dev=False).model)
    last = weights(run(stages=HEAD_FIRST, dev=False).model)
    lower, upper = "bert.encoder.layer.0.output.dense.weight", "bert.encoder.layer.1.output.dense.weight"
    assert torch.equal(first[upper], start[upper])
    assert not torch.equal(first["classifier.weight"], start["classifier.weight"])
    assert torch.equal(last[lower], start[lower])
    assert not torch.equal(last[upper], start[upper])


def test_later_stages_see_other_batches_and_other_dropout(run, monkeypatch):
    seen = []
    monkeypatch.setattr("nertune.train.fit.TrainBatches.set_epoch", lambda batches, epoch: seen.append(epoch))
    run(stages=HEAD_FIRST)
    assert seen == [0, 1, 2, 3, 4]


def test_the_best_epoch_is_one_of_the_last_stage(run, monkeypatch):
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.9, 0.8, 0.1, 0.3, 0.2]))
    done = run(stages=HEAD_FIRST)
    assert (done.record.best_epoch, done.record.best_step, done.record.dev.overall["f1"]) == (4.0, 20, 0.3)


def test_a_stage_with_patience_hands_on_its_best_weights_and_counts_as_a_whole_one(run, monkeypatch, weights):
    """Stopped after its third of five epochs, its first being best: the next stage starts from there, at epoch 5."""
    stages = [{"epochs": 5, "patience": 2}, {"epochs": 1, "learning_rate": 1e-30}]
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.5, 0.4, 0.3, 0.2]))
    done = run(stages=stages)
    assert [step.epoch for step in done.asked] == [1.0, 2.0, 3.0, 6.0]
    assert [step.step for step in done.told][14:16] == [15, 26]
    assert (done.record.best_epoch, done.record.stopped) == (6.0, None)
    monkeypatch.undo()
    first = weights(run(epochs=5, stop_after_epoch=1, dev=False).model)
    assert all(torch.allclose(first[name], tensor, atol=1e-12) for name, tensor in weights(done.model).items())


def test_a_stage_without_patience_hands_on_its_last_weights(run, monkeypatch, weights):
    stages = [{"epochs": 2}, {"epochs": 1, "learning_rate": 1e-30}]
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.5, 0.4, 0.2]))
    done = run(stages=stages)
    monkeypatch.undo()
    last = weights(run(epochs=2, dev=False).model)
    assert all(torch.allclose(last[name], tensor, atol=1e-12) for name, tensor in weights(done.model).items())


def test_a_verdict_in_an_earlier_stage_ends_the_fit(run):
    done = run(stages=HEAD_FIRST, answer="stop")
    assert (done.record.stopped, done.record.steps, len(done.asked)) == ("verdict", 5, 1)


@pytest.mark.parametrize(("stop", "steps"), [(1, 5), (2, 10), (4, 20)])
def test_stopping_after_an_epoch_counts_through_the_stages(run, stop, steps):
    whole, cut = run(stages=HEAD_FIRST, dev=False), run(stages=HEAD_FIRST, dev=False, stop_after_epoch=stop)
    assert [step.values for step in cut.told] == [step.values for step in whole.told[:steps]]
    assert (cut.record.epochs, cut.record.best_epoch) == (stop, stop)


def test_max_steps_bounds_the_whole_and_ends_the_schedule(run):
    done = run(stages=HEAD_FIRST, max_steps=13)
    assert (done.record.steps, done.record.epochs) == (13, 2.6)
    rates = [step.values["learning_rate"] for step in done.told[10:]]
    assert rates == pytest.approx([3e-3, 2e-3, 1e-3])
    assert done.asked[-1].step == 13


def test_max_steps_without_stages_ends_inside_an_epoch_and_is_scored_there(run):
    done = run(epochs=4, max_steps=7)
    assert [step.step for step in done.asked] == [5, 7]
    assert done.told[-1].values["learning_rate"] == pytest.approx(3e-3 / 7)


def test_bf16_stages_leave_a_model_that_computes_in_float32(run):
    done = run(stages=HEAD_FIRST, precision="bf16")
    seen = []
    done.model.bert.encoder.layer[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    done.model(input_ids=torch.arange(5, 15)[None])
    assert seen == [torch.float32]


def test_tensorboard_files_of_all_stages_lie_in_one_folder(run, tmp_path):
    pytest.importorskip("tensorboard")
    run(stages=HEAD_FIRST, tensorboard=True)
    files = list((tmp_path / "fit").rglob("events.out.tfevents.*"))
    assert {file.parent.name for file in files} == {"runs"}
    assert len(files) == 2


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(1, 7),
    st.none() | st.integers(1, 60),
    st.none() | st.integers(1, 20),
)
def test_stages_join_without_gaps_up_to_the_first_bound(epochs, per_epoch, max_steps, stop):
    spec = StudySpec.model_validate(
        {"name": "any", "task": "token", "data": {"dir": "."}, "model": {"base": "any"}, "output": "any"}
        | {"train": {"max_steps": max_steps}, "stages": [{"epochs": number} for number in epochs]}
    )
    stages = plan_stages(spec, steps_per_epoch=per_epoch, stop_after_epoch=stop)
    assert stages[0].first_step == 0
    assert [stage.first_step for stage in stages[1:]] == [stage.end_step for stage in stages[:-1]]
    assert all(stage.n_steps > 0 for stage in stages)
    assert [stage.is_last for stage in stages] == [False] * (len(stages) - 1) + [True]
    assert all(stage.first_step == stage.first_epoch * per_epoch for stage in stages)
    whole = sum(epochs) * per_epoch
    if stop is None:
        assert stages[-1].end_step == min(whole, max_steps or whole)
