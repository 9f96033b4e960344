"""Equal seed, setting, precision and threads give equal bits on CPU, whatever ran before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from fits import digest, same

SCRIPT = Path(__file__).parent / "fit_in_a_fresh_process.py"


def test_the_same_fit_twice_gives_the_same_bits(run):
    assert same(run(seed=1), run(seed=1))


def test_a_fit_does_not_depend_on_the_fit_before_it(run):
    alone = run(seed=1)
    run("sequence", seed=7, batch_size=4, epochs=1)
    torch.rand(3)
    assert same(alone, run(seed=1))


def test_other_seeds_give_other_weights_and_other_batches(run):
    one, other = run(seed=1), run(seed=2)
    assert digest(one.model) != digest(other.model)
    assert one.losses != other.losses


def test_bf16_repeats_itself_and_differs_from_fp32(run):
    half, full = run(precision="bf16"), run(precision="fp32")
    assert same(half, run(precision="bf16"))
    assert half.losses != full.losses


def test_fp32_after_bf16_equals_fp32_in_a_fresh_process(run, material):
    """accelerate keeps the first fit's precision for the whole process, and wraps `forward` on the model object."""
    run(precision="bf16")
    done = run(precision="fp32")
    own = material()
    asked = {"base": own.base.source, "train": str(own.train.folder), "dev": str(own.dev.folder)}
    fresh = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps(asked)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    told = json.loads(fresh.stdout)
    assert told["losses"] == done.losses
    assert told["digest"] == digest(done.model)
    assert told["hub_telemetry_is_off"] is True


def test_evaluating_does_not_change_what_training_draws(run):
    """With dropout, one draw more or less in an evaluation would change every later step."""
    assert run(evaluate_every=1).losses == run(evaluate_every=7).losses
