"""A nested sample of train: the examples and their windows as if only they had been encoded."""

from itertools import pairwise

import numpy as np
import pytest

from nertune.data.examples import Split
from nertune.tasks.sample import sample


def of_windows(encoded, field):
    """The values of each window as lists."""
    windows = encoded.windows
    starts = windows.piece_starts if field == "pieces" else windows.home_starts
    values = getattr(windows, field)
    return [values[a:b].tolist() for a, b in pairwise(starts)]


@pytest.mark.parametrize("percent", [1, 30, 60, 100])
@pytest.mark.parametrize("task", ["token", "sequence"])
def test_a_sample_is_what_encoding_its_examples_gives(encode, tokenizer, token_train, sequence_train, task, percent):
    train, labels = (token_train, ("LOC", "PER")) if task == "token" else (sequence_train, None)
    labels = labels or tuple(sorted({label for example in train.examples for label in example.labels}))
    whole = encode(train, tokenizer, task=task, labels=labels, max_pieces=12)
    part = sample(whole, percent=percent, seed=1)
    again = encode(Split("train", tuple(part.examples), "0" * 64), tokenizer, task=task, labels=labels, max_pieces=12)
    assert list(part.examples) == list(again.examples)
    for field in ("pieces", "items", "places", "targets"):
        assert of_windows(part, field) == of_windows(again, field)
    assert part.windows.example.tolist() == again.windows.example.tolist()
    assert part.n_words.tolist() == again.n_words.tolist()
    assert part.n_examples == max(1, round(len(train.examples) * percent / 100))


def test_ten_percent_are_in_twenty(encode, tokenizer, token_train):
    whole = encode(token_train, tokenizer)
    places = [{example.where for example in sample(whole, percent=percent, seed=3).examples} for percent in (40, 80)]
    assert places[0] < places[1]


def test_another_seed_is_another_sample(encode, tokenizer, token_train):
    whole = encode(token_train, tokenizer)
    samples = {str([e.where for e in sample(whole, percent=50, seed=seed).examples]) for seed in range(8)}
    assert len(samples) > 1
    assert np.array_equal(whole.windows.example, encode(token_train, tokenizer).windows.example)
