"""From the scores of all items to what a head says of them: labels, probabilities, the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nertune.models.heads.crf import (
    FORBIDDEN,
    Chain,
    best_paths,
    forbidden,
    log_likelihoods,
    marginals,
    pack_words,
)
from nertune.models.heads.head import Head
from nertune.models.losses import IGNORED, binary_cross_entropies, cross_entropies
from nertune.tasks.encoded import EncodedSplit, Ints
from nertune.tasks.predictions import Floats, Outputs
from nertune.tasks.token import LATER
from nertune.train.batches import gold_of

MAX_WORDS = 4096  # padded words at a time that a CRF reads
TINY = 1e-12  # below every probability that matters


def decide(logits: Tensor, *, head: Head, encoded: EncodedSplit, gold: Tensor, chain: Chain | None) -> Outputs:
    """What a head says of the items, in the order of `Windows.items`.

    Shapes   H homes, L labels
        logits  [H, L] float32
        gold    [H] int64, IGNORED where unknown; [H, L] float32 where several labels hold
        chain   of a head with a CRF
    Returns  with runtime_s 0
    """
    if chain is not None:
        decoded, probabilities, losses = _read_chains(logits, chain=chain, encoded=encoded, gold=gold)
    elif head.problem == "multi_label":
        probabilities, losses = logits.sigmoid(), binary_cross_entropies(logits, gold)
        decoded = probabilities > torch.tensor(head.thresholds, device=logits.device)
    else:
        losses = cross_entropies(logits, gold)
        probabilities = without_later(logits, labels=head.labels).softmax(-1)
        decoded = probabilities.argmax(-1)
    known = losses[~losses.isnan()]
    return Outputs(
        decoded=decoded.cpu().numpy(),
        probabilities=probabilities.float().cpu().numpy(),
        loss=float(known.mean()) if len(known) else float("nan"),
        runtime_s=0.0,
    )


def without_later(logits: Tensor, *, labels: Sequence[str]) -> Tensor:
    """The scores with that of the label of later pieces out of reach: no word is one."""
    if labels[-1] != LATER:
        return logits
    logits = logits.clone()
    logits[:, -1] = FORBIDDEN
    return logits


def average(parts: Sequence[Outputs], *, head: Head, encoded: EncodedSplit) -> Outputs:
    """What several models say together: the mean of their probabilities, decided anew.

    A CRF's probabilities are those of each word by itself; of their means the best sequence that its constraints allow
    is taken. Losses are the means of theirs.
    """
    mean = np.stack([part.probabilities for part in parts]).mean(axis=0, dtype=np.float32)
    loss, runtime_s = float(np.mean([part.loss for part in parts])), sum(part.runtime_s for part in parts)
    return replace(parts[0], decoded=_of_means(mean, head, encoded), probabilities=mean, loss=loss, runtime_s=runtime_s)


def average_outputs(
    parts: Sequence[Mapping[str, Outputs]], *, heads: Sequence[Head], encoded: EncodedSplit
) -> dict[str, Outputs]:
    """What several models say together, for each head; of one model what it says."""
    if len(parts) == 1:
        return dict(parts[0])
    return {
        head.name: average([part[head.name] for part in parts], head=head, encoded=encoded.views[head.name])
        for head in heads
    }


def average_heads(heads: Sequence[tuple[Head, ...]]) -> tuple[Head, ...]:
    """The heads of the first model, each threshold the mean over the models."""
    return tuple(
        replace(same[0], thresholds=tuple(np.mean([head.thresholds for head in same], axis=0).tolist()))
        for same in zip(*heads, strict=True)
    )


def redecide(outputs: Outputs, *, head: Head) -> Outputs:
    """The same probabilities read with the thresholds of this head."""
    return replace(outputs, decoded=outputs.probabilities > np.array(head.thresholds, dtype=np.float32))


def tune_heads(
    heads: Sequence[Head], *, outputs: Mapping[str, Outputs], encoded: EncodedSplit
) -> tuple[tuple[Head, ...], dict[str, Outputs]]:
    """The heads with thresholds tuned on this split where they are to be, and the outputs read with them."""
    tuned, read = [], dict(outputs)
    for head in heads:
        if head.tunes_thresholds:
            gold = gold_of(encoded.views[head.name], np.arange(len(encoded.windows.items))).numpy() > 0
            head = replace(head, thresholds=tune_thresholds(outputs[head.name], gold=gold))
            read[head.name] = redecide(outputs[head.name], head=head)
        tuned.append(head)
    return tuple(tuned), read


def tune_thresholds(outputs: Outputs, *, gold: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """For each label the threshold with the best F1 on this gold; 0.5 for a label that it never has.

    Of equal ones the middle of the widest gap is no better founded than any other, so it is half way between the two
    probabilities that it parts, and the highest such threshold.

    gold  [H, L] whether the item has the label
    """
    return tuple(_best_threshold(outputs.probabilities[:, label], gold[:, label]) for label in range(gold.shape[1]))


def _best_threshold(probabilities: Floats, gold: npt.NDArray[np.bool_]) -> float:
    n_real = int(gold.sum())
    if n_real == 0:
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    sure = probabilities[order].astype(np.float64)
    right = np.cumsum(gold[order])
    n_found = np.arange(1, len(sure) + 1)
    is_border = np.append(sure[1:] < sure[:-1], True)  # equal probabilities are found together
    f1 = np.where(is_border, 2 * right / (n_found + n_real), -1.0)
    last = int(f1.argmax())
    below = sure[last + 1] if last + 1 < len(sure) else 0.0
    return float((sure[last] + below) / 2)


def _of_means(mean: Floats, head: Head, encoded: EncodedSplit) -> Ints | npt.NDArray[np.bool_]:
    if head.problem == "multi_label":
        return mean > np.array(head.thresholds, dtype=np.float32)
    if not head.has_crf:
        return np.asarray(mean.argmax(-1))
    scores = torch.from_numpy(mean).clamp(min=TINY).log()
    chain = _chain_of_rules(head)
    decoded = np.empty(len(mean), dtype=np.int64)
    for packed in _sentences(encoded):
        emissions = scores[packed.rows]
        decoded[packed.rows[packed.mask]] = best_paths(emissions, chain=chain, mask=packed.mask)[packed.mask].numpy()
    return decoded


def _chain_of_rules(head: Head) -> Chain:
    """A chain that knows what the tag scheme forbids, and nothing else."""
    rules = forbidden(head.labels)
    strength = FORBIDDEN if head.options.crf_constraints else 0.0
    return Chain(rules.start * strength, rules.transitions * strength, rules.end * strength)


def _read_chains(logits: Tensor, *, chain: Chain, encoded: EncodedSplit, gold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best tags [H], the probabilities of all tags [H, L], and each word's share of its sentence's loss [H].

    A sentence is read whole, however many windows it had. Words without gold are no part of the chain that is scored.
    """
    decoded, probabilities = torch.empty_like(gold), torch.empty_like(logits)
    losses = torch.full(gold.shape, torch.nan, dtype=torch.float64, device=gold.device)
    for packed in _sentences(encoded):
        rows, mask = packed.rows.to(logits.device), packed.mask.to(logits.device)
        emissions = logits[rows]
        words = rows[mask]
        decoded[words] = best_paths(emissions, chain=chain, mask=mask)[mask]
        probabilities[words] = marginals(emissions, chain=chain, mask=mask)[mask]
        known = gold[rows].masked_fill(~mask, IGNORED)
        scored, tags, there = pack_words(emissions, known)
        shares = -log_likelihoods(scored, tags, chain=chain, mask=there) / there.sum(1).clamp(min=1)
        losses[words] = torch.where(known != IGNORED, shares[:, None].double(), torch.nan)[mask]
    return decoded, probabilities, losses


@dataclass(frozen=True, eq=False)
class _Packed:
    """Sentences of like length side by side.

    Shapes   B sentences, W words of the longest
        rows  [B, W] int64, the word's place in the order of `Windows.items`; any where the mask is False
        mask  [B, W] bool
    """

    rows: Tensor
    mask: Tensor


def _sentences(encoded: EncodedSplit) -> Iterator[_Packed]:
    """The words at home of every sentence, the longest sentences first."""
    items = encoded.windows.items
    order = np.argsort(items, kind="stable")
    ends = np.searchsorted(items[order], np.cumsum(encoded.n_words))
    starts = np.concatenate([[0], ends[:-1]])
    counts = ends - starts
    longest_first = np.argsort(-counts, kind="stable")
    longest_first = longest_first[counts[longest_first] > 0]
    begin = 0
    while begin < len(longest_first):
        width = int(counts[longest_first[begin]])
        some = longest_first[begin : begin + max(1, MAX_WORDS // width)]
        mask = np.arange(width) < counts[some][:, None]
        places = np.where(mask, starts[some][:, None] + np.arange(width), 0)
        yield _Packed(torch.from_numpy(order[places]), torch.from_numpy(mask))
        begin += len(some)
