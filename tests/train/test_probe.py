"""Timed steps choose the precision."""

from __future__ import annotations

import itertools

import pytest
import torch

from nertune.spec.space import apply_point
from nertune.train import probe


@pytest.mark.parametrize(("bf16", "fp32", "chosen"), [(0.1, 0.2, "bf16"), (0.2, 0.1, "fp32"), (0.1, 0.1, "fp32")])
def test_the_faster_precision_is_chosen_and_both_times_are_told(bf16, fp32, chosen):
    times = {"bf16": bf16, "fp32": fp32}
    assert probe.choose_precision(times.__getitem__) == (chosen, times)


def test_timing_takes_real_steps_and_leaves_base_and_generators_alone(material, study):
    own = material()
    state = torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in own.base.tensors.items()}
    assert 0 < probe.time_step(own.base, train=own.train, spec=study(), precision="bf16") < 10
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(own.base.tensors[name], tensor) for name, tensor in before.items())


def test_a_batch_that_comes_in_parts_is_timed_by_its_part(material, study, monkeypatch):
    sizes = []

    def step(_model, batch, **_options):
        sizes.append(len(batch["input_ids"]))
        return torch.tensor(0.0)

    monkeypatch.setattr(probe, "_step", step)
    ticks = iter(range(100))
    monkeypatch.setattr(probe.time, "perf_counter", lambda: float(next(ticks)))  # every step takes one second
    spec = study(batch_size=32, device_batch_size=8)
    assert probe.time_step(material().base, train=material().train, spec=spec, precision="fp32") == 4.0
    assert set(sizes) == {8}


@pytest.mark.parametrize(("step_s", "n_steps"), [(0.001, 5), (0.3, 5), (0.4, 4), (2.0, 3)])
def test_slow_steps_are_timed_less_often(material, study, monkeypatch, step_s, n_steps):
    """One step warms up."""
    seen = []
    monkeypatch.setattr(probe, "_step", lambda *_, **__: seen.append(1) or torch.tensor(0.0))
    ticks = itertools.count()
    monkeypatch.setattr(probe.time, "perf_counter", lambda: next(ticks) * step_s)
    seconds = probe.time_step(material().base, train=material().train, spec=study(), precision="fp32")
    assert seconds == pytest.approx(step_s)
    assert len(seen) == n_steps


def test_a_step_is_timed_with_the_parts_that_learn_in_the_longest_stage(material, study, monkeypatch):
    learning = []

    def step(model, _batch, **_options):
        learning.append({name for name, parameter in model.named_parameters() if parameter.requires_grad})
        return torch.tensor(0.0)

    monkeypatch.setattr(probe, "_step", step)
    spec = study(stages=[{"epochs": 1}, {"epochs": 5, "freeze": "encoder"}])
    probe.time_step(material().base, train=material().train, spec=spec, precision="fp32")
    assert learning[0] == {"classifier.weight", "classifier.bias"}


def test_what_a_fit_does_again_and_again_is_timed_for_each_stage(material, study):
    own, state = material(), torch.get_rng_state()
    spec = study(stages=[{"epochs": 1, "freeze": "encoder"}, {"epochs": 1}])
    times = probe.time_work(own.base, train=own.train, dev=own.dev, spec=spec, precision="bf16")
    assert len(times.learning) == len(times.updating) == 2
    assert all(0 < seconds < 1 for seconds in (*times.learning, *times.updating, times.scoring, times.full))
    assert (times.frozen, times.freezing, times.cache_bytes) == (0, 0.0, 0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("gib", "is_cached"), [(8.0, True), (1e-9, False), (0.0, False)])
def test_layers_that_never_learn_are_timed_once_where_their_cache_has_room(material, study, gib, is_cached):
    own = material()
    spec = apply_point(study(freeze="encoder"), {"execute.frozen_cache": gib})
    times = probe.time_work(own.base, train=own.train, dev=own.dev, spec=spec, precision="fp32")
    assert (times.frozen > 0, times.freezing > 0) == (is_cached, is_cached)
    assert times.cache_bytes == (own.base.config.hidden_size * 4 if is_cached else 0)


def test_padding_is_part_of_what_a_piece_takes(material, study, monkeypatch):
    sizes = []

    def learn(_model, batch, **_options):
        sizes.append(int(batch["attention_mask"].numel() - batch["attention_mask"].sum()))
        return torch.tensor(0.0)

    monkeypatch.setattr(probe, "_learn", learn)
    monkeypatch.setattr(probe, "_update", lambda _model, **_options: torch.tensor(0.0))
    own = material()
    for batches in ("grouped", "shuffled"):
        probe.time_work(
            own.base, train=own.train, dev=own.dev, spec=study(batch_size=8, batches=batches), precision="fp32"
        )
    assert sizes[-1] > sizes[0]
