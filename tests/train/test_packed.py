"""A packed model is the model it was, without the work that nobody would see."""

from __future__ import annotations

from functools import partial
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nertune.models.build import build_model
from nertune.models.losses import IGNORED
from nertune.train import learner as learner_module
from nertune.train import packed as packed_module
from nertune.train import predict as predict_module
from nertune.train.batches import TARGETS, collate, count_items, layout_of
from nertune.train.dropout import LaneDropout
from nertune.train.loss import FitLoss, split_logits
from nertune.train.packed import (
    BF16_ROWS,
    HOLDERS,
    LIKE,
    PackedLayers,
    Places,
    attend,
    groups_of,
    labelled,
    logits_of,
    pack,
    packed,
    unpack,
)
from nertune.train.predict import infer

NO_DROPOUT = {"config": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}}
NUMBERS = [0, 3, 5, 6]  # of windows of unequal length
KINDS = [
    ("token", {}),
    ("token", {"pieces": "all"}),
    ("token", {"pieces": "x", "head": "mlp", "hidden": [8]}),
    ("token", {"pieces": "mean"}),
    ("token", {"crf": True}),
    ("sequence", {}),
    ("sequence", {"pooling": "mean"}),
    ("sequence", {"head": "mlp", "hidden": [8]}),
]


def inputs_of(batch):
    """What the model is given of a batch."""
    return {name: tensor for name, tensor in batch.items() if name not in TARGETS}


def loss_and_gradients(base, train, spec, *, is_packed, precision="fp64"):
    """Of one batch, in training mode but without dropout."""
    model = build_model(base, seed=0).train()
    if precision == "fp64":
        model.double()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if is_packed:
        assert pack(model)
    layout = layout_of(base.config)
    batch = collate(train, NUMBERS, layout=layout)
    batch = {**batch, "n_items": count_items([batch])}
    inputs = inputs_of(batch)
    assert not inputs["attention_mask"].all(), "the batch has no padding"
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = logits_of(model, inputs, read=partial(labelled, batch["labels"])).to(model.dtype)
    loss_of = FitLoss(base, spec=spec.train, train=train, layout=layout, device="cpu")
    loss = loss_of(model, split_logits(logits, heads=base.heads), targets=batch)
    loss.backward()
    return loss.item(), {name: one.grad for name, one in model.named_parameters()}


def assert_same(packed, plain):
    assert packed[0] == pytest.approx(plain[0], abs=1e-5)
    assert list(packed[1]) == list(plain[1])
    for name, gradient in plain[1].items():
        if gradient is None or name.endswith("key.bias"):  # of a key's bias the true one is 0
            continue
        torch.testing.assert_close(packed[1][name], gradient, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", sorted(HOLDERS))
@pytest.mark.parametrize("task", ["token", "sequence"])
def test_loss_and_gradients_are_those_with_padding(encode, base_of, kind, task):
    spec, base, _, train, _ = encode(task, base_of(kind))
    assert_same(*(loss_and_gradients(base, train, spec, is_packed=one) for one in (True, False)))


@pytest.mark.parametrize(("task", "model"), KINDS)
@pytest.mark.parametrize("like", [0.1, 1.0])
def test_whatever_a_head_reads_is_there_in_one_block_of_texts_or_in_many(encode, monkeypatch, task, model, like):
    monkeypatch.setattr(packed_module, "LIKE", like)
    spec, base, _, train, _ = encode(task, model)
    assert_same(*(loss_and_gradients(base, train, spec, is_packed=one) for one in (True, False)))


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
@pytest.mark.parametrize("task", ["token", "sequence"])
def test_rows_that_fill_up_change_neither_loss_nor_gradients(encode, base_of, monkeypatch, kind, task):
    spec, base, _, train, _ = encode(task, base_of(kind))
    monkeypatch.setattr(packed_module, "_filled_up", lambda rows: nn.functional.pad(rows, (0, 0, 0, 7)))
    assert_same(*(loss_and_gradients(base, train, spec, is_packed=one) for one in (True, False)))


@pytest.mark.parametrize("kind", sorted(HOLDERS))
@pytest.mark.parametrize("task", ["token", "sequence"])
@pytest.mark.parametrize("max_pieces", [16, 1024])
def test_predictions_are_those_with_padding(encode, base_of, kind, task, max_pieces, monkeypatch):
    _, base, _, _, dev = encode(task, base_of(kind), max_pieces=8 if task == "token" else None)
    model = build_model(base, seed=0)
    options = {"device": "cpu", "precision": "fp32", "max_pieces": max_pieces}
    ours = infer(model, dev, **options)[""].probabilities
    assert not any(isinstance(module, PackedLayers) for module in model.modules())
    monkeypatch.setattr(predict_module, "packed", lambda *_, **__: torch.no_grad())
    np.testing.assert_allclose(infer(model, dev, **options)[""].probabilities, ours, atol=1e-5)


@pytest.mark.parametrize(("task", "model"), KINDS)
@pytest.mark.parametrize("train", [{}, {"top_layers": 1}, {"lora": {"rank": 2}}], ids=str)
def test_a_fit_is_that_with_padding(learn, monkeypatch, task, model, train):
    options = {"model": {**model, **NO_DROPOUT}, "epochs": 2, **train}
    ours = learn(task, **options)
    monkeypatch.setattr(learner_module, "pack", lambda _: False)
    theirs = learn(task, **options)
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-3)
    assert type(ours.model) is type(theirs.model)
    assert list(ours.model.state_dict()) == list(theirs.model.state_dict())


@pytest.mark.parametrize("train", [{}, {"top_layers": 1}, {"lora": {"rank": 2}}], ids=str)
def test_a_fit_in_bf16_is_close(learn, monkeypatch, train):
    options = {"model": NO_DROPOUT, "epochs": 1, "precision": "bf16", **train}
    ours = learn("token", **options)
    monkeypatch.setattr(learner_module, "pack", lambda _: False)
    assert ours.losses == pytest.approx(learn("token", **options).losses, abs=0.02)


@pytest.mark.parametrize("kind", sorted(HOLDERS))
@pytest.mark.parametrize("task", ["token", "sequence"])
def test_gradients_in_bf16_are_near_the_true_ones(encode, base_of, kind, task):
    """What passes from layer to layer has the eight bits of bf16 then, as products have with padding, too."""
    spec, base, _, train, _ = encode(task, base_of(kind))
    _, exact = loss_and_gradients(base, train, spec, is_packed=False)
    _, quick = loss_and_gradients(base, train, spec, is_packed=True, precision="bf16")
    true, ours = (torch.cat([one.flatten() for one in own.values() if one is not None]) for own in (exact, quick))
    assert 0 < (ours - true).norm() / true.norm() < 0.01


@pytest.mark.parametrize("kind", sorted(HOLDERS))
def test_in_bf16_nothing_is_cast_between_layers(encode, base_of, kind):
    _, base, _, train, _ = encode("token", base_of(kind))
    model = build_model(base, seed=0).eval()
    pack(model)
    seen, ends = [], []
    holder = getattr(model.base_model, HOLDERS[kind])
    holder.register_forward_hook(
        lambda _, given, named, result: ends.extend([next(chain(given, named.values())), result.last_hidden_state]),
        with_kwargs=True,
    )
    for layer in holder.layer:
        norm = layer.output_layer_norm if kind == "distilbert" else layer.output.LayerNorm
        norm.register_forward_hook(lambda *given: seen.append(given[-1].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(**inputs_of(collate(train, NUMBERS, layout=layout_of(base.config))))
    assert seen == [torch.bfloat16] * len(holder.layer)
    given, result = ends
    assert given.dtype == result.dtype
    assert (given.dtype == torch.bfloat16) == (kind == "electra")  # which has a product in its embeddings


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("task", ["token", "sequence"])
def test_nothing_is_multiplied_that_nobody_reads(encode, task, precision):
    """The rows that go through a feed-forward part: all pieces, and in the last layer those that are read.

    In bf16 they are filled up: oneDNN makes new code for every number of rows.
    """
    _, base, _, train, _ = encode(task)
    model = build_model(base, seed=0).eval()
    pack(model)
    rows = []
    for layer in model.base_model.encoder.layer:
        layer.intermediate.register_forward_hook(lambda _, given, __: rows.append(len(given[0])))
    batch = collate(train, NUMBERS)
    inputs = inputs_of(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits_of(model, inputs, read=partial(labelled, batch["labels"]))
    n_read = len(NUMBERS) if task == "sequence" else int((batch["labels"][""] != IGNORED).sum())
    n_pieces = int(inputs["attention_mask"].sum())
    multiple = BF16_ROWS if precision == "bf16" else 1
    assert set(rows[:-1]) == {-(-n_pieces // multiple) * multiple}
    assert rows[-1] == -(-n_read // multiple) * multiple


def test_a_head_of_the_users_own_may_look_anywhere(encode, write_module):
    write_module(
        "neighbours",
        "from torch import nn\n"
        "class Neighbours(nn.Module):\n"
        "    def __init__(self, n_features, n_labels, *, dropout, options):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Conv1d(n_features, n_labels, 3, padding=1)\n"
        "    def forward(self, features):\n"
        "        return self.layer(features.transpose(1, 2)).transpose(1, 2)\n",
    )
    _, base, _, train, _ = encode("token", {"head": "neighbours:Neighbours"})
    model = build_model(base, seed=0).eval()
    batch = collate(train, NUMBERS)
    inputs = inputs_of(batch)
    read = labelled(batch["labels"])
    plain = model(**inputs).logits[read]
    pack(model)
    torch.testing.assert_close(logits_of(model, inputs, read=lambda: read)[read], plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "config",
    [{"is_decoder": True}, {"chunk_size_feed_forward": 2}, {"output_hidden_states": True}],
    ids=str,
)
def test_a_model_that_works_otherwise_is_left_alone(encode, config):
    _, base, *_ = encode("token", {"config": config})
    assert not pack(build_model(base, seed=0))


def test_an_encoder_of_another_kind_or_with_another_attention_is_left_alone(encode, base_of):
    _, base, *_ = encode("token", base_of("mpnet"))
    assert not pack(build_model(base, seed=0))
    _, base, *_ = encode("token")
    model = build_model(base, seed=0)
    model.set_attn_implementation("eager")
    assert not pack(model)


def test_packing_is_undone(encode):
    _, base, *_ = encode("token")
    model = build_model(base, seed=0)
    before = model.base_model.encoder
    names = list(model.state_dict())
    with packed(model, device=torch.device("cpu")):
        assert list(model.state_dict()) == names
        assert not pack(model)
    assert model.base_model.encoder is before
    with packed(model, device=torch.device("cuda")):
        assert model.base_model.encoder is before
    unpack(model)
    assert model.base_model.encoder is before


def test_training_drops_weights_of_attention_and_features(encode):
    _, base, _, train, _ = encode("token")
    model = build_model(base, seed=0).train()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Dropout):
            model.set_submodule(name, LaneDropout(0.0 if "self" not in name else 0.5))
    pack(model)
    batch = collate(train, NUMBERS)
    inputs = inputs_of(batch)
    read = labelled(batch["labels"])
    one, other = (logits_of(model.train(), inputs, read=lambda: read)[read] for _ in range(2))
    assert not torch.allclose(one, other)
    one, other = (logits_of(model.eval(), inputs, read=lambda: read)[read] for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("n_places", [6, 80])
def test_attention_is_torchs_own(n_places):
    """The plain formula and, without gradients and from some length on, the fused kernel."""
    torch.manual_seed(4)
    query, key, value = torch.randn(3, 2 * 4, n_places, 8).unbind()
    is_piece = torch.ones(2, n_places, dtype=torch.bool)
    is_piece[1, 4:] = False
    four = [one.unflatten(0, (2, 4)) for one in (query, key, value)]
    wanted = nn.functional.scaled_dot_product_attention(*four, attn_mask=is_piece[:, None, None], scale=0.5)
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            ours = attend(query, key, value, is_piece=is_piece, scaling=0.5, dropout=0.0)
        torch.testing.assert_close(ours.unflatten(0, (2, 4)), wanted)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40))
def test_texts_stand_with_those_of_like_length(lengths):
    groups = [group.tolist() for group in groups_of(torch.tensor(lengths))]
    assert sorted(chain.from_iterable(groups)) == list(range(len(lengths)))
    for group in groups:
        own = [lengths[text] for text in group]
        assert min(own) >= LIKE * max(own)
    assert all(
        min(lengths[text] for text in one) > max(lengths[text] for text in other) for one, other in pairwise(groups)
    )


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 3))
def test_pieces_go_into_their_blocks_and_come_back(lengths, n_heads):
    is_piece = torch.arange(12) < torch.tensor(lengths)[:, None]
    places = Places.of(is_piece, n_heads=n_heads, groups=groups_of(torch.tensor(lengths)))
    rows = torch.arange(sum(lengths) * n_heads * 2, dtype=torch.float64).view(sum(lengths), -1)
    assert torch.equal(places.by_piece(places.by_text(rows)), rows)
    assert len(places.padded) == sum(block.rows.numel() for block in places.blocks) - rows.numel() / 2
