"""Linear-chain conditional random field: how likely a whole tag sequence is, and which one is the best.

The score of a tag sequence is the sum of its tags' emissions, of the chain's transitions between neighbours, and of its
start and end; its probability is the softmax over all tag sequences (Lafferty et al. 2001, ICML; Lample et al. 2016,
arXiv:1603.01360). The sums run in float64, which autocast leaves alone: in float32, the likelihood of 512 words with
emissions near 1e3 would be known to ±0.03 only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nertune.data.labels import OUTSIDE, illegal_steps, scheme_of_steps
from nertune.models.losses import IGNORED

# The score of what the tag scheme forbids. Far below what a way round through legal tags costs, but finite: gold tags
# that break the scheme then have a great loss with a gradient, where -inf would make it infinite and the gradient NaN.
FORBIDDEN = -1e4
SPREAD = 0.1  # drawn scores lie within ± this
NEGLIGIBLE = -100.0  # log of a share so small that adding it to 1 leaves 1, in float64 by far


@dataclass(frozen=True, eq=False)
class Chain:
    """The scores of a CRF beside the emissions. What scores FORBIDDEN or less is never on a best path.

    start        [L]     float32, of the sentence's first tag
    transitions  [L, L]  float32, transitions[i, j]: from tag i to tag j
    end          [L]     float32, of the sentence's last tag
    """

    start: Tensor
    transitions: Tensor
    end: Tensor


@dataclass(frozen=True, eq=False)
class Forbidden:
    """What a tag scheme forbids: bool, shapes as in `Chain`."""

    start: Tensor
    transitions: Tensor
    end: Tensor


class Crf(nn.Module):
    """The learned scores of a chain.

    tags         names of the tag ids: O, B-PER, I-PER
    constrained  whether what the scheme of the tags forbids scores FORBIDDEN, whatever was learned. It is not saved
                 with the weights, since it follows from the tags
    """

    forbidden_start: Tensor
    forbidden_transitions: Tensor
    forbidden_end: Tensor

    def __init__(self, tags: Sequence[str], *, constrained: bool) -> None:
        super().__init__()
        self.tags = tuple(tags)
        self.constrained = constrained
        self.start = nn.Parameter(torch.empty(len(tags)))
        self.transitions = nn.Parameter(torch.empty(len(tags), len(tags)))
        self.end = nn.Parameter(torch.empty(len(tags)))
        if constrained:
            for name, scores in self.named_parameters():
                self.register_buffer(f"forbidden_{name}", torch.empty_like(scores, dtype=torch.bool), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the scores, uniform within ± SPREAD, and find again what is forbidden.

        `from_pretrained` leaves buffers that are not saved without content, and calls this for them as for what is
        missing; loaded scores stay, because transformers guards them in `nn.init`.
        """
        for scores in self.parameters():
            nn.init.uniform_(scores, -SPREAD, SPREAD)
        if self.constrained:
            found = forbidden(self.tags)
            self.forbidden_start.copy_(found.start)
            self.forbidden_transitions.copy_(found.transitions)
            self.forbidden_end.copy_(found.end)

    @property
    def chain(self) -> Chain:
        """The scores with the constraints in them; gradients flow to those that are not forbidden."""
        start, transitions, end = self.start.float(), self.transitions.float(), self.end.float()
        if self.constrained:
            start = start.masked_fill(self.forbidden_start, FORBIDDEN)
            transitions = transitions.masked_fill(self.forbidden_transitions, FORBIDDEN)
            end = end.masked_fill(self.forbidden_end, FORBIDDEN)
        return Chain(start, transitions, end)


def forbidden(tags: Sequence[str]) -> Forbidden:
    """The starts, transitions and ends that no sentence has in the scheme of these tags: IOB2, IO or BIOES.

    The scheme is told from the prefixes: with E or S it is BIOES, without B it is IO.
    """
    scheme = scheme_of_steps({(OUTSIDE, tag): 0 for tag in tags})  # a tie between IOB1 and IOB2, so IOB2
    alone = [illegal_steps([tag], scheme=scheme) for tag in tags]  # 0 is the step to the tag, 1 the one behind it
    pairs = [[illegal_steps([before, tag], scheme=scheme) for tag in tags] for before in tags]
    return Forbidden(
        start=torch.tensor([0 in steps for steps in alone]),
        transitions=torch.tensor([[1 in steps for steps in row] for row in pairs]),
        end=torch.tensor([1 in steps for steps in alone]),
    )


def log_likelihoods(
    emissions: Tensor,
    tags: Tensor,
    *,
    chain: Chain,
    mask: Tensor,
    begins: Tensor | None = None,
    ends: Tensor | None = None,
) -> Tensor:
    """The exact log-probability of each sentence's tags, differentiable once in the emissions and the chain.

    Where a window of a longer sentence begins or ends inside it, the start or end scores count for no tag sequence:
    every tag may be the first or last one.

    Shapes   B sentences, W words, L tags
        emissions     [B, W, L] float
        tags          [B, W]    int64, anything where the mask is False
        mask          [B, W]    bool, True at a sentence's words, which stand first
        begins, ends  [B]       bool, whether the first and the last word are those of the sentence; None: all are
    Returns  [B] float32 (float64 for such emissions); 0 without words
    Cost     O(B W L^2) time, O(B W L) memory, kept for the backward pass
    """
    scores = _score_tags(emissions, chain=chain, mask=mask, begins=begins, ends=ends)
    transitions = chain.transitions.double()
    known = tags.masked_fill(~mask, 0)
    gold = scores.gather(2, known[..., None]).sum((1, 2))
    steps = transitions[known[:, :-1], known[:, 1:]].masked_fill(~mask[:, 1:], 0).sum(1)
    partitions: Tensor = _LogPartitions.apply(scores, transitions, _is_last(mask))  # type: ignore[no-untyped-call]
    return (gold + steps - partitions).to(torch.promote_types(emissions.dtype, torch.float32))


@torch.no_grad()
def marginals(emissions: Tensor, *, chain: Chain, mask: Tensor) -> Tensor:
    """The probability of each tag at each word, over all tag sequences (forward-backward).

    Shapes   as in `log_likelihoods`
    Returns  [B, W, L] float32, 0 where the mask is False
    """
    transitions = chain.transitions.double()
    prefixes = _sum_prefixes(_score_tags(emissions, chain=chain, mask=mask), transitions=transitions)
    expected, _ = _go_back(prefixes, transitions=transitions, lasts=_last_tags(prefixes, is_last=_is_last(mask)))
    return expected.float()


@torch.no_grad()
def best_paths(emissions: Tensor, *, chain: Chain, mask: Tensor) -> Tensor:
    """The tag sequence of each sentence with the highest score (Viterbi), never with a step that is FORBIDDEN.

    Of equally good ones, the one whose last tag has the lowest id; then the tag before it, and so on.

    Shapes   as in `log_likelihoods`
    Returns  [B, W] int64, 0 where the mask is False
    """
    chain = Chain(*(_rule_out(scores.double()) for scores in (chain.start, chain.transitions, chain.end)))
    first, *others = _score_tags(emissions, chain=chain, mask=mask).unbind(1)
    bests, origins = [first], []
    for scores in others:
        best, origin = (bests[-1][:, :, None] + chain.transitions).max(1)  # over the tags of the word before
        bests.append(best + scores)
        origins.append(origin)
    return _trace_back(torch.stack(bests, 1).argmax(2), origins, is_last=_is_last(mask)).masked_fill(~mask, 0)


def pack_words(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Emissions, tags and mask of the labelled positions of each row, moved to its beginning in their order.

    Shapes   B rows, T pieces, L values at each, W labelled pieces in the row that has most of them, at least 1
        values  [B, T, L] float, gradients flow to them
        labels  [B, T]    int64, IGNORED where there is none
    Returns  emissions [B, W, L], tags [B, W] int64, mask [B, W] bool; where the mask is False the tag is 0, and the
             emissions are those of some position without a label
    """
    labelled = labels != IGNORED
    n_words = labelled.sum(1, keepdim=True)
    width = max(int(n_words.max()), 1)
    places = (~labelled).byte().argsort(dim=1, stable=True)[:, :width]
    mask = torch.arange(width, device=labels.device) < n_words
    emissions = values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))
    return emissions, labels.gather(1, places).masked_fill(~mask, 0), mask


class _LogPartitions(torch.autograd.Function):
    """log of the sum of exp(score) over all tag sequences of each sentence, [B] float64.

    Its gradient is how often each tag and each step are expected, which `_go_back` finds without a graph of W nodes.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, transitions: Tensor, is_last: Tensor) -> Tensor:
        prefixes = _sum_prefixes(scores, transitions=transitions)
        ctx.save_for_backward(prefixes, transitions, is_last)
        return _logsumexp(prefixes, dim=2).masked_fill(~is_last, 0).sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        prefixes, transitions, is_last = ctx.saved_tensors
        lasts = _last_tags(prefixes, is_last=is_last) * gradient[:, None, None]
        return *_go_back(prefixes, transitions=transitions, lasts=lasts), None


def _score_tags(
    emissions: Tensor, *, chain: Chain, mask: Tensor, begins: Tensor | None = None, ends: Tensor | None = None
) -> Tensor:
    """Emissions in float64 with the start and end scores added at the borders, 0 where there is no word."""
    is_first, is_last = _is_first(mask), _is_last(mask)
    if begins is not None:
        is_first = is_first & begins[:, None]
    if ends is not None:
        is_last = is_last & ends[:, None]
    start = torch.where(is_first[..., None], chain.start.double(), 0)
    end = torch.where(is_last[..., None], chain.end.double(), 0)
    return emissions.double().masked_fill(~mask[..., None], 0) + start + end


def _is_first(mask: Tensor) -> Tensor:
    return mask & (torch.arange(mask.shape[1], device=mask.device) == 0)


def _is_last(mask: Tensor) -> Tensor:
    return torch.arange(1, mask.shape[1] + 1, device=mask.device) == mask.sum(1, keepdim=True)


def _sum_prefixes(scores: Tensor, *, transitions: Tensor) -> Tensor:
    """For each word and tag, log of the sum over all tag sequences up to there that end in it (alpha), [B, W, L].

    Beyond a sentence's last word it goes on with scores of 0; nobody looks at that.
    """
    first, *others = scores.unbind(1)
    prefixes = [first]
    for score in others:
        prefixes.append(_logsumexp(prefixes[-1][:, :, None] + transitions, dim=1) + score)
    return torch.stack(prefixes, 1)


def _logsumexp(scores: Tensor, *, dim: int) -> Tensor:
    """`torch.logsumexp`, which takes eight times as long where exp underflows, as it does at every forbidden step."""
    greatest = scores.amax(dim, keepdim=True)
    sums = (scores - greatest).clamp_(min=NEGLIGIBLE).exp_().sum(dim)
    return sums.log_().add_(greatest.squeeze(dim))


def _last_tags(prefixes: Tensor, *, is_last: Tensor) -> Tensor:
    """The probability of each tag at the sentence's last word, 0 at all others, [B, W, L]."""
    return prefixes.softmax(2).masked_fill(~is_last[..., None], 0)


def _go_back(prefixes: Tensor, *, transitions: Tensor, lasts: Tensor) -> tuple[Tensor, Tensor]:
    """How often each tag is expected at each word [B, W, L], and each step in all sentences together [L, L].

    The tag before a word's, given that one and the words up to it, is distributed as a softmax over the prefixes: so
    everything here is a probability, and nothing can overflow (Rabiner's beta is not needed).

    lasts   what is expected at the last words, 0 at all others; the results are linear in it
    """
    expected = [lasts[:, -1]]
    steps = transitions.new_zeros(len(prefixes), *transitions.shape)
    for prefix, last in zip(reversed(prefixes[:, :-1].unbind(1)), reversed(lasts[:, :-1].unbind(1)), strict=True):
        pairs = (prefix[:, :, None] + transitions).softmax(1).mul_(expected[-1][:, None])
        steps += pairs
        expected.append(pairs.sum(2) + last)
    return torch.stack(expected[::-1], 1), steps.sum(0)


def _rule_out(scores: Tensor) -> Tensor:
    """With -inf for what is forbidden: a best path keeps clear of it, whatever the emissions are."""
    return scores.masked_fill(scores <= FORBIDDEN, -torch.inf)


def _trace_back(tags: Tensor, origins: Sequence[Tensor], *, is_last: Tensor) -> Tensor:
    """From each sentence's last word backwards, the tag that the best path has before its next one.

    tags     [B, W], the best one if the sentence ended there
    origins  of each word but the first: [B, L], the tag before each of its tags
    """
    path = [tags[:, -1]]
    for tag, origin, ends_here in zip(
        reversed(tags[:, :-1].unbind(1)), reversed(origins), reversed(is_last[:, :-1].unbind(1)), strict=True
    ):
        path.append(torch.where(ends_here, tag, origin.gather(1, path[-1][:, None])[:, 0]))
    return torch.stack(path[::-1], 1)
