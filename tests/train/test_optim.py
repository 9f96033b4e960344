"""A point's `train` section in the words of transformers 5.23."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from transformers import Adafactor

from nertune.errors import ModelError
from nertune.models.build import build_model
from nertune.train.fit import FitTrainer
from nertune.train.optim import check_optimizer, known_optimizers, parameter_groups, training_arguments
from nertune.train.parts import Freezer
from nertune.train.stages import plan_stages


@pytest.fixture
def arguments(study, tmp_path):
    def make(device="cpu", evaluates=True, n_parts=1, precision="fp32", steps_per_epoch=100, **train):
        spec = study("token", **train)
        size = spec.train.batch_size // n_parts
        batches = SimpleNamespace(steps_per_epoch=steps_per_epoch, n_parts=n_parts, part_size=size)
        (stage,) = plan_stages(spec, steps_per_epoch=steps_per_epoch)
        return training_arguments(
            stage, batches=batches, seed=3, device=device, precision=precision, folder=tmp_path, evaluates=evaluates
        )

    return make


def test_every_key_of_train_arrives(arguments):
    args = arguments(
        n_parts=4, batch_size=32, epochs=5, learning_rate=1e-4, weight_decay=0.1, warmup_ratio=0.06, schedule="cosine",
        max_grad_norm=0.5, beta1=0.8, beta2=0.95, epsilon=1e-6, label_smoothing=0.2, evaluate_every=25,
        optimizer="adafactor", max_steps=450,
    )  # fmt: skip
    assert (args.per_device_train_batch_size, args.gradient_accumulation_steps) == (8, 4)
    assert (args.num_train_epochs, args.learning_rate, args.weight_decay, args.max_grad_norm) == (5, 1e-4, 0.1, 0.5)
    assert (args.adam_beta1, args.adam_beta2, args.adam_epsilon) == (0.8, 0.95, 1e-6)
    assert (args.lr_scheduler_type, args.get_warmup_steps(1000), args.label_smoothing_factor) == ("cosine", 60, 0.2)
    assert (args.eval_strategy, args.eval_steps, args.seed) == ("steps", 25, 3)
    assert (args.optim, args.max_steps) == ("adafactor", 450)


def test_steps_that_epochs_do_not_reach_are_no_limit(arguments):
    assert arguments(epochs=2, max_steps=200).max_steps == arguments(epochs=2).max_steps == -1


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
    before = weights(build_model(material().base, seed=1))
    plain, decayed = (weights(run(epochs=1, batch_size=40, weight_decay=decay).model) for decay in (0.0, 10.0))
    changed = {name for name in plain if not plain[name].equal(decayed[name])}
    assert changed == {name for name in before if "bias" not in name and "LayerNorm" not in name}


@pytest.fixture
def rates(material, study):
    """`rates("sequence", layer_decay=0.5)`: (learning rate, weight decay) of each parameter that learns."""

    def find(task="token", **train):
        base, own = material(task).base, study(task, **train).train
        model = build_model(base, seed=1)
        Freezer(model, base=base).freeze(own)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        decayed = [name for name in names.values() if "bias" not in name and "LayerNorm" not in name]
        groups = parameter_groups(model, train=own, base=base, decayed=decayed)
        assert groups[0]["lr"] == own.learning_rate
        found = {
            names[id(parameter)]: (group["lr"], group["weight_decay"])
            for group in groups
            for parameter in group["params"]
        }
        assert set(found) == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        return found

    return find


def test_without_options_there_is_one_rate_and_decay_for_all_but_biases_and_norms(rates):
    found = rates(learning_rate=1e-3, weight_decay=0.1)
    assert set(found.values()) == {(1e-3, 0.1), (1e-3, 0.0)}
    assert all(decay == (0.0 if "bias" in name or "LayerNorm" in name else 0.1) for name, (_, decay) in found.items())


def test_each_layer_learns_at_a_share_of_the_rate_of_the_one_above_it(rates):
    found = rates("sequence", learning_rate=1e-3, layer_decay=0.5)
    parts = {"embeddings": 0.25, "encoder.layer.0": 0.5, "encoder.layer.1": 1.0, "pooler": 1.0, "classifier": 1.0}
    for part, share in parts.items():
        own = [rate for name, (rate, _) in found.items() if part in name]
        assert own
        assert own == pytest.approx([1e-3 * share] * len(own))


def test_the_head_and_a_new_pooler_have_a_rate_and_decay_of_their_own(rates):
    found = rates("sequence", learning_rate=1e-3, head_learning_rate=5e-3, weight_decay=0.1, head_weight_decay=0.0)
    head = {name for name in found if "classifier" in name or "pooler" in name}  # the checkpoint has no pooler
    assert all(found[name] == (5e-3, 0.0) for name in head)
    assert {found[name][0] for name in found.keys() - head} == {1e-3}
    assert found["bert.encoder.layer.0.output.dense.weight"] == (1e-3, 0.1)


def test_layer_decay_reaches_the_weights(run, weights, material):
    start = weights(build_model(material().base, seed=1))
    slow = weights(run(epochs=1, layer_decay=1e-9, learning_rate=1e-3).model)
    moved = {name for name, tensor in slow.items() if (tensor - start[name]).abs().max() > 1e-6}
    upper = {name for name in start if "layer.1" in name or "classifier" in name}
    assert upper - moved <= {"bert.encoder.layer.1.attention.self.key.bias"}  # softmax does not feel it
    assert moved <= upper


OWN_MOMENTS = {"adamw_torch", "adamw_torch_fused"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw_torch", torch.optim.AdamW),
        ("adafactor", Adafactor),
        ("sgd", torch.optim.SGD),
        ("adagrad", torch.optim.Adagrad),
        ("rmsprop", torch.optim.RMSprop),
    ],
)
def test_an_optimizer_of_the_trainer_trains_by_its_own_rule(run, monkeypatch, name, kind):
    made = []
    monkeypatch.setattr(FitTrainer, "let_go", lambda trainer: made.append(trainer.optimizer.optimizer))
    done = run(epochs=2, optimizer=name, beta1=0.7, beta2=0.8, epsilon=1e-5)
    assert isinstance(made[0], kind)
    assert all(math.isfinite(loss) for loss in done.losses)
    assert done.losses != run(epochs=2).losses
    if name in OWN_MOMENTS:
        assert {(group["betas"], group["eps"]) for group in made[0].param_groups} == {((0.7, 0.8), 1e-5)}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("adamw_torch_fuse", r"does not know\n.*train.optimizer: adamw_torch_fused"),
        ("galore_adamw", r"needs more than a name and is not offered"),
        ("paged_lion_8bit", r"needs the package bitsandbytes.*\n.*pip install bitsandbytes"),
        ("schedule_free_adamw", r"pip install schedulefree"),
        ("stable_adamw", r"pip install torch-optimi"),
    ],
)
def test_an_optimizer_that_cannot_be_used_is_told_with_a_way_out(monkeypatch, name, told):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(ModelError, match=told):
        check_optimizer(name)


def test_most_of_the_trainers_optimizers_are_known():
    known = known_optimizers()
    assert {"adamw_torch_fused", "adafactor", "sgd", "lion_8bit", "schedule_free_adamw"} <= set(known)
    assert not {"lomo", "apollo_adamw", "adamw_torch_xla"} & set(known)
