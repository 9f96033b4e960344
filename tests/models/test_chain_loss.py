"""The loss of a CRF on a batch."""

from __future__ import annotations

import pytest
import torch

from nertune.models.chain_loss import chain_loss
from nertune.models.heads.crf import Chain, log_likelihoods
from nertune.models.losses import IGNORED

CHAIN = Chain(torch.tensor([0.1, -0.2]), torch.tensor([[0.3, -0.5], [0.2, 0.4]]), torch.tensor([-0.1, 0.6]))
LOGITS = torch.tensor([[[9.0, 9.0], [2.0, 0.0], [7.0, 7.0], [0.0, 1.0]], [[1.0, 0.5]] + [[5.0, 5.0]] * 3])
LABELS = torch.tensor([[IGNORED, 0, IGNORED, 1], [1, IGNORED, IGNORED, IGNORED]])


def nll(emissions, tags):
    emissions, tags = torch.tensor([emissions]), torch.tensor([tags])
    return -log_likelihoods(emissions, tags, chain=CHAIN, mask=torch.ones_like(tags, dtype=torch.bool)).item()


FIRST, SECOND = nll([[2.0, 0.0], [0.0, 1.0]], [0, 1]), nll([[1.0, 0.5]], [1])


def test_only_first_pieces_are_in_the_chain_and_the_sum_is_divided_by_the_words():
    assert chain_loss(LOGITS, LABELS, n_items=3, chain=CHAIN).item() == pytest.approx((FIRST + SECOND) / 3)


def test_a_sentence_counts_with_the_mean_weight_of_its_words():
    weights = torch.tensor([1.0, 4.0])
    found = chain_loss(LOGITS, LABELS, n_items=3, chain=CHAIN, weights=weights)
    assert found.item() == pytest.approx((2.5 * FIRST + 4 * SECOND) / 3)


def test_a_window_in_the_middle_of_a_sentence_has_no_start_and_end():
    inside = torch.tensor([False, True])
    loss = chain_loss(LOGITS, LABELS, n_items=3, chain=CHAIN, begins=inside, ends=inside)
    middle = Chain(torch.zeros(2), CHAIN.transitions, torch.zeros(2))
    mask = torch.ones(1, 2, dtype=torch.bool)
    first = -log_likelihoods(LOGITS[:1, [1, 3]], torch.tensor([[0, 1]]), chain=middle, mask=mask).item()
    assert loss.item() == pytest.approx((first + SECOND) / 3)
