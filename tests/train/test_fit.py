"""A fit: what it learns, records, keeps and refuses."""

from __future__ import annotations

import pytest
import torch
from fits import scripted
from transformers import Trainer, TrainingArguments

from nertune.models.build import build_model
from nertune.models.losses import cross_entropy
from nertune.train.batches import TrainBatches, collate
from nertune.train.fit import NonFiniteError
from nertune.train.predict import predict

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.mark.parametrize("task", ["token", "sequence"])
def test_a_tiny_model_learns_its_task(run, task):
    done = run(task, epochs=12, batch_size=4, schedule="constant", learning_rate=2e-3)
    assert done.record.dev.overall["f1"] > 0.7
    assert done.losses[-1] < done.losses[0] / 3


def test_records_tell_loss_rate_and_gradient_several_times_and_at_each_epochs_end(run):
    done = run(epochs=3, batch_size=4, warmup_ratio=0.5)  # 10 steps an epoch
    assert [step.step for step in done.told] == list(range(1, 31))
    assert {"loss", "learning_rate", "grad_norm"} == set(done.told[0].values)
    rates = [step.values["learning_rate"] for step in done.told]
    assert max(rates) == pytest.approx(3e-3)
    assert rates.index(max(rates)) == 15
    assert [(step.step, step.epoch, step.split) for step in done.asked] == [
        (10, 1.0, "dev"),
        (20, 2.0, "dev"),
        (30, 3.0, "dev"),
    ]


def test_an_epochs_last_step_is_recorded_when_the_interval_misses_it(run, monkeypatch):
    monkeypatch.setattr("nertune.train.optim.RECORDS_PER_EPOCH", 2)
    done = run(epochs=1, batch_size=6)  # 7 steps, a record every 3
    assert [step.step for step in done.told] == [3, 6, 7]


def test_accumulated_parts_give_the_gradients_and_losses_of_the_whole_batch(run, weights):
    whole = run(batch_size=32, epochs=2, config=NO_DROPOUT)
    parts = run(batch_size=32, device_batch_size=8, epochs=2, config=NO_DROPOUT)
    assert parts.losses == pytest.approx(whole.losses, abs=1e-5)
    norms = [[step.values["grad_norm"] for step in done.told] for done in (parts, whole)]
    assert norms[0] == pytest.approx(norms[1], abs=1e-5)  # transformers' own loss makes them 4 times as large


def test_one_steps_gradients_agree_parameter_by_parameter(material):
    own = material("token", **NO_DROPOUT)

    def gradients(device_batch_size):
        model = build_model(own.base, seed=1)
        parts = list(
            TrainBatches(own.train, batch_size=32, device_batch_size=device_batch_size, order="grouped", seed=1)
        )
        step = parts[: 32 // device_batch_size]
        n_items = sum(int(part["labels"][""].ne(-100).sum()) for part in step)
        for part in step:
            assert part.pop("n_items") == {"": n_items}
            labels = part.pop("labels")[""]
            cross_entropy(model(**part).logits, labels, n_items=n_items).backward()
        return [parameter.grad for parameter in model.parameters()]

    for whole, summed in zip(gradients(32), gradients(8), strict=True):
        assert torch.allclose(whole, summed, atol=1e-5, rtol=0)


def test_the_best_epoch_is_strictly_better_and_the_earliest_on_ties(run, monkeypatch):
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.2, 0.5, 0.5, 0.4]))
    done = run(epochs=4)
    assert (done.record.best_epoch, done.record.best_step, done.record.dev.overall["f1"]) == (2.0, 10, 0.5)
    assert (done.record.epochs, done.record.steps, done.record.stopped) == (4.0, 20, None)


@pytest.mark.parametrize("best", [1, 2, 4])
def test_the_model_comes_back_with_the_weights_of_the_best_epoch(run, monkeypatch, weights, best):
    monkeypatch.setattr(
        "nertune.train.fit.score_predictions", scripted([float(epoch == best) for epoch in range(1, 5)])
    )
    done = run(epochs=4)
    until_best = run(epochs=4, stop_after_epoch=best, dev=False)  # the same fit, ended there
    first, second = weights(done.model), weights(until_best.model)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_loss_as_the_objective_is_minimised(run, monkeypatch):
    done = run(epochs=4, search={"objective": "loss"})
    losses = [step.values["loss"] for step in done.asked]
    assert done.record.dev.overall["loss"] == min(losses)


def test_patience_ends_a_fit_that_no_longer_gets_better(run, monkeypatch):
    monkeypatch.setattr("nertune.train.fit.score_predictions", scripted([0.5, 0.6, 0.6, 0.1, 0.9]))
    done = run(epochs=9, patience=2)
    assert (done.record.stopped, done.record.epochs, done.record.best_epoch) == ("patience", 4.0, 2.0)


def test_a_verdict_of_stop_is_obeyed_at_once(run):
    done = run(epochs=5, answer=lambda step: "stop" if step.epoch >= 2 else "continue")
    assert (done.record.stopped, done.record.steps, len(done.asked)) == ("verdict", 10, 2)


def test_evaluation_every_n_steps_and_at_the_end(run):
    done = run(epochs=2, evaluate_every=4)  # 10 steps
    assert [step.step for step in done.asked] == [4, 8, 10]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"epochs": 4, "evaluate_from": 2}, [10, 15, 20]),
        ({"epochs": 4, "evaluate_from": 2.5}, [15, 20]),
        ({"epochs": 2, "evaluate_from": 9}, [10]),
        ({"epochs": 2, "evaluate_every": 3, "evaluate_from": 1}, [6, 9, 10]),
        ({"epochs": 2, "evaluate_every": 3, "evaluate_from": 9}, [10]),
        ({"epochs": 4, "max_steps": 12, "evaluate_from": 3}, [12]),
        ({"stages": [{"epochs": 2}, {"epochs": 2}], "evaluate_from": 2}, [10, 20]),
    ],
)
def test_evaluation_from_an_epoch_on_and_at_the_end_of_each_stage(run, options, steps):
    assert [step.step for step in run(**options).asked] == steps


def test_evaluations_that_are_left_out_change_no_other(run):
    every, late = run(epochs=4), run(epochs=4, evaluate_from=3)
    assert late.asked == every.asked[2:]
    assert late.losses == every.losses


def test_without_dev_the_last_weights_are_kept_and_nothing_is_asked(run):
    done = run(dev=False, epochs=2)
    assert (done.record.dev, done.record.best_epoch, done.asked) == (None, 2.0, [])


def test_stopping_after_an_epoch_keeps_the_schedule_of_all_epochs(run):
    whole, cut = run(epochs=4), run(epochs=4, stop_after_epoch=2)
    assert [step.values for step in cut.told] == [step.values for step in whole.told[:10]]
    assert cut.record.epochs == 2.0


def test_a_fit_that_is_stopped_after_an_epoch_is_evaluated_there(run):
    assert [step.step for step in run(epochs=3, evaluate_every=4, stop_after_epoch=2).asked] == [4, 8, 10]


def test_a_fit_is_what_a_plain_trainer_does_with_the_same_batches(run, material, weights, tmp_path):
    """The whole corpus as one batch, so that order cannot matter; no dropout."""
    own = material(**NO_DROPOUT)
    options = {
        "num_train_epochs": 3,
        "learning_rate": 3e-3,
        "weight_decay": 0.1,
        "warmup_steps": 0.4,
        "max_grad_norm": 0.5,
    }
    args = TrainingArguments(str(tmp_path), per_device_train_batch_size=40, report_to="none", use_cpu=True, **options)
    plain = build_model(own.base, seed=1)
    batch = collate(own.train, range(40))
    batch["labels"] = batch["labels"][""]
    rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
    Trainer(plain, args=args, train_dataset=rows).train()
    done = run(
        epochs=3, batch_size=40, weight_decay=0.1, warmup_ratio=0.4, max_grad_norm=0.5, dev=False, config=NO_DROPOUT
    )
    for name, tensor in weights(done.model).items():
        assert torch.allclose(tensor, plain.state_dict()[name], atol=2e-4), name


def test_label_smoothing_changes_the_training_loss_and_not_the_reported_one(run, material):
    plain, smooth = run(epochs=1, learning_rate=1e-12), run(epochs=1, learning_rate=1e-12, label_smoothing=0.3)
    assert smooth.losses[0] != pytest.approx(plain.losses[0], rel=1e-3)
    assert smooth.record.dev.overall["loss"] == pytest.approx(plain.record.dev.overall["loss"], rel=1e-6)


def test_smoothing_is_applied_once(run, material):
    """The Trainer has a smoother of its own, which label_smoothing_factor wakes."""
    own = material(**NO_DROPOUT)
    done = run(epochs=1, label_smoothing=0.3, config=NO_DROPOUT, batch_size=40)
    batch = collate(own.train, range(40))
    labels = batch.pop("labels")[""]
    logits = build_model(own.base, seed=1)(**batch).logits
    by_hand = cross_entropy(logits, labels, n_items=int(labels.ne(-100).sum()), smoothing=0.3).item()
    assert done.losses[0] == pytest.approx(by_hand, rel=1e-5)


class Spoiled:
    """A loss that is spoiled at its n-th call."""

    def __init__(self, at, spoil):
        self.at, self.spoil, self.calls = at, spoil, 0

    def __call__(self, logits, labels, **options):
        self.calls += 1
        loss = cross_entropy(logits, labels, **options)
        return self.spoil(loss, logits) if self.calls == self.at else loss


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda loss, logits: loss * float("nan"), "loss"),
        (lambda loss, logits: loss * float("inf"), "loss"),
        (lambda loss, logits: loss + (logits.sum() * 0).sqrt(), "gradient norm"),  # the value is fine, its slope is not
    ],
)
def test_a_loss_or_gradient_that_is_not_finite_ends_the_fit_at_that_step(run, monkeypatch, spoil, what):
    losses = run(epochs=2).losses
    monkeypatch.setattr("nertune.models.losses.cross_entropy", Spoiled(3, spoil))
    with pytest.raises(NonFiniteError) as caught:
        run(epochs=2)
    assert (caught.value.what, caught.value.step) == (what, 3)
    assert caught.value.last_finite_loss == pytest.approx(losses[1])


def test_a_fit_prints_nothing(run, capfd):
    run(epochs=1)
    assert capfd.readouterr() == ("", "")


def test_tensorboard_files_are_written_when_asked(run, tmp_path):
    pytest.importorskip("tensorboard")
    run(epochs=1)
    assert not (tmp_path / "fit" / "runs").exists()
    run(epochs=1, tensorboard=True)
    assert list((tmp_path / "fit" / "runs").glob("events.out.tfevents.*"))


def test_the_returned_model_computes_in_float32_after_a_bf16_fit(run, material):
    """accelerate wraps `forward` on the instance: a model that is not unwrapped stays in bf16 for ever."""
    done = run(precision="bf16", epochs=1)
    layer = done.model.bert.encoder.layer[0].attention.output.dense
    seen = []
    layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    predict(done.model, material().dev, device="cpu", precision="fp32")
    assert set(seen) == {torch.float32}


def test_a_bf16_fit_computes_in_bf16_and_keeps_its_weights_in_float32(run, monkeypatch):
    seen = []
    plain = torch.bmm

    def watched(*args, **kwargs):
        result = plain(*args, **kwargs)
        seen.append(result.dtype)
        return result

    monkeypatch.setattr(torch, "bmm", watched)
    done = run(precision="bf16", epochs=1)
    assert set(seen) == {torch.bfloat16}
    assert {parameter.dtype for parameter in done.model.parameters()} == {torch.float32}
