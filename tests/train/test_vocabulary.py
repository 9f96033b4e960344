"""Training only the embedding rows in use gives the fit that training all of them gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nertune.models.build import build_model
from nertune.train import learner as learner_module
from nertune.train.vocabulary import vocabulary_of


@pytest.fixture
def run_whole(run, monkeypatch):
    """`run` with the whole table trained."""

    def make(*words, **options):
        with monkeypatch.context() as patch:
            patch.setattr(learner_module, "vocabulary_of", lambda model, **_: None)
            return run(*words, **options)

    return make


@pytest.mark.parametrize("task", ["token", "sequence"])
def test_scores_losses_and_weights_are_those_of_the_whole_table(run, run_whole, task):
    small, whole = run(task, epochs=2, batch_size=4), run_whole(task, epochs=2, batch_size=4)
    assert small.losses == pytest.approx(whole.losses, abs=1e-5)
    assert small.record.dev == whole.record.dev
    for name, tensor in whole.model.state_dict().items():  # the gradient norm is summed in another order
        torch.testing.assert_close(small.model.state_dict()[name], tensor, atol=1e-5, rtol=0)


def test_weights_are_equal_to_the_bit_when_nothing_is_clipped(run, run_whole):
    options = {"epochs": 2, "batch_size": 4, "max_grad_norm": 0.0}
    small, whole = run(**options), run_whole(**options)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(small.model.state_dict()[name], tensor), name


def test_idle_rows_keep_their_weights_and_the_table_its_size(run, material):
    made = material("token")
    done = run(epochs=1, batch_size=4)
    start = build_model(made.base, seed=1).get_input_embeddings().weight
    end = done.model.get_input_embeddings().weight
    used = np.unique(
        np.concatenate([made.train.windows.pieces, made.dev.windows.pieces, np.arange(made.train.pad_id + 1)])
    )
    idle = np.setdiff1d(np.arange(len(start)), used)
    assert len(idle) > 10
    assert end.shape == start.shape
    assert torch.equal(end[idle], start[idle])
    assert not torch.equal(end[used], start[used])


@pytest.fixture
def vocabulary(material, study):
    """`vocabulary(weight_decay=0.1, stages=[…])`: of a fit with these settings."""

    def find(*, dev=True, kind="bert", stages=(), **train):
        made = material("token")
        model = build_model(made.base, seed=1)
        model.config.model_type = kind
        settings = study("token", stages=stages, **train).stage_settings
        own_dev = made.dev if dev else None
        return vocabulary_of(model, train=made.train, dev=own_dev, settings=settings, parts=made.base.parts)

    return find


def test_with_weight_decay_every_row_is_trained(vocabulary):
    assert vocabulary(weight_decay=0.01) is None
    assert vocabulary(dev=False) is not None


@pytest.mark.parametrize("optimizer", ["adafactor", "sgd", "rmsprop"])
def test_an_optimizer_that_may_move_idle_rows_trains_the_whole_table(vocabulary, optimizer):
    assert vocabulary(optimizer=optimizer) is None
    assert vocabulary(optimizer="adamw_torch") is not None


@pytest.mark.parametrize("options", [{"freeze": "embeddings"}, {"freeze": "encoder"}, {"top_layers": 2}, {"lora": {}}])
def test_a_frozen_table_stays_whole(vocabulary, options):
    assert vocabulary(**options) is None


def test_the_stages_that_train_the_table_decide(vocabulary):
    frozen, decayed = {"freeze": "encoder", "weight_decay": 0.1}, {"weight_decay": 0.1}
    assert vocabulary(stages=(frozen, {})) is not None
    assert vocabulary(stages=({}, decayed)) is None


def test_an_encoder_that_may_read_more_from_a_pieces_number_is_trained_whole(vocabulary):
    assert vocabulary(kind="bart") is None  # it looks for the end-of-text piece among the numbers


def test_padding_keeps_its_number_so_that_positions_counted_from_it_stay(material, vocabulary):
    made, found = material("token"), vocabulary()
    assert found.numbers[made.train.pad_id] == made.train.pad_id
    renumbered = found.renumber(made.train).windows.pieces
    assert (found.used[renumbered] == made.train.windows.pieces).all()
