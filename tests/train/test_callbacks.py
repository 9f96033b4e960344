"""Callbacks of the user's, named in the study file."""

from __future__ import annotations

import sys

import pytest
import torch

CODE = """
from transformers import TrainerCallback

class Halving(TrainerCallback):
    made = 0
    steps = []

    def __init__(self):
        type(self).made += 1

    def on_step_end(self, args, state, control, **more):
        self.steps.append(state.global_step)

    def on_epoch_end(self, args, state, control, **more):
        control.should_training_stop = True

class Counting(TrainerCallback):
    seen = 0

    def on_step_end(self, args, state, control, **more):
        self.seen += 1

counting = Counting()
"""


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    (tmp_path / "my_callbacks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("my_callbacks", None)


def test_a_callback_is_made_for_each_fit_and_steers_it(run, own_code):
    done = run(epochs=3, callbacks=["my_callbacks:Halving"])
    run(epochs=1, callbacks=["my_callbacks:Halving"])
    kind = sys.modules["my_callbacks"].Halving
    assert (done.record.steps, kind.made, kind.steps) == (5, 2, [1, 2, 3, 4, 5] * 2)


def test_a_callback_that_is_an_object_does_not_carry_one_fit_into_the_next(run, own_code):
    run(epochs=1, callbacks=["my_callbacks:counting"])
    assert sys.modules["my_callbacks"].counting.seen == 0


def test_callbacks_see_the_steps_of_all_stages_counted_on(run, own_code):
    stages = [{"epochs": 2, "freeze": "encoder"}, {"epochs": 2}]
    run(stages=stages, callbacks=["my_callbacks:Halving"])
    assert sys.modules["my_callbacks"].Halving.steps == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]


def test_a_callback_that_only_looks_changes_no_bit(run, own_code):
    plain, watched = run(epochs=1), run(epochs=1, callbacks=["my_callbacks:counting"])
    assert all(torch.equal(*pair) for pair in zip(plain.model.parameters(), watched.model.parameters(), strict=True))
