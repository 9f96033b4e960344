"""Stages: each does what `train` says, with its own keys in it."""

from __future__ import annotations

import pytest

from nertune.spec.rules import contradictions
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec


def study(*stages, space=None, **train):
    """A study with these stages."""
    return StudySpec.model_validate(
        {"name": "any", "task": "token", "data": {"dir": "."}, "model": {"base": "any"}, "output": "any"}
        | {"train": train, "stages": stages, "search": {"space": space or {}}}
    )


def test_without_stages_there_is_one_as_train_says():
    spec = study(epochs=7)
    assert spec.stage_settings == (spec.train,)
    assert spec.total_epochs == 7


def test_what_a_stage_does_not_say_is_as_in_train():
    first, second = study(
        {"epochs": 2, "learning_rate": 1e-3}, {"patience": 3}, epochs=9, weight_decay=0.1
    ).stage_settings
    assert (first.epochs, first.learning_rate, first.weight_decay, first.patience) == (2, 1e-3, 0.1, None)
    assert (second.epochs, second.learning_rate, second.weight_decay, second.patience) == (9, 5e-5, 0.1, 3)


@pytest.mark.parametrize(
    ("own", "freeze", "top_layers"),
    [
        ({}, "encoder", 5),
        ({"freeze": "none"}, "none", None),
        ({"top_layers": 3}, "none", 3),
        ({"freeze": "embeddings", "top_layers": 2}, "embeddings", 2),
    ],
)
def test_a_stage_that_says_what_is_frozen_says_all_of_it(own, freeze, top_layers):
    (settings,) = study(own, freeze="encoder", top_layers=5).stage_settings
    assert (settings.freeze, settings.top_layers) == (freeze, top_layers)


def test_a_searched_key_of_a_stage_reaches_its_setting():
    spec = study({"epochs": 1}, {"epochs": 2}, space={"stages.1.epochs": [2, 5], "train.lora.rank": [4]})
    point = apply_point(spec, {"stages.1.epochs": 5, "train.lora.rank": 4})
    assert (point.total_epochs, point.stage_settings[0].lora.rank) == (6, 4)


@pytest.mark.parametrize(
    ("stages", "is_refused"),
    [
        ([], True),
        ([{}, {"freeze": "encoder"}], True),
        ([{}, {"freeze": "none"}], False),
        ([{}, {"top_layers": 1}], False),
    ],
)
def test_adapters_under_an_encoder_that_never_learns_are_refused(stages, is_refused):
    found = contradictions(study(*stages, freeze="encoder", lora={}))
    assert [one.key for one in found] == ["train.lora"] * is_refused
