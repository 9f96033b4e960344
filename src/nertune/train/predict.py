"""Predictions of a model for an encoded split, and their scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from nertune.models.composed import EncoderWithHeads, heads_of
from nertune.models.heads.head import Head
from nertune.results.records import SplitScores
from nertune.scores.heads import join_scores
from nertune.spec.study import DataSpec
from nertune.tasks import TASKS
from nertune.tasks.encoded import EncodedSplit, Ints
from nertune.tasks.extra import score_extra
from nertune.tasks.predictions import (
    Outputs,
    Predictions,
    SequencePredictions,
    TokenPredictions,
    join_sequence,
    join_token,
)
from nertune.train.batches import Layout, evaluation_batches, gold_of, home_rows, layout_of, pad, readable_by
from nertune.train.deciding import decide
from nertune.train.laid_out import laid_out
from nertune.train.lanes import MOST_LANES, in_lanes
from nertune.train.loss import split_logits
from nertune.train.optim import Precision
from nertune.train.packed import linear_parts, logits_of, may_be_shared, packed

Pulse = Callable[[], None]

# Padded pieces at a time. On a CPU more leave its caches (MiniLM: 8192 take 1.8 times as long); a GPU wants more.
MAX_PIECES = {"cpu": 1024, "cuda": 32768}


def max_pieces_on(device: torch.device) -> int:
    """What suits a device."""
    return MAX_PIECES.get(device.type, MAX_PIECES["cpu"])


def no_pulse() -> None:
    """Nobody waits for signs of life."""


def predict(
    model: PreTrainedModel,
    encoded: EncodedSplit,
    *,
    device: str,
    precision: Precision,
    max_pieces: int | None = None,
    pulse: Pulse = no_pulse,
) -> Predictions:
    """Predictions in the order of the examples, however the windows were batched; the model is left in evaluation mode.

    max_pieces  padded pieces at a time, on a CPU those of each thread; null: what suits the device
    pulse       called at every batch, of several threads at those of the calling one
    """
    outputs = infer(model, encoded, device=device, precision=precision, max_pieces=max_pieces, pulse=pulse)
    return read_outputs(outputs, encoded=encoded, heads=heads_of(model.config))


def infer(
    model: PreTrainedModel,
    encoded: EncodedSplit,
    *,
    device: str,
    precision: Precision,
    max_pieces: int | None = None,
    pulse: Pulse = no_pulse,
) -> dict[str, Outputs]:
    """What each head says of every item, by its name; see `predict`."""
    start = time.perf_counter()
    place, heads = torch.device(device), heads_of(model.config)
    model.to(place).eval()
    with (
        torch.inference_mode(),
        packed(model, device=place),
        laid_out(linear_parts(model) if precision == "bf16" else ()),
    ):
        logits = _all_logits(
            model,
            readable_by(model, encoded),
            heads=heads,
            precision=precision,
            device=place,
            max_pieces=max_pieces or max_pieces_on(place),
            pulse=pulse,
        )
        outputs = {
            head.name: decide(
                logits[head.name],
                head=head,
                encoded=encoded.views[head.name],
                gold=gold_of(encoded.views[head.name], np.arange(len(encoded.windows.items))).to(place),
                chain=model.chain(head.name) if head.has_crf and isinstance(model, EncoderWithHeads) else None,
            )
            for head in heads
        }
    runtime_s = time.perf_counter() - start
    return {name: replace(output, runtime_s=runtime_s) for name, output in outputs.items()}


def read_outputs(outputs: Mapping[str, Outputs], *, encoded: EncodedSplit, heads: Sequence[Head]) -> Predictions:
    """What the outputs of all heads mean; of several heads all together, and each `by_head`."""
    kind = TASKS[encoded.task]
    found = {name: kind.decode(output, encoded=encoded.views[name]) for name, output in outputs.items()}
    if not encoded.heads:
        return found[""]
    loss = sum(head.weight * found[head.name].loss for head in heads)
    if encoded.task == "token":
        return join_token({name: one for name, one in found.items() if isinstance(one, TokenPredictions)}, loss=loss)
    return join_sequence({name: one for name, one in found.items() if isinstance(one, SequencePredictions)}, loss=loss)


def score_predictions(
    predictions: Predictions, *, encoded: EncodedSplit, data: DataSpec, extra: Sequence[str] = ()
) -> SplitScores:
    """Every score of the task against the split's gold, `loss` among them; of several heads see `scores.heads`.

    extra  scores of the user's own, `package.module:name`
    """
    kind = TASKS[encoded.task]
    parts = predictions.by_head or {"": predictions}
    scores = {name: kind.score(one, encoded=encoded.views[name], data=data) for name, one in parts.items()}
    scores = {
        name: replace(
            own,
            overall={
                "loss": parts[name].loss,
                **own.overall,
                **score_extra(extra, parts[name], encoded=encoded.views[name]),
            },
        )
        for name, own in scores.items()
    }
    return join_scores(scores, loss=predictions.loss) if encoded.heads else scores[""]


def _all_logits(
    model: PreTrainedModel,
    encoded: EncodedSplit,
    *,
    heads: Sequence[Head],
    precision: Precision,
    device: torch.device,
    max_pieces: int,
    pulse: Pulse,
) -> dict[str, Tensor]:
    """Logits [H, L] float32 of every head for all items at home, in the order of `Windows.items`."""
    layout = layout_of(model.config)

    def run(batches: Iterable[Ints]) -> list[tuple[Ints, Tensor]]:
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            return [_home_logits(model, encoded, numbers, device=device, layout=layout) for numbers in batches]

    batches = list(evaluation_batches(encoded, max_pieces=max_pieces))
    most = MOST_LANES if device.type == "cpu" and may_be_shared(model) else 1
    found = [one for lane in in_lanes(run, batches, pulse=pulse, most=most) for one in lane]
    order = [np.empty(0, np.int64), *(homes for homes, _ in found)]
    width = sum(len(head.labels) for head in heads)
    every = torch.cat([logits for _, logits in found]) if found else torch.empty(0, width, device=device)
    back = torch.from_numpy(np.argsort(np.concatenate(order))).to(device)
    return dict(split_logits(every[back], heads=heads))


def _home_logits(
    model: PreTrainedModel, encoded: EncodedSplit, numbers: Ints, *, device: torch.device, layout: Layout
) -> tuple[Ints, Tensor]:
    """Logits [H', L] float32 of the items at home in these windows, and their indices in `Windows.items`."""
    batch = pad(encoded, numbers, layout=layout)
    inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
    rows, homes = home_rows(encoded, numbers)
    if encoded.task == "sequence":
        return homes, model(**inputs).logits.float()
    shape = inputs["attention_mask"].shape
    where = torch.from_numpy(rows * shape[1] + encoded.windows.places[homes]).to(device)
    logits = logits_of(model, inputs, read=partial(_only, where, shape=shape)).float()
    return homes, logits.flatten(0, 1)[where]


def _only(where: Tensor, *, shape: torch.Size) -> Tensor:
    """True at these of all places, else False."""
    return torch.zeros(shape, dtype=torch.bool, device=where.device).flatten().index_fill_(0, where, True).view(shape)
