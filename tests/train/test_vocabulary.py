"""Training only the embedding rows in use gives the fit that training all of them gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nertune.models.build import build_model
from nertune.train import fit as fit_module
from nertune.train.vocabulary import vocabulary_of


@pytest.fixture
def run_whole(run, monkeypatch):
    """`run` with the whole table trained."""

    def make(*words, **options):
        with monkeypatch.context() as patch:
            patch.setattr(fit_module, "vocabulary_of", lambda model, **_: None)
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


def test_with_weight_decay_every_row_is_trained(material):
    made = material("token")
    model = build_model(made.base, seed=1)
    assert vocabulary_of(model, train=made.train, dev=made.dev, weight_decay=0.01) is None
    assert vocabulary_of(model, train=made.train, dev=None, weight_decay=0.0) is not None


def test_an_encoder_that_may_read_more_from_a_pieces_number_is_trained_whole(material):
    made = material("token")
    model = build_model(made.base, seed=1)
    model.config.model_type = "bart"  # looks for the end-of-text piece among the numbers
    assert vocabulary_of(model, train=made.train, dev=made.dev, weight_decay=0.0) is None


def test_padding_keeps_its_number_so_that_positions_counted_from_it_stay(material):
    made = material("token")
    model = build_model(made.base, seed=1)
    vocabulary = vocabulary_of(model, train=made.train, dev=made.dev, weight_decay=0.0)
    assert vocabulary.numbers[made.train.pad_id] == made.train.pad_id
    renumbered = vocabulary.renumber(made.train).windows.pieces
    assert (vocabulary.used[renumbered] == made.train.windows.pieces).all()
