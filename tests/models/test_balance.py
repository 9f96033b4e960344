"""Weights for rare labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.models.balance import label_weights, positive_weights

COUNTS = st.lists(st.integers(0, 500), min_size=1, max_size=6).filter(any).map(np.array)


def test_at_one_every_label_weighs_the_same_in_all():
    weights = label_weights(np.array([90, 9, 1]), balance=1.0).numpy()
    assert (weights * np.array([90, 9, 1])).tolist() == pytest.approx([100 / 3] * 3)


def test_half_way_is_the_root_of_the_ratio():
    weights = label_weights(np.array([80, 20]), balance=0.5)
    assert weights[1] / weights[0] == pytest.approx(2.0)


@given(COUNTS, st.floats(0, 1))
def test_the_mean_over_the_items_is_one_whatever_the_balance(counts, balance):
    weights = label_weights(counts, balance=balance).numpy()
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1, rel=1e-4)
    assert (weights[counts == 0] == 1).all()
    if balance == 0:
        assert weights == pytest.approx(np.ones(len(counts)))


def test_positives_at_one_weigh_as_much_as_negatives():
    weights = positive_weights(np.array([10, 50, 0, 100]), n_items=100, balance=1.0)
    assert weights.tolist() == pytest.approx([9, 1, 1, 1])
    assert positive_weights(np.array([10]), n_items=100, balance=0.5).item() == pytest.approx(3)
