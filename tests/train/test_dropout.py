"""Dropout on a CPU drops what `nn.Dropout` would drop, as often, and leaves nothing in the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForTokenClassification

from nertune.models.build import build_model
from nertune.train.checkpoints import save_model
from nertune.train.dropout import LANES, LaneDropout, dropout_mask, use_cpu_dropout

N = 400_003  # not a multiple of four


@pytest.mark.parametrize("p", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_values_are_dropped_with_probability_p_and_the_mean_stays(p):
    torch.manual_seed(1)
    mask = dropout_mask(torch.ones(N), p=p)
    sd = (p * (1 - p) / N) ** 0.5
    assert (mask == 0).double().mean().item() == pytest.approx(p, abs=4 * sd + 1 / 65536)
    assert mask[mask > 0].unique().tolist() == pytest.approx([1 / (1 - p)], rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("p", [1e-6, 0.1, 0.999, 1 - 1e-6])
def test_a_mask_is_what_sixteen_bits_of_each_value_say(p, dtype):
    torch.manual_seed(4)
    mask = dropout_mask(torch.zeros(1003, dtype=dtype), p=p)
    torch.manual_seed(4)
    lanes = torch.empty(251, dtype=torch.int64).random_(-(2**63), None).numpy().view(np.int16)[:1003]
    n_dropped = round(p * LANES)
    is_kept = lanes.astype(int) + LANES // 2 >= n_dropped
    factor = LANES / (LANES - n_dropped) if n_dropped < LANES else 0.0
    assert torch.equal(mask, torch.from_numpy(is_kept * factor).to(dtype))


def test_every_lane_is_dropped_as_often_and_independently_of_the_others():
    torch.manual_seed(2)
    dropped = (dropout_mask(torch.ones(N - 3), p=0.1) == 0).numpy().reshape(-1, 4)
    assert dropped.mean(axis=0) == pytest.approx(np.full(4, 0.1), abs=4 * 0.3 / len(dropped) ** 0.5)
    assert np.corrcoef(dropped.T) == pytest.approx(np.eye(4), abs=4 / len(dropped) ** 0.5)


def test_equal_seeds_give_equal_masks_whatever_the_shape_and_type():
    masks = []
    for shape, dtype in (((6, 10), torch.float32), ((60,), torch.float32), ((3, 20), torch.bfloat16)):
        torch.manual_seed(3)
        mask = dropout_mask(torch.zeros(shape, dtype=dtype), p=0.3)
        assert (mask.shape, mask.dtype) == (torch.Size(shape), dtype)
        masks.append((mask == 0).flatten())
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])


def test_the_extremes_are_those_of_torch():
    values = torch.randn(5, 7)
    assert torch.equal(LaneDropout(1.0).train()(values), nn.Dropout(1.0).train()(values))
    assert LaneDropout(0.0).train()(values) is values
    assert LaneDropout(0.5).eval()(values) is values


def test_gradients_are_dropped_and_scaled_like_the_values():
    values = torch.randn(50, 50, requires_grad=True)
    result = LaneDropout(0.3).train()(values)
    result.sum().backward()
    torch.testing.assert_close(result, values * values.grad)


def test_a_fits_losses_are_those_of_torchs_dropout_up_to_luck(run, monkeypatch):
    """The mean over steps of the same fits with either; with p = 0 they are equal, see below."""
    ours = np.mean([run(epochs=1, batch_size=4, seed=seed).losses for seed in range(8)])
    with monkeypatch.context() as patch:
        patch.setattr("nertune.train.learner.use_cpu_dropout", lambda model: None)
        torchs = [np.mean(run(epochs=1, batch_size=4, seed=seed).losses) for seed in range(8)]
    assert ours == pytest.approx(np.mean(torchs), abs=4 * np.std(torchs, ddof=1) / 8**0.5 + 1e-3)


def test_without_dropout_the_fit_is_that_of_the_model_as_it_was(run, monkeypatch):
    config = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    ours = run(epochs=1, batch_size=4, config=config)
    monkeypatch.setattr("nertune.train.learner.use_cpu_dropout", lambda model: None)
    theirs = run(epochs=1, batch_size=4, config=config)
    assert ours.losses == theirs.losses
    assert ours.record.dev == theirs.record.dev


def test_the_whole_model_uses_it_and_a_saved_model_knows_nothing_of_it(material, tmp_path):
    made = material("token")
    model = build_model(made.base, seed=1)
    use_cpu_dropout(model)
    assert {type(module) for module in model.modules() if isinstance(module, nn.Dropout)} == {LaneDropout}
    save_model(model.eval(), tokenizer=made.tokenizer, folder=tmp_path)
    again = AutoModelForTokenClassification.from_pretrained(tmp_path)
    ids = torch.arange(5, 15)[None]
    torch.testing.assert_close(again.eval()(ids).logits, model(ids).logits)
