"""The loss of a batch, by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from nertune.models.losses import IGNORED, cross_entropy

LOGITS = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]])
LABELS = torch.tensor([[0, 0, IGNORED]])
PARTS = log(1 + exp(-2)), log(1 + exp(1))  # minus log softmax of label 0 at the two labelled positions


def test_three_tokens_by_hand():
    assert cross_entropy(LOGITS, LABELS, n_items=2).item() == pytest.approx(sum(PARTS) / 2)


def test_smoothing_spreads_its_share_over_all_labels():
    others = log(1 + exp(2)), log(1 + exp(-1))
    smoothed = sum(0.9 * own + 0.1 * (own + other) / 2 for own, other in zip(PARTS, others, strict=True)) / 2
    assert cross_entropy(LOGITS, LABELS, n_items=2, smoothing=0.1).item() == pytest.approx(smoothed)


def test_parts_of_a_batch_add_up_to_the_batch():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 4, 5), torch.randint(0, 5, (6, 4))
    labels[0, 1:] = IGNORED
    n_items = int((labels != IGNORED).sum())
    parts = [cross_entropy(logits[rows], labels[rows], n_items=n_items) for rows in (slice(0, 1), slice(1, 6))]
    assert sum(parts).item() == pytest.approx(cross_entropy(logits, labels, n_items=n_items).item())


def test_logits_in_bf16_give_a_loss_in_float32():
    assert cross_entropy(LOGITS.bfloat16(), LABELS, n_items=2).dtype == torch.float32
