"""The loss of a CRF: how unlikely the gold tags of whole sentences are."""

from __future__ import annotations

from torch import Tensor

from nertune.models.heads.crf import Chain, log_likelihoods, pack_words


def chain_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    n_items: Tensor | int,
    chain: Chain,
    begins: Tensor | None = None,
    ends: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """The negative log-likelihood of each sentence's tags under a CRF, summed, divided by the words of the batch.

    Shapes   B windows, T pieces, L tags
        logits        [B, T, L] float
        labels        [B, T]    int64, IGNORED but at the first pieces of words
        n_items       words in the batch, all its parts together
        begins, ends  [B] bool, whether the window holds the sentence's first and last word; None: all do
        weights       [L] float; a sentence counts with the mean of those of its words
    Returns  scalar, float32
    """
    emissions, tags, mask = pack_words(logits.float(), labels)
    losses = -log_likelihoods(emissions, tags, chain=chain, mask=mask, begins=begins, ends=ends)
    if weights is not None:
        losses = losses * (weights[tags] * mask).sum(1) / mask.sum(1).clamp(min=1)
    return losses.sum() / n_items
