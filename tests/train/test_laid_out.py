"""Weights that are laid out once say what they say in their own order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nertune.models.build import build_model
from nertune.train import laid_out as laid_out_module
from nertune.train import predict as predict_module
from nertune.train.laid_out import laid_out
from nertune.train.packed import linear_parts, pack
from nertune.train.predict import infer

sizes = st.sampled_from([1, 3, 16, 33, 64, 384])
BF16 = 2.0**-8  # relative, of a number's last digit


def product(part: nn.Linear, given: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        return part(given)


@given(n_rows=sizes, n_in=sizes, n_out=sizes, bias=st.booleans(), seed=st.integers(0, 99))
def test_a_product_is_the_same_but_for_rounding(n_rows, n_in, n_out, bias, seed):
    torch.manual_seed(seed)
    part, rows = nn.Linear(n_in, n_out, bias=bias), torch.randn(n_rows, n_in)
    plain = product(part, rows)
    with laid_out([part]):
        quick = product(part, rows)
    assert quick.dtype == plain.dtype == torch.bfloat16
    torch.testing.assert_close(quick, plain, rtol=BF16, atol=BF16)
    assert torch.equal(product(part, rows), plain)


def test_new_weights_are_laid_out_anew():
    part, rows = nn.Linear(8, 8), torch.randn(4, 8)
    with laid_out([part]):
        old = product(part, rows)
    with torch.no_grad():
        part.weight.mul_(2.0)
        part.bias.mul_(2.0)
    with laid_out([part]):
        torch.testing.assert_close(product(part, rows), 2 * old, rtol=BF16, atol=BF16)


def test_after_an_error_all_is_as_before():
    part = nn.Linear(8, 8)

    def fail():
        assert "forward" in vars(part)
        raise MemoryError

    with pytest.raises(MemoryError), laid_out([part]):
        fail()
    assert "forward" not in vars(part)


def test_a_part_that_somebody_changed_stays_so():
    part = nn.Linear(8, 8)
    part.forward = lambda given: given + 1
    with laid_out([part]):
        assert torch.equal(part(torch.zeros(8)), torch.ones(8))
    assert torch.equal(part(torch.zeros(8)), torch.ones(8))


@pytest.mark.parametrize("lacking", ["an operation", "bf16"])
def test_where_torch_or_the_processor_lacks_it_nothing_is_changed(monkeypatch, lacking):
    if lacking == "bf16":
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    else:
        monkeypatch.setattr(laid_out_module, "OPERATIONS", ("_no_such_operation",))
    part = nn.Linear(8, 8)
    with laid_out([part]):
        assert "forward" not in vars(part)


@pytest.mark.parametrize("task", ["token", "sequence"])
def test_predictions_in_bf16_are_the_same_but_for_rounding(material, monkeypatch, task):
    own = material(task)
    model = build_model(own.base, seed=1)
    used = []
    layers_of = predict_module.linear_parts
    monkeypatch.setattr(predict_module, "linear_parts", lambda one: used.append(layers_of(one)) or used[-1])

    def probabilities():
        return infer(model, own.dev, device="cpu", precision="bf16", max_pieces=40)[""].probabilities

    quick = probabilities()
    assert len(used[0]) == 6 * model.config.num_hidden_layers
    monkeypatch.setattr(predict_module, "linear_parts", lambda _: [])
    np.testing.assert_allclose(quick, probabilities(), atol=4 * BF16)


def test_in_fp32_nothing_is_laid_out(material, monkeypatch):
    own = material("token")
    monkeypatch.setattr(predict_module, "linear_parts", lambda _: pytest.fail("asked for"))
    infer(build_model(own.base, seed=1), own.dev, device="cpu", precision="fp32")


def test_parts_of_somebody_elses_making_are_left_alone(material):
    class Adapted(nn.Linear):
        """Such as LoRA's."""

    model = build_model(material("token").base, seed=1)
    assert linear_parts(model) == []  # not packed
    pack(model)
    every = linear_parts(model)
    assert {id(one) for one in every} <= {id(one) for one in model.base_model.modules()}
    model.base_model.encoder.layer[0].attention.self.query.__class__ = Adapted
    assert len(linear_parts(model)) == len(every) - 1
