"""Every key of `model`, `train` and `stages` changes what a fit does; the other sections have tests of their own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from nertune.spec.study import HeadOptions, HeadSpec, LoraSpec, ModelSpec, StageSpec, TrainSpec

MLP = {"head": "mlp", "hidden": [24]}
MULTI = {"problem": "multi_label"}
# key -> (task, keys of model, keys of train) that it is changed from, and the value that it is changed to
MODEL = {
    "head": ("token", {}, {}, "mlp"),
    "hidden": ("token", MLP, {}, [12, 12]),
    "activation": ("token", MLP, {}, "tanh"),
    "head_dropout": ("token", MLP, {}, 0.5),
    "crf": ("token", {}, {}, True),
    "crf_constraints": ("token", {"crf": True}, {}, False),
    "problem": ("sequence", {}, {}, "multi_label"),
    "threshold": ("sequence", MULTI, {}, 0.05),
    "config": ("token", {}, {}, {"hidden_dropout_prob": 0.4}),
    "reinit_layers": ("token", {}, {}, 1),
    "pieces": ("token", {}, {}, "all"),
    "pooling": ("sequence", {}, {}, "mean"),
    "heads": ("token", {}, {}, {"one": {"labels": ["LOC"]}, "two": {"labels": ["PER"]}}),
    "tokenizer_options": ("token", {}, {}, {"model_max_length": 10}),
    "lower_case": ("token", {}, {}, True),
}
TRAIN = {
    "epochs": ("token", {}, {}, 2),
    "max_steps": ("token", {}, {}, 2),
    "batch_size": ("token", {}, {}, 4),
    "device_batch_size": ("token", {}, {}, 3),
    "learning_rate": ("token", {}, {}, 1e-3),
    "head_learning_rate": ("token", {}, {}, 1e-2),
    "layer_decay": ("token", {}, {}, 0.5),
    "weight_decay": ("token", {}, {}, 0.5),
    "head_weight_decay": ("token", {}, {}, 0.5),
    "freeze": ("token", {}, {}, "encoder"),
    "top_layers": ("token", {}, {}, 1),
    "warmup_ratio": ("token", {}, {}, 0.5),
    "schedule": ("token", {}, {}, "linear"),
    "max_grad_norm": ("token", {}, {}, 0.1),
    "patience": ("token", {}, {"epochs": 6, "learning_rate": 1e-12}, 1),
    "evaluate_every": ("token", {}, {}, 2),
    "evaluate_from": ("token", {}, {"epochs": 2}, 1.5),
    "label_smoothing": ("token", {}, {}, 0.3),
    "loss": ("token", {}, {}, "focal"),
    "focal_gamma": ("token", {}, {"loss": "focal"}, 5.0),
    "balance": ("token", {}, {}, 1.0),
    "optimizer": ("token", {}, {}, "sgd"),
    "beta1": ("token", {}, {}, 0.5),
    "beta2": ("token", {}, {}, 0.5),
    "epsilon": ("token", {}, {}, 1e-2),
    "batches": ("token", {}, {}, "shuffled"),
    "precision": ("token", {}, {}, "bf16"),
    "max_pieces": ("token", {}, {}, 10),
    "overlap_pieces": ("token", {}, {"max_pieces": 12}, 0),
    "truncate": ("sequence", {}, {"max_pieces": 8}, "tail"),
    "lora": ("token", {}, {}, {"rank": 2}),
    "callbacks": ("token", {}, {}, ["tests.train.test_every_key:Stop"]),
}
STAGE = {name: value[3] for name, value in TRAIN.items() if name in StageSpec.model_fields}
LORA = {"rank": 1, "alpha": 64.0, "dropout": 0.9, "targets": ["query"]}
# What is shown elsewhere: where these keys point at, or what they call results.
ELSEWHERE = {
    "model.name": "tests/workflows/test_end_to_end.py",
    "model.base": "tests/models/test_build.py",
    "model.tokenizer": "tests/workflows/test_end_to_end.py",
    "model.checkpoint": "tests/models/test_checkpoint.py",
    "model.checkpoint_strict": "tests/models/test_checkpoint.py",
}


class Stop(TrainerCallback):
    """A callback as users write them: ends the fit after its second step."""

    def on_step_end(self, _args, state, control, **_):
        control.should_training_stop = state.global_step >= 2


def digest(done):
    """What a fit came to: its steps, scores and weights."""
    told = repr((done.losses, done.record.steps, done.record.dev.overall, [step.step for step in done.asked]))
    weights = b"".join(tensor.numpy().tobytes() for tensor in done.model.state_dict().values())
    return hashlib.sha256(told.encode() + weights).hexdigest()


KNOWN = {}  # digests of fits that several tests compare with


@pytest.fixture
def outcome(learn):
    """`outcome(task, model, train)`: the digest of a fit of one epoch."""

    def go(*words, **more):
        if (key := repr((words, more))) not in KNOWN:
            KNOWN[key] = run(*words, **more)
        return KNOWN[key]

    def run(task, model, train, **more):
        options = {"epochs": 1, **train}
        precision = options.pop("precision", "fp32")
        return digest(learn(task, model, precision=precision, **options, **more))

    return go


@pytest.mark.parametrize("key", MODEL)
def test_every_key_of_model_changes_a_fit(outcome, key):
    task, model, train, value = MODEL[key]
    assert outcome(task, {**model, key: value}, train) != outcome(task, model, train)


@pytest.mark.parametrize("key", TRAIN)
def test_every_key_of_train_changes_a_fit(outcome, key):
    if key == "lora":
        pytest.importorskip("peft")
    task, model, train, value = TRAIN[key]
    assert outcome(task, model, {**train, key: value}) != outcome(task, model, train)


@pytest.mark.parametrize("key", STAGE)
def test_every_key_of_a_stage_changes_a_fit(outcome, key):
    task, model, train, _ = TRAIN[key]
    stages = [{"epochs": 3 if key == "patience" else 1}, {"epochs": 1}]
    changed = [{**stages[0], key: STAGE[key]}, stages[1]]
    assert outcome(task, model, train, stages=changed) != outcome(task, model, train, stages=stages)


@pytest.mark.parametrize("key", LORA)
def test_every_key_of_lora_changes_a_fit(outcome, key):
    pytest.importorskip("peft")
    assert outcome("token", {}, {"lora": {key: LORA[key]}}) != outcome("token", {}, {"lora": {}})


@pytest.mark.parametrize("key", [key for key in HeadSpec.model_fields if key not in ("labels", "problem", "threshold")])
def test_every_key_of_one_head_of_several_changes_a_fit(outcome, key):
    _, model, train, value = MODEL.get(key, ("token", {}, {}, 3.0))  # `weight` alone is no key of the only head
    first = {"labels": ["LOC"], **model}
    heads = {"one": {**first, key: value}, "two": {"labels": ["PER"]}}
    plain = {"one": first, "two": {"labels": ["PER"]}}
    assert outcome("token", {"heads": heads}, train) != outcome("token", {"heads": plain}, train)


def test_no_key_of_a_fit_is_left_out():
    known = {"model": MODEL, "train": TRAIN}
    for name, section in {"model": ModelSpec, "train": TrainSpec}.items():
        elsewhere = {key.partition(".")[2] for key in ELSEWHERE if key.startswith(f"{name}.")}
        assert set(section.model_fields) == {*known[name], *elsewhere}
    assert set(StageSpec.model_fields) == set(STAGE)
    assert set(LoraSpec.model_fields) == set(LORA)
    assert set(HeadOptions.model_fields) <= set(MODEL)
    root = Path(__file__).parents[2]
    assert all(key.partition(".")[2] in (root / file).read_text("utf-8") for key, file in ELSEWHERE.items())
    assert torch.get_num_threads() == 1  # digests are of bits
