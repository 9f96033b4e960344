"""The loss of a batch, by hand."""

from __future__ import annotations

from math import exp, log, nan

import pytest
import torch

from nertune.models.losses import (
    IGNORED,
    binary_cross_entropies,
    binary_cross_entropy,
    cross_entropies,
    cross_entropy,
)

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
    assert binary_cross_entropy(SEVERAL.bfloat16(), CHOSEN, n_items=4).dtype == torch.float32


def test_the_loss_of_each_item_is_nan_without_gold():
    assert cross_entropies(LOGITS[0], LABELS[0]).tolist() == pytest.approx([*PARTS, nan], nan_ok=True)


SEVERAL = torch.tensor([[2.0, 0.0], [-1.0, 3.0]])  # of two texts, two labels each
CHOSEN = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
TEXTS = (log(1 + exp(-2)) + log(2)) / 2, (log(1 + exp(1)) + log(1 + exp(-3))) / 2


def test_two_texts_with_several_labels_by_hand():
    assert binary_cross_entropies(SEVERAL, CHOSEN).tolist() == pytest.approx(TEXTS)
    assert binary_cross_entropy(SEVERAL, CHOSEN, n_items=4).item() == pytest.approx(sum(TEXTS) / 2)
    assert torch.nn.BCEWithLogitsLoss()(SEVERAL, CHOSEN).item() == pytest.approx(sum(TEXTS) / 2)  # transformers' own


def test_smoothing_moves_yes_and_no_towards_each_other():
    smoothed = binary_cross_entropy(SEVERAL[:1, :1], CHOSEN[:1, :1], n_items=1, smoothing=0.2).item()
    assert smoothed == pytest.approx(0.9 * log(1 + exp(-2)) + 0.1 * log(1 + exp(2)))


def test_parts_of_a_batch_of_label_sets_add_up_to_the_batch():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 5), torch.randint(0, 2, (6, 5)).float()
    parts = [binary_cross_entropy(logits[rows], labels[rows], n_items=30) for rows in (slice(0, 1), slice(1, 6))]
    assert sum(parts).item() == pytest.approx(binary_cross_entropy(logits, labels, n_items=30).item())
