"""Predictions of a model for an encoded split, and their scores."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from nertune.data.examples import Task
from nertune.models.heads.head import Head
from nertune.models.heads.linear import LINEAR
from nertune.results.records import SplitScores
from nertune.spec.study import DataSpec
from nertune.tasks import TASKS
from nertune.tasks.encoded import EncodedSplit, Ints
from nertune.tasks.predictions import Outputs, Predictions
from nertune.train.batches import evaluation_batches, gold_of, home_rows, pad, readable_by
from nertune.train.optim import Precision

Pulse = Callable[[], None]

# Padded pieces at a time. On a CPU more leave its caches (MiniLM: 8192 take 1.8 times as long); a GPU wants more.
MAX_PIECES = {"cpu": 1024, "cuda": 32768}


def no_pulse() -> None:
    """Nobody waits for signs of life."""


def predict(
    model: PreTrainedModel,
    encoded: EncodedSplit,
    *,
    device: str,
    precision: Precision,
    head: Head = LINEAR,
    max_pieces: int | None = None,
    pulse: Pulse = no_pulse,
) -> Predictions:
    """Predictions in the order of the examples, however the windows were batched; the model is left in evaluation mode.

    max_pieces  padded pieces at a time; null: what suits the device
    pulse       called at every batch
    """
    start = time.perf_counter()
    place = torch.device(device)
    encoded = readable_by(model, encoded)
    order, parts = [], []
    model.to(place).eval()
    with torch.inference_mode(), torch.autocast(place.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        for numbers in evaluation_batches(
            encoded, max_pieces=max_pieces or MAX_PIECES.get(place.type, MAX_PIECES["cpu"])
        ):
            pulse()
            homes, logits = _home_logits(model, encoded, numbers, device=place)
            order.append(homes)
            parts.append(_say(logits, gold=gold_of(encoded, homes).to(place), head=head, task=encoded.task))
    outputs = _in_order(order, parts, runtime_s=time.perf_counter() - start)
    return TASKS[encoded.task].decode(outputs, encoded=encoded)


def score_predictions(predictions: Predictions, *, encoded: EncodedSplit, data: DataSpec) -> SplitScores:
    """Every score of the task against the split's gold, `loss` among them."""
    scores = TASKS[encoded.task].score(predictions, encoded=encoded, data=data)
    return dataclasses.replace(scores, overall={"loss": predictions.loss, **scores.overall})


def _home_logits(
    model: PreTrainedModel, encoded: EncodedSplit, numbers: Ints, *, device: torch.device
) -> tuple[Ints, Tensor]:
    """Logits [H', L] float32 of the items at home in these windows, and their indices in `Windows.items`."""
    inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in pad(encoded, numbers).items()}
    rows, homes = home_rows(encoded, numbers)
    logits = model(**inputs).logits.float()
    if encoded.task == "sequence":
        return homes, logits
    where = rows * inputs["input_ids"].shape[1] + encoded.windows.places[homes]
    return homes, logits.flatten(0, 1)[torch.from_numpy(where).to(device)]


def _say(logits: Tensor, *, gold: Tensor, head: Head, task: Task) -> tuple[Tensor, Tensor, Tensor]:
    """What is decoded, probabilities, and the losses of the items (NaN where gold is unknown), still on the device."""
    decoded, probabilities = head.decode(logits)
    if task == "token":
        probabilities = probabilities.gather(1, decoded[:, None])[:, 0]
    return decoded, probabilities, head.item_losses(logits, gold)


def _in_order(order: list[Ints], parts: list[tuple[Tensor, Tensor, Tensor]], *, runtime_s: float) -> Outputs:
    """Everything back in the order of `Windows.items`; the one wait for the device."""
    if not parts:
        return Outputs(
            decoded=np.empty(0, np.int64), probabilities=np.empty(0, np.float32), loss=float("nan"), runtime_s=runtime_s
        )
    back = np.argsort(np.concatenate(order))
    decoded, probabilities, losses = (torch.cat(column).cpu().numpy()[back] for column in zip(*parts, strict=True))
    known = losses[~np.isnan(losses)]
    return Outputs(
        decoded=decoded,
        probabilities=probabilities,
        loss=float(known.mean()) if len(known) else float("nan"),
        runtime_s=runtime_s,
    )
