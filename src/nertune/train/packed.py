"""Encoders without padding: the pieces of a batch in one long column, and the last layer only where it is read.

A matrix product takes as long for a padded place as for a piece, and a head that reads the first pieces of words, or
the first piece of a text, has no use for what the last layer makes of the others: they need keys and values there, and
nothing more. Attention alone is computed text by text, those of like length at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from nertune.hooks import is_hook
from nertune.models.composed import ENTRY, heads_of
from nertune.models.losses import IGNORED
from nertune.train.batches import Batch
from nertune.train.dropout import dropout_mask

# The module that holds the layers, in encoders whose attention is softmax(Q Kᵀ · scale) V and nothing more.
HOLDERS = {
    "bert": "encoder",
    "roberta": "encoder",
    "xlm-roberta": "encoder",
    "camembert": "encoder",
    "electra": "encoder",
    "distilbert": "transformer",
}
PLAIN_UP_TO = 64  # places of a text: above, torch's fused attention is quicker where no gradient is wanted
BF16_ROWS = 64  # products of bf16 have a multiple of so many rows: of a number not seen before, they are compiled first
LIKE = 0.6  # of the longest text's pieces: shorter ones get a block of their own, without that one's padding
Read = Literal["first", "told", "all"]


def pack(model: PreTrainedModel) -> bool:
    """Let the model compute without padding, in training and evaluation; its parameters keep their names.

    Returns  whether it does and did not before: not every encoder can
    """
    holder = HOLDERS.get(model.config.model_type, "")
    whole = getattr(model.base_model, holder, None)
    if whole is None or not _can_be_packed(whole, config=model.config):
        return False
    setattr(model.base_model, holder, PackedLayers(whole, config=model.config))
    return True


def unpack(model: PreTrainedModel) -> None:
    """Make the model what it was before `pack`."""
    layers = _packed_layers(model)
    if layers is not None:
        setattr(model.base_model, HOLDERS[model.config.model_type], layers.whole)


@contextlib.contextmanager
def packed(model: PreTrainedModel, *, device: torch.device) -> Iterator[None]:
    """For so long, and on a CPU alone: a GPU would have to wait and tell how many pieces there are."""
    is_new = device.type == "cpu" and pack(model)
    try:
        yield
    finally:
        if is_new:
            unpack(model)


def may_be_shared(model: PreTrainedModel) -> bool:
    """Whether threads may run it at the same time: it is packed, and has no head that may keep something."""
    return _packed_layers(model) is not None and not _has_own_head(model.config)


def linear_parts(model: PreTrainedModel) -> list[nn.Linear]:
    """Those of the layers, if the model is packed; without any of somebody's own making, such as adapters."""
    layers = _packed_layers(model)
    return [] if layers is None else [one for one in layers.modules() if type(one) is nn.Linear]


def logits_of(model: PreTrainedModel, inputs: Batch, *, read: Callable[[], Tensor]) -> Tensor:
    """What a model says of a batch, of all heads side by side; see `EncoderWithHeads`.

    read  for models of words: gives the pieces whose logits matter, [B, T] bool. Those of others may be anything
    """
    layers = _packed_layers(model)
    told = {"read": read()} if layers is not None and layers.read == "told" else {}
    logits: Tensor = model(**inputs, **told).logits
    return logits


def labelled(labels: Mapping[str, Tensor]) -> Tensor:
    """The pieces that have a label in some head, [B, T] bool; of labels see `collate`."""
    known = [(one if one.dim() == 2 else one[..., 0]) != IGNORED for one in labels.values()]
    return torch.stack(known).any(0) if len(known) > 1 else known[0]


class PackedLayers(nn.Module):
    """The layers of an encoder, run on pieces alone.

    whole  the module whose place this one takes
    read   what the head reads of the last layer: the first piece, pieces that `forward` is told, or all
    """

    def __init__(self, whole: nn.Module, *, config: PreTrainedConfig) -> None:
        super().__init__()
        self.layer: Any = whole.layer
        self.read: Read = _what_is_read(config)
        self._n_heads = config.num_attention_heads
        self._hidden = (whole,)  # in a tuple: its parameters are not to be found twice

    @property
    def whole(self) -> nn.Module:
        return self._hidden[0]

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, read: Tensor | None = None, **_: Any
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """As transformers calls the module that this one stands for.

        Shapes   B texts, T places, D features
            hidden_states   [B, T, D] float
            attention_mask  [B, 1, 1 or T, T], bool, or float and 0 where a piece may be seen; None: everywhere
            read            [B, T] bool, where somebody will look
            (result)        [B, T, D] float, 0 where nobody looks
        """
        n_texts, n_places, n_features = hidden_states.shape
        is_piece = _pieces_of(attention_mask, shape=(n_texts, n_places))
        wanted = self._wanted(read, is_piece=is_piece)
        groups = groups_of(is_piece.sum(1))
        pieces = Places.of(is_piece, n_heads=self._n_heads, groups=groups)
        column = _filled_up(_lowered(hidden_states.reshape(-1, n_features).index_select(0, pieces.places)))
        *lower, last = self.layer
        for layer in lower:
            column = run_layer(layer, column, pieces=pieces)
        if wanted is not None and _ports(last) is not None:
            asking = Places.of(_to_the_left(wanted), n_heads=self._n_heads, groups=groups)
            places = wanted.flatten().nonzero().squeeze(1)
            column = run_layer(last, column, pieces=pieces, asking=asking, chosen=pieces.numbers[places])
        else:
            column, places = run_layer(last, column, pieces=pieces), pieces.places
        found = _cut(column, len(places)).to(hidden_states.dtype)
        result = hidden_states.new_zeros(n_texts * n_places, n_features).index_copy(0, places, found)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=result.view(hidden_states.shape))

    def _wanted(self, read: Tensor | None, *, is_piece: Tensor) -> Tensor | None:
        """Where the last layer is read, [B, T] bool; None: everywhere, and never nowhere."""
        if self.read == "first":
            read = torch.zeros_like(is_piece)
            read[:, 0] = True
        if self.read == "all" or read is None:
            return None
        wanted = read & is_piece
        return wanted if wanted.any() else None


@dataclass(frozen=True, eq=False)
class Block:
    """Texts of like length, as attention takes them together.

    Shapes   G texts, W places, H heads
        is_piece  [G, W] bool
        rows      [G, H, W] int64, the row among N·H of each head's place; padding has that of the first piece
    """

    is_piece: Tensor
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Places:
    """The pieces of some texts: one after another in a column, and text by text in blocks.

    Shapes   B texts, T places, N pieces, H heads, L rows of all blocks, G·H·W each
        places    [N]    int64, the place of each piece among the B·T
        numbers   [B·T]  int64, the number of each place's piece; 0 in padding
        spread    [L]    int64, the row among N·H of each row of the blocks
        back      [N·H]  int64, the other way round
        padded    [P]    int64, the rows of the blocks that are padding
    """

    blocks: tuple[Block, ...]
    places: Tensor
    numbers: Tensor
    spread: Tensor
    back: Tensor
    padded: Tensor

    @classmethod
    def of(cls, is_piece: Tensor, *, n_heads: int, groups: Sequence[Tensor]) -> Places:
        """Those where `is_piece`, [B, T] bool, in blocks of these groups of texts, which are all together."""
        places = is_piece.flatten().nonzero().squeeze(1)
        numbers = torch.zeros(is_piece.numel(), dtype=torch.int64)
        numbers[places] = torch.arange(len(places))
        blocks = tuple(
            _block(is_piece[group], numbers.view(is_piece.shape)[group], n_heads=n_heads) for group in groups
        )
        spread = torch.cat([block.rows.flatten() for block in blocks])
        is_real = torch.cat([block.is_piece[:, None].expand_as(block.rows).flatten() for block in blocks])
        back = torch.empty(len(places) * n_heads, dtype=torch.int64)
        real = is_real.nonzero().squeeze(1)
        back[spread[real]] = real
        return cls(blocks, places, numbers, spread, back, (~is_real).nonzero().squeeze(1))

    def by_text(self, rows: Tensor) -> list[Tensor]:
        """[≥ N, H·D] -> of each block [G·H, W, D]; in padding stands what is of no matter, and gets no gradient."""
        every = _cut(rows, len(self.places)).reshape(len(self.back), -1)
        spread: Tensor = _Moved.apply(every, self.spread, self.back, None)  # type: ignore[no-untyped-call]
        parts = torch.split(spread, [block.rows.numel() for block in self.blocks])
        return [
            part.view(-1, block.rows.shape[2], part.shape[1]) for part, block in zip(parts, self.blocks, strict=True)
        ]

    def by_piece(self, texts: Sequence[Tensor]) -> Tensor:
        """Of each block [G·H, W, D] -> [N, H·D]"""
        every = torch.cat([part.reshape(-1, part.shape[-1]) for part in texts])
        rows: Tensor = _Moved.apply(every, self.back, self.spread, self.padded)  # type: ignore[no-untyped-call]
        return rows.view(len(self.places), -1)


def _block(is_piece: Tensor, numbers: Tensor, *, n_heads: int) -> Block:
    """Of some texts, as wide as the widest of them; `numbers` [G, T] as in `Places`."""
    width = int(is_piece.any(0).nonzero().max()) + 1 if is_piece.any() else 1
    rows = numbers[:, None, :width] * n_heads + torch.arange(n_heads)[:, None]
    return Block(is_piece[:, :width], rows)


def groups_of(lengths: Tensor) -> list[Tensor]:
    """Texts of like length together, [≤ B] int64 each, the longest first: none is shorter than LIKE of its group.

    lengths  [B] int64
    """
    longest_first = torch.argsort(lengths, descending=True, stable=True)
    groups: list[list[int]] = []
    longest = 0
    for text, length in zip(longest_first.tolist(), lengths[longest_first].tolist(), strict=True):
        if not groups or length < LIKE * longest:
            groups.append([])
            longest = length
        groups[-1].append(text)
    return [torch.tensor(group) for group in groups]


class _Moved(torch.autograd.Function):
    """Rows by their numbers. No row that counts is taken twice, so that gradients come back by numbers, too.

    torch's own gradient would add each row to zeros, one by one.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, taken: Tensor, back: Tensor, padded: Tensor | None) -> Tensor:
        ctx.back, ctx.padded = back, padded
        return rows.index_select(0, taken)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        gradient = gradients[0].index_select(0, ctx.back)
        if ctx.padded is not None:  # rows that were not taken
            gradient.index_fill_(0, ctx.padded, 0.0)
        return gradient, None, None, None


class _Ports(NamedTuple):
    """Where a layer's attention is cut open.

    query, key, value  from its input
    scaling            of the products of queries and keys
    dropout            of the weights of attention
    after              what follows in it, of what attention gave [N, D] and its input [N, D]
    """

    query: nn.Module
    key: nn.Module
    value: nn.Module
    scaling: float
    dropout: nn.Dropout
    after: Callable[[Any, Tensor, Tensor], Tensor]


def run_layer(
    layer: nn.Module, column: Tensor, *, pieces: Places, asking: Places | None = None, chosen: Tensor | None = None
) -> Tensor:
    """What a layer makes of pieces [≥ N, D]; rows after the N-th fill up and are of no matter.

    asking, chosen  the places and numbers of those M pieces alone that are wanted of it: then the result is [≥ M, D]
    """
    ports = _ports(layer)
    if ports is None:
        passed_on: Tensor = layer(column)  # a layer that is left out: see `train.frozen`
        return passed_on
    asked = column if chosen is None else _filled_up(column.index_select(0, chosen))
    places = pieces if asking is None else asking
    mixed = [
        attend(*block, is_piece=own.is_piece, scaling=ports.scaling, dropout=ports.dropout.p if layer.training else 0.0)
        for own, *block in zip(
            pieces.blocks,
            places.by_text(ports.query(asked)),
            pieces.by_text(ports.key(column)),
            pieces.by_text(ports.value(column)),
            strict=True,
        )
    ]
    return ports.after(layer, _filled_up(places.by_piece(mixed)), asked)


def _lowered(rows: Tensor) -> Tensor:
    """In bf16 where products are: what passes from layer to layer is then not cast for every one of them."""
    return rows.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else rows


def _filled_up(rows: Tensor) -> Tensor:
    """[N, D] -> [≥ N, D] with zeros below, where products are of bf16.

    oneDNN makes code for each shape of such a product, in 3 to 10 ms, and every batch has its own number of pieces.
    """
    n_lacking = -len(rows) % BF16_ROWS if torch.is_autocast_enabled("cpu") else 0
    return pad(rows, (0, 0, 0, n_lacking)) if n_lacking else rows


def _cut(rows: Tensor, n: int) -> Tensor:
    """The first n rows. Where they are all, torch's gradient of a slice would copy them for nothing."""
    return rows if len(rows) == n else rows[:n]


def attend(query: Tensor, key: Tensor, value: Tensor, *, is_piece: Tensor, scaling: float, dropout: float) -> Tensor:
    """softmax(Q Kᵀ · scaling) V of each text and head: the plain formula, which a CPU does faster than fused kernels.

    Shapes   B texts, H heads, S places that ask, T places, D features of a head
        query       [B·H, S, D] float
        key, value  [B·H, T, D] float
        is_piece    [B, T] bool; the others are not seen
        (result)    [B·H, S, D]
    """
    n_texts, n_places = is_piece.shape
    n_heads = len(query) // n_texts
    if dropout == 0.0 and n_places > PLAIN_UP_TO and not torch.is_grad_enabled():
        query, key, value = (one.view(n_texts, n_heads, *one.shape[1:]) for one in (query, key, value))
        mask = is_piece[:, None, None, :]
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling).flatten(0, 1)
    hidden = torch.zeros(n_texts, n_places, dtype=query.dtype, device=query.device)
    hidden.masked_fill_(~is_piece, -torch.inf)
    scores = torch.baddbmm(hidden.repeat_interleave(n_heads, 0)[:, None], query, key.transpose(1, 2), alpha=scaling)
    weights = scores.softmax(-1)
    if dropout > 0.0:
        weights = weights * dropout_mask(weights, p=dropout)
    return torch.bmm(weights, value)


def _ports(layer: nn.Module) -> _Ports | None:
    """Of BERT's kind and of DistilBERT's; None of a layer that is left out."""
    attention: Any = getattr(layer, "attention", None)
    if attention is None:
        return None
    if hasattr(layer, "ffn"):
        projections = attention.q_lin, attention.k_lin, attention.v_lin
        return _Ports(*projections, attention.scaling, attention.dropout, _after_distilbert)
    own = attention.self
    return _Ports(own.query, own.key, own.value, own.scaling, own.dropout, _after_bert)


def _after_bert(layer: Any, mixed: Tensor, given: Tensor) -> Tensor:
    attended = layer.attention.output(mixed, given)
    result: Tensor = layer.output(layer.intermediate(attended), attended)
    return result


def _after_distilbert(layer: Any, mixed: Tensor, given: Tensor) -> Tensor:
    attended = layer.sa_layer_norm(layer.attention.out_lin(mixed) + given)
    result: Tensor = layer.output_layer_norm(layer.ffn(attended) + attended)
    return result


def _can_be_packed(whole: nn.Module, *, config: PreTrainedConfig) -> bool:
    """Transformers' own layers in their usual form, of which some are run; not packed yet."""
    is_transformers = type(whole).__module__.startswith("transformers.models.")
    looks_back_only = getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False)
    in_chunks = getattr(config, "chunk_size_feed_forward", 0) > 0
    is_usual = config._attn_implementation == "sdpa" and not looks_back_only and not in_chunks
    tells_more = getattr(config, "output_attentions", False) or getattr(config, "output_hidden_states", False)
    layers: Any = getattr(whole, "layer", ())
    return is_transformers and is_usual and not tells_more and any(_ports(layer) is not None for layer in layers)


def _packed_layers(model: PreTrainedModel) -> PackedLayers | None:
    layers = getattr(model.base_model, HOLDERS.get(model.config.model_type, ""), None)
    return layers if isinstance(layers, PackedLayers) else None


def _has_own_head(config: PreTrainedConfig) -> bool:
    """Whether a head is somebody's own, of which nothing is known."""
    return any(is_hook(head.options.head) for head in heads_of(config))


def _what_is_read(config: PreTrainedConfig) -> Read:
    entry = getattr(config, ENTRY)
    if _has_own_head(config):
        return "all"  # somebody's own head may look anywhere
    if entry["pieces" if entry["task"] == "token" else "pooling"] == "mean":
        return "all"
    return "told" if entry["task"] == "token" else "first"


def _pieces_of(mask: Tensor | None, *, shape: tuple[int, int]) -> Tensor:
    """Which places hold a piece, [B, T] bool."""
    if mask is None:
        return torch.ones(shape, dtype=torch.bool)
    seen = mask[:, 0, 0]
    return seen if seen.dtype == torch.bool else seen == 0


def _to_the_left(wanted: Tensor) -> Tensor:
    """For each text as many places, from its first on, as it has wanted ones, [B, S] bool."""
    counts = wanted.sum(1)
    return torch.arange(int(counts.max()), device=wanted.device) < counts[:, None]
