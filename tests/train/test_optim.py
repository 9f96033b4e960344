"""A point's `train` section in the words of transformers 5.23."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nertune.train.optim import training_arguments


@pytest.fixture
def arguments(study, tmp_path):
    def make(device="cpu", evaluates=True, n_parts=1, precision="fp32", steps_per_epoch=100, **train):
        own = study("token", **train).train
        batches = SimpleNamespace(steps_per_epoch=steps_per_epoch, n_parts=n_parts, part_size=own.batch_size // n_parts)
        return training_arguments(
            own, batches=batches, seed=3, device=device, precision=precision, folder=tmp_path, evaluates=evaluates
        )

    return make


def test_every_key_of_train_arrives(arguments):
    args = arguments(
        n_parts=4, batch_size=32, epochs=5, learning_rate=1e-4, weight_decay=0.1, warmup_ratio=0.06, schedule="cosine",
        max_grad_norm=0.5,        beta1=0.8, beta2=0.95, epsilon=1e-6, label_smoothing=0.2, evaluate_every=25,
    )  # fmt: skip
    assert (args.per_device_train_batch_size, args.gradient_accumulation_steps) == (8, 4)
    assert (args.num_train_epochs, args.learning_rate, args.weight_decay, args.max_grad_norm) == (5, 1e-4, 0.1, 0.5)
    assert (args.adam_beta1, args.adam_beta2, args.adam_epsilon) == (0.8, 0.95, 1e-6)
    assert (args.lr_scheduler_type, args.get_warmup_steps(1000), args.label_smoothing_factor) == ("cosine", 60, 0.2)
    assert (args.eval_strategy, args.eval_steps, args.seed) == ("steps", 25, 3)


def test_the_traps_of_transformers_are_closed(arguments):
    args = arguments()
    assert args.logging_nan_inf_filter is False  # it writes 0.0 for NaN
    assert args.dataloader_pin_memory is False  # warns without CUDA
    assert args.save_strategy == "no"
    assert args.report_to == []
    assert args.device.type == "cpu"
    assert args.optim == "adamw_torch_fused"


def test_without_dev_nothing_is_evaluated(arguments):
    assert arguments(evaluates=False, evaluate_every=5).eval_strategy == "no"


@pytest.mark.parametrize(("steps_per_epoch", "interval"), [(3, 1), (40, 4), (10_000, 50)])
def test_training_is_recorded_ten_times_an_epoch_and_at_least_every_50_steps(arguments, steps_per_epoch, interval):
    assert arguments(steps_per_epoch=steps_per_epoch).logging_steps == interval


def test_a_second_gpu_is_to_be_made_visible_alone(arguments):
    with pytest.raises(ValueError, match="make another GPU visible alone"):
        arguments(device="cuda:1")


@pytest.mark.parametrize(
    ("schedule", "shares"), [("linear", [1.0, 0.5, 0.1]), ("cosine", [1.0, 0.5, 0.0245]), ("constant", [1.0, 1.0, 1.0])]
)
def test_schedules_fall_as_their_names_say(run, schedule, shares):
    done = run(epochs=2, schedule=schedule)  # 10 steps
    rates = [step.values["learning_rate"] / 3e-3 for step in done.told]
    assert [rates[0], rates[5], rates[9]] == pytest.approx(shares, abs=1e-3)


def test_weight_decay_spares_biases_and_norms(run, weights, material):
    from nertune.models.build import build_model

    before = weights(build_model(material().base, seed=1))
    plain, decayed = (weights(run(epochs=1, batch_size=40, weight_decay=decay).model) for decay in (0.0, 10.0))
    changed = {name for name in plain if not plain[name].equal(decayed[name])}
    assert changed == {name for name in before if "bias" not in name and "LayerNorm" not in name}
