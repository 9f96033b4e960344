"""What a point asks of a model is looked at before time is spent."""

from __future__ import annotations

import pytest

from nertune.errors import HookError, ModelError
from nertune.models.build import build_model
from nertune.train.recipe import check_recipe


@pytest.fixture
def check(material, study):
    """`check(top_layers=3)`: of a point with these keys of `train`."""

    def go(**train):
        base = material().base
        check_recipe(build_model(base, seed=1), base=base, spec=study(**train))

    return go


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"optimizer": "adamm"}, ModelError, r"train.optimizer is 'adamm'"),
        ({"top_layers": 3}, ModelError, r"train.top_layers is 3, but the encoder has 2"),
        ({"stages": [{}, {"top_layers": 4}]}, ModelError, r"stages.1.top_layers is 4, but"),
        ({"stages": [{"freeze": "encoder"}, {}], "top_layers": 4}, ModelError, r"train.top_layers is 4"),
        ({"callbacks": ["no_such_module:Name"]}, HookError, r"train.callbacks: no_such_module:Name"),
        ({"lora": {"targets": ["qery"]}}, ModelError, r"train.lora"),
    ],
)
def test_a_point_that_cannot_be_trained_is_refused_at_its_key(check, options, error, told):
    with pytest.raises(error, match=told):
        check(**options)


def test_a_point_that_can_be_trained_passes(check):
    check(stages=[{"freeze": "encoder"}, {"top_layers": 2, "layer_decay": 0.9}], optimizer="adafactor")
