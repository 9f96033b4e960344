"""Batches hold every window once an epoch, in an order that the seed and the epoch decide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nertune.models.losses import IGNORED
from nertune.train.batches import TrainBatches, collate, evaluation_batches


@pytest.fixture
def batches(material):
    def make(batch_size=16, device_batch_size=None, order="grouped", seed=1, task="token"):
        return TrainBatches(
            material(task).train, batch_size=batch_size, device_batch_size=device_batch_size, order=order, seed=seed
        )

    return make


@pytest.mark.parametrize("order", ["grouped", "shuffled"])
@pytest.mark.parametrize("batch_size", [1, 7, 16, 40, 64])
def test_every_window_comes_once_an_epoch_in_batches_of_the_asked_size(batches, order, batch_size):
    made = batches(batch_size, order=order).batches(0)
    assert sorted(np.concatenate(made).tolist()) == list(range(40))
    assert all(len(batch) == batch_size for batch in made[:-1])


def test_order_follows_from_seed_and_epoch(batches):
    def order(seed, epoch):
        return [batch.tolist() for batch in batches(seed=seed).batches(epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_grouping_saves_padding_and_keeps_the_batches_in_random_order(batches, material):
    lengths = material().train.windows.lengths

    def padding(order):
        return sum(
            len(batch) * lengths[batch].max() - lengths[batch].sum() for batch in batches(8, order=order).batches(0)
        )

    means = [lengths[batch].mean() for batch in batches(8).batches(0)]
    assert padding("grouped") < 0.5 * padding("shuffled")
    assert means not in (sorted(means), sorted(means, reverse=True))


@pytest.mark.parametrize(("batch_size", "device_batch_size"), [(16, 16), (16, 5), (16, 1), (10, 3), (64, 8)])
def test_micro_batches_fit_the_device_and_make_up_the_batches(batches, batch_size, device_batch_size):
    made = batches(batch_size, device_batch_size)
    sizes = [len(batch["input_ids"]) for batch in made]
    assert max(sizes) <= device_batch_size
    assert len(sizes) == len(made)
    full = 40 // batch_size
    steps = [sizes[i * made.n_parts : (i + 1) * made.n_parts] for i in range(made.steps_per_epoch)]
    assert [sum(step) for step in steps] == [batch_size] * full + [40 % batch_size] * (40 % batch_size > 0)


def test_tensors_of_a_batch_are_padded_to_its_longest(material):
    encoded = material().train
    lengths = encoded.windows.lengths
    numbers = [int(lengths.argmax()), int(lengths.argmin())]
    batch = collate(encoded, numbers)
    assert batch["input_ids"].shape == batch["labels"][""].shape == (2, lengths.max())
    assert batch["attention_mask"].sum(1).tolist() == lengths[numbers].tolist()
    assert (batch["input_ids"][batch["attention_mask"] == 0] == encoded.pad_id).all()
    assert (batch["labels"][""] != IGNORED).sum() == encoded.n_words[encoded.windows.example[numbers]].sum()


def test_labels_of_texts_are_one_a_row(material):
    batch = collate(material("sequence").train, [3, 0])
    assert torch.equal(batch["labels"][""], torch.tensor([1, 1]))  # good: the second of bad, good, mixed


def test_windows_without_a_label_are_not_trained_on(material, monkeypatch):
    encoded = material().train
    targets = encoded.windows.targets.copy()
    targets[encoded.windows.home_starts[3] : encoded.windows.home_starts[4]] = IGNORED
    changed = dataclasses.replace(encoded, windows=dataclasses.replace(encoded.windows, targets=targets))
    made = TrainBatches(changed, batch_size=8, device_batch_size=None, order="shuffled", seed=0)
    assert sorted(np.concatenate(made.batches(0)).tolist()) == [i for i in range(40) if i != 3]


def test_evaluation_takes_the_longest_first_within_its_budget(material):
    encoded = material().train
    made = list(evaluation_batches(encoded, max_pieces=64))
    lengths = encoded.windows.lengths
    assert sorted(np.concatenate(made).tolist()) == list(range(40))
    assert all(len(batch) * lengths[batch].max() <= 64 for batch in made)
    assert [lengths[batch].max() for batch in made] == sorted((lengths[batch].max() for batch in made), reverse=True)


def test_a_window_larger_than_the_budget_goes_alone(material):
    assert [len(batch) for batch in evaluation_batches(material().train, max_pieces=1)] == [1] * 40
