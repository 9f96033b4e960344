"""Frozen parts stay as they are to the bit, without gradients and without dropout; the others learn."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nertune.errors import ModelError
from nertune.models.build import build_model
from nertune.train.parts import Freezer

LOWER, UPPER = "bert.encoder.layer.0.", "bert.encoder.layer.1."
EMBEDDINGS, POOLER, HEAD = "bert.embeddings.", "bert.pooler.", "classifier."


@pytest.fixture
def pooled(material):
    """The base of a sequence task whose checkpoint has a pooler."""
    base = material("sequence").base
    tensors = build_model(base, seed=9).state_dict()
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(HEAD)}
    return dataclasses.replace(base, tensors=kept, missing=("classifier.bias", "classifier.weight"))


@pytest.mark.parametrize(
    ("options", "learns"),
    [
        ({}, {EMBEDDINGS, LOWER, UPPER, POOLER, HEAD}),
        ({"freeze": "embeddings"}, {LOWER, UPPER, POOLER, HEAD}),
        ({"freeze": "encoder"}, {HEAD}),
        ({"top_layers": 1}, {UPPER, POOLER, HEAD}),
        ({"top_layers": 2, "freeze": "encoder"}, {LOWER, UPPER, POOLER, HEAD}),
        ({"top_layers": 0}, {POOLER, HEAD}),
    ],
)
def test_only_what_is_not_frozen_changes(run, pooled, weights, options, learns):
    start = weights(build_model(pooled, seed=1))
    end = weights(run("sequence", base=pooled, epochs=2, learning_rate=1e-2, **options).model)
    changed = {name for name in start if not torch.equal(start[name], end[name])}
    parts = [EMBEDDINGS, LOWER, UPPER, POOLER, HEAD]
    assert {part for part in parts if any(name.startswith(part) for name in changed)} == learns


def test_a_new_pooler_learns_under_a_frozen_encoder(run, material, weights):
    start = weights(build_model(material("sequence").base, seed=1))
    end = weights(run("sequence", freeze="encoder", epochs=1).model)
    assert {name for name in start if not torch.equal(start[name], end[name])} == {
        name for name in start if name.startswith((POOLER, HEAD))
    }


def modes(model):
    return {name for name, module in model.named_modules() if module.training}


@pytest.mark.parametrize(("options", "still"), [({"freeze": "encoder"}, UPPER), ({"top_layers": 1}, LOWER)])
def test_frozen_parts_run_without_dropout_while_the_model_trains(material, study, options, still):
    base = material().base
    model = build_model(base, seed=1)
    freezer = Freezer(model, base=base)
    freezer.freeze(study(**options).train)
    seen = []
    model.register_forward_pre_hook(lambda *_: seen.append(modes(model)))
    model.train()(input_ids=torch.arange(5, 15)[None])
    assert not any(name.startswith((EMBEDDINGS, LOWER, still)) for name in seen[0])
    assert "dropout" in seen[0]  # the head's own
    freezer.release()
    model.train()(input_ids=torch.arange(5, 15)[None])
    assert EMBEDDINGS + "dropout" in seen[1]


def test_a_frozen_encoder_gives_the_same_encodings_at_every_step(material, study):
    base = material().base
    model = build_model(base, seed=1)
    Freezer(model, base=base).freeze(study(freeze="encoder").train)
    encodings = []
    model.bert.register_forward_hook(lambda _module, _inputs, output: encodings.append(output.last_hidden_state))
    for _ in range(2):
        model.train()(input_ids=torch.arange(5, 15)[None]).logits.sum().backward()
    assert torch.equal(*encodings)
    assert not encodings[0].requires_grad  # nothing of it is kept for a backward pass
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_layers_drawn_anew_learn_under_a_frozen_encoder(run, material, weights):
    base = material().base
    anew = tuple(sorted({*base.missing, *(name for name in base.tensors if name.startswith(UPPER))}))
    kept = {name: tensor for name, tensor in base.tensors.items() if name not in anew}
    drawn = dataclasses.replace(base, tensors=kept, missing=anew)
    start = weights(build_model(drawn, seed=1))
    end = weights(run(base=drawn, freeze="encoder", epochs=1).model)
    changed = {name for name in start if not torch.equal(start[name], end[name])}
    assert all(name.startswith((UPPER, HEAD)) for name in changed)
    assert UPPER + "output.dense.weight" in changed


def test_the_fitted_model_can_be_trained_on_as_any_other(run):
    model = run(freeze="encoder", epochs=1).model
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not model._forward_pre_hooks


def test_the_best_epoch_of_a_frozen_fit_comes_back(run, weights):
    whole = run(epochs=3, freeze="encoder", learning_rate=1e-2)
    until = run(epochs=3, freeze="encoder", learning_rate=1e-2, dev=False, stop_after_epoch=whole.record.best_epoch)
    first, second = weights(whole.model), weights(until.model)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_more_top_layers_than_there_are_is_told(run):
    with pytest.raises(ModelError, match=r"train.top_layers is 3, but the encoder has 2 layers"):
        run(top_layers=3)
