"""The linear-chain CRF against sums over all tag sequences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from math import inf, nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from nertune.data.examples import Span
from nertune.data.labels import count_repairs, spans_to_tags, tag_names
from nertune.models.heads.crf import (
    FORBIDDEN,
    SPREAD,
    Chain,
    Crf,
    best_paths,
    forbidden,
    log_likelihoods,
    marginals,
    pack_words,
)
from nertune.models.losses import IGNORED

IOB2 = tag_names(("X", "Y"))
IOBES = tag_names(("X", "Y"), "bioes")


@dataclass(frozen=True, eq=False)
class Batch:
    emissions: Tensor
    tags: Tensor
    mask: Tensor
    begins: Tensor
    ends: Tensor
    chain: Chain


@st.composite
def batches(draw, *, max_words=4, scales=(0.1, 3.0, 1000.0), whole_numbers=False):
    """Up to three sentences of 0 to `max_words` words, up to four tags, a fifth of the chain's scores forbidden."""
    n_tags, lengths = draw(st.integers(1, 4)), draw(st.lists(st.integers(0, max_words), min_size=1, max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    shape = (len(lengths), max(*lengths, 1), n_tags)
    scale = draw(st.sampled_from(scales))

    def numbers(*size):
        drawn = torch.randn(size, generator=generator, dtype=torch.float64)
        return drawn.round() if whole_numbers else drawn

    def scores(*size):
        barred = torch.rand(size, generator=generator) < draw(st.sampled_from((0.0, 0.2)))
        return numbers(*size).masked_fill(barred, FORBIDDEN)

    def choices():
        return torch.rand(len(lengths), generator=generator) < 0.6

    return Batch(
        emissions=scale * numbers(*shape),
        tags=torch.randint(n_tags, shape[:2], generator=generator),
        mask=torch.arange(shape[1]) < torch.tensor(lengths)[:, None],
        begins=choices(),
        ends=choices(),
        chain=Chain(scores(n_tags), scores(n_tags, n_tags), scores(n_tags)),
    )


def sequence_scores(batch, row, *, begins=True, ends=True):
    """Every tag sequence of a sentence, and its score, summed one by one in float64."""
    n_words, chain, emissions = int(batch.mask[row].sum()), batch.chain, batch.emissions[row].double()
    sequences = list(product(range(emissions.shape[1]), repeat=n_words))
    scores = [
        sum(emissions[word, tag].item() for word, tag in enumerate(tags))
        + sum(chain.transitions[step].item() for step in pairwise(tags))
        + (chain.start[tags[0]].item() if tags and begins else 0)
        + (chain.end[tags[-1]].item() if tags and ends else 0)
        for tags in sequences
    ]
    return sequences, torch.tensor(scores, dtype=torch.float64)


def expected_marginals(batch, row):
    sequences, scores = sequence_scores(batch, row)
    found = torch.zeros(batch.emissions.shape[1:], dtype=torch.float64)
    for tags, probability in zip(sequences, scores.softmax(0), strict=True):
        for word, tag in enumerate(tags):
            found[word, tag] += probability
    return found


def in_float32(batch):
    chain = Chain(*(scores.float() for scores in (batch.chain.start, batch.chain.transitions, batch.chain.end)))
    return Batch(batch.emissions.float(), batch.tags, batch.mask, batch.begins, batch.ends, chain)


def likelihoods(batch, **windows):
    return log_likelihoods(batch.emissions, batch.tags, chain=batch.chain, mask=batch.mask, **windows)


@settings(deadline=None)
@given(batch=batches(), double=st.booleans())
def test_log_likelihoods_are_those_of_the_sum_over_all_sequences(batch, double):
    batch = batch if double else in_float32(batch)
    found = likelihoods(batch, begins=batch.begins, ends=batch.ends)
    assert found.dtype == batch.emissions.dtype
    for row, (begins, ends) in enumerate(zip(batch.begins.tolist(), batch.ends.tolist(), strict=True)):
        sequences, scores = sequence_scores(batch, row, begins=begins, ends=ends)
        gold = tuple(batch.tags[row][batch.mask[row]].tolist())
        expected = scores[sequences.index(gold)] - scores.logsumexp(0)
        assert found[row].item() == pytest.approx(expected.item(), rel=1e-9 if double else 1e-6, abs=1e-8)


@settings(deadline=None)
@given(batch=batches())
def test_marginals_are_those_of_the_sum_over_all_sequences(batch):
    found = marginals(batch.emissions, chain=batch.chain, mask=batch.mask)
    assert torch.allclose(found.sum(2), batch.mask.float(), atol=1e-6)
    for row in range(len(found)):
        assert torch.allclose(found[row].double(), expected_marginals(batch, row), atol=1e-6)


@settings(deadline=None)
@given(batch=batches(whole_numbers=True, scales=(1.0,)))
def test_the_best_path_is_the_best_of_all_sequences_and_a_tie_goes_to_low_ids_from_the_end(batch):
    found = best_paths(batch.emissions, chain=batch.chain, mask=batch.mask)
    assert not found[~batch.mask].any()
    for row, n_words in enumerate(batch.mask.sum(1).tolist()):
        sequences, scores = sequence_scores(batch, row)
        best, expected = min(zip((-scores).tolist(), (tags[::-1] for tags in sequences), strict=True))
        if best < -FORBIDDEN / 2:  # else no sequence is allowed
            assert tuple(found[row, :n_words].tolist()) == expected[::-1]


def test_the_likelihoods_of_all_sequences_sum_to_1():
    torch.manual_seed(0)
    chain, words = Crf(["O", "B-X", "I-X"], constrained=True).chain, 5
    tags = torch.tensor(list(product(range(3), repeat=words)))
    emissions, mask = 3 * torch.randn(words, 3), torch.ones(tags.shape, dtype=torch.bool)
    found = log_likelihoods(emissions.expand(len(tags), -1, -1), tags, chain=chain, mask=mask)
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("windows", [False, True])
def test_the_gradient_is_that_of_finite_differences(windows):
    torch.manual_seed(0)
    shapes = ((3, 4, 3), (3,), (3, 3), (3,))
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    tags, some = torch.randint(3, (3, 4)), torch.tensor([False, True, False])
    borders = {"begins": some, "ends": ~some} if windows else {}

    def weighted(emissions, *chain):
        found = log_likelihoods(emissions, tags, chain=Chain(*chain), mask=mask, **borders)
        return found * torch.tensor([1.0, -2.0, 3.0])

    assert torch.autograd.gradcheck(weighted, inputs)


def test_long_sentences_with_great_emissions_are_right_in_float32():
    generator = torch.Generator().manual_seed(0)
    emissions = (torch.rand(2, 512, 60, generator=generator) * 2 - 1) * 1000
    chain = Chain(*(torch.randn(size, generator=generator) for size in ((60,), (60, 60), (60,))))
    tags, mask = emissions.argmax(2), torch.ones(2, 512, dtype=torch.bool)
    found = log_likelihoods(emissions.requires_grad_(), tags, chain=chain, mask=mask)
    found.sum().backward()
    long = emissions[0].detach().double().requires_grad_()
    expected = log_likelihood_by_the_book(long, tags[0], chain)
    expected.backward()
    assert found[0].item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.allclose(emissions.grad[0].double(), long.grad, atol=1e-7)


def log_likelihood_by_the_book(emissions, tags, chain):
    """Of one sentence: word by word, and left to autograd."""
    score, sums = chain.start[tags[0]].double() + emissions[0, tags[0]], chain.start.double() + emissions[0]
    for word in range(1, len(tags)):
        score = score + chain.transitions[tags[word - 1], tags[word]] + emissions[word, tags[word]]
        sums = (sums[:, None] + chain.transitions).logsumexp(0) + emissions[word]
    return score + chain.end[tags[-1]] - (sums + chain.end).logsumexp(0)


@pytest.mark.parametrize("filling", [0.0, 1e6, inf, nan])
def test_padding_changes_nothing(filling):
    torch.manual_seed(0)
    chain, emissions, tags = (
        Crf(IOB2, constrained=True).chain,
        torch.randn(2, 3, 5),
        torch.zeros(2, 3, dtype=torch.long),
    )
    mask = torch.tensor([[True, True, True], [True, False, False]])
    padded = torch.cat([emissions, torch.zeros(2, 4, 5)], 1).masked_fill(~_longer(mask)[..., None], filling)
    padded.requires_grad_()
    found = log_likelihoods(padded, _longer(tags, by=99), chain=chain, mask=_longer(mask))
    found.sum().backward()
    assert torch.equal(found, log_likelihoods(emissions, tags, chain=chain, mask=mask))
    assert padded.grad.isfinite().all()
    assert not padded.grad[~_longer(mask)].any()
    for answer in (marginals, best_paths):
        longer = answer(padded.detach(), chain=chain, mask=_longer(mask))
        assert torch.equal(longer[:, :3], answer(emissions, chain=chain, mask=mask))
        assert not longer[:, 3:].any()


def _longer(rows, by=0):
    return torch.cat([rows, torch.full((len(rows), 4), by, dtype=rows.dtype)], 1)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.sampled_from([1.0, 1e3, 1e8]), tags=st.sampled_from([IOB2, IOBES]))
def test_no_best_path_breaks_the_scheme_whatever_the_emissions(seed, scale, tags):
    generator = torch.Generator().manual_seed(seed)
    emissions = scale * torch.randn(8, 6, len(tags), generator=generator)
    mask = torch.arange(6) < torch.arange(8).clamp(max=6)[:, None]
    found = best_paths(emissions, chain=Crf(tags, constrained=True).chain, mask=mask)
    sentences = [[tags[tag] for tag in row[words].tolist()] for row, words in zip(found, mask, strict=True)]
    assert [count_repairs(sentence, scheme="bioes" if tags == IOBES else "iob2") for sentence in sentences] == [0] * 8


@pytest.mark.parametrize("scheme", ["iob2", "io", "bioes"])
def test_forbidden_is_what_no_sentence_of_the_scheme_has(scheme):
    tags = tag_names(("X", "Y"), scheme)
    sentences = [["O", *spans_to_tags(spans, 4, scheme), "O"] for spans in _all_spans(4)]
    starts, ends = {sentence[1] for sentence in sentences}, {sentence[-2] for sentence in sentences}
    steps = {step for sentence in sentences for step in pairwise(sentence[1:-1])}
    found = forbidden(tags)
    assert found.start.tolist() == [tag not in starts for tag in tags]
    assert found.end.tolist() == [tag not in ends for tag in tags]
    assert found.transitions.tolist() == [[(before, tag) not in steps for tag in tags] for before in tags]


def _all_spans(n_words, start=0):
    """Every set of spans of the types X and Y in a sentence."""
    if start >= n_words:
        return [[]]
    found = list(_all_spans(n_words, start + 1))
    for end in range(start + 1, n_words + 1):
        found += [[Span(label, start, end), *others] for label in "XY" for others in _all_spans(n_words, end)]
    return found


def test_gold_tags_that_break_the_scheme_give_a_finite_loss_and_gradient():
    crf, mask = Crf(["B-X", "I-X", "O"], constrained=True), torch.ones(1, 3, dtype=torch.bool)
    emissions = torch.zeros(1, 3, 3, requires_grad=True)
    found = log_likelihoods(emissions, torch.tensor([[2, 1, 2]]), chain=crf.chain, mask=mask)
    found.sum().backward()
    assert found.item() == pytest.approx(FORBIDDEN, rel=1e-3)
    assert all(tensor.grad.isfinite().all() for tensor in (emissions, crf.start, crf.transitions, crf.end))


def test_second_derivatives_are_refused():
    emissions, mask = torch.randn(1, 3, 5, requires_grad=True), torch.ones(1, 3, dtype=torch.bool)
    found = log_likelihoods(emissions, torch.zeros(1, 3).long(), chain=Crf(IOB2, constrained=True).chain, mask=mask)
    (gradient,) = torch.autograd.grad(found.sum(), emissions, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        gradient.square().sum().backward()


def test_without_constraints_a_chain_is_what_was_drawn_small():
    torch.manual_seed(0)
    crf = Crf(IOB2, constrained=False)
    chain = crf.chain
    assert torch.equal(chain.transitions, crf.transitions)
    assert all(0 < part.abs().max() <= SPREAD for part in (chain.start, chain.transitions, chain.end))
    torch.manual_seed(0)
    assert torch.equal(Crf(IOB2, constrained=True).transitions, chain.transitions)


def test_drawing_anew_finds_again_what_is_forbidden():
    crf = Crf(IOB2, constrained=True).bfloat16()
    for buffer in crf.buffers():
        buffer.logical_not_()  # stands for memory without content
    crf.reset_parameters()
    chain, found = crf.chain, forbidden(IOB2)
    for name in ("start", "transitions", "end"):
        assert torch.equal(getattr(chain, name) <= FORBIDDEN, getattr(found, name))
    assert [*crf.state_dict()] == ["start", "transitions", "end"]


class Tagger(PreTrainedModel):
    config_class = PreTrainedConfig

    def __init__(self, config):
        super().__init__(config)
        self.crf = Crf(IOB2, constrained=True)
        self.post_init()

    def _init_weights(self, module):
        if isinstance(module, Crf):
            module.reset_parameters()


def test_a_saved_chain_loads_with_its_constraints(tmp_path):
    model = Tagger(PreTrainedConfig())
    model.save_pretrained(tmp_path)
    chain, loaded = model.crf.chain, Tagger.from_pretrained(tmp_path).crf.chain
    assert torch.equal(loaded.start, chain.start)
    assert torch.equal(loaded.transitions, chain.transitions)
    assert torch.equal(loaded.end, chain.end)
    assert (loaded.transitions == FORBIDDEN).any()


def test_autocast_changes_nothing():
    torch.manual_seed(0)
    crf, mask = Crf(IOB2, constrained=True), torch.ones(2, 6, dtype=torch.bool)
    emissions, tags = torch.randn(2, 6, 5).bfloat16().requires_grad_(), torch.randint(5, (2, 6))

    def train():
        found = log_likelihoods(emissions, tags, chain=crf.chain, mask=mask)
        return found, *torch.autograd.grad(found.sum(), (emissions, crf.transitions, crf.start, crf.end))

    plain = train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = train()
    assert cast[0].dtype == torch.float32
    assert all(map(torch.equal, cast, plain))


@settings(deadline=None)
@given(
    labels=st.integers(1, 6).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([IGNORED, 0, 1, 2]), min_size=width, max_size=width), min_size=1, max_size=4
        )
    )
)
def test_packing_moves_the_labelled_positions_to_the_beginning(labels):
    values = torch.randn(len(labels), len(labels[0]), 3, requires_grad=True)
    emissions, tags, mask = pack_words(values, torch.tensor(labels))
    places = [[place for place, label in enumerate(row) if label != IGNORED] for row in labels]
    assert mask.sum(1).tolist() == [len(found) for found in places]
    assert mask.shape == (len(labels), max(1, *map(len, places)))
    for row, found in enumerate(places):
        assert torch.equal(emissions[row, : len(found)], values[row, found])
        assert tags[row].tolist() == [labels[row][place] for place in found] + [0] * (mask.shape[1] - len(found))
    emissions[mask].sum().backward()
    assert torch.equal(values.grad[..., 0] == 1, torch.tensor(labels) != IGNORED)
