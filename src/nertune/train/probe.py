"""Timed training steps: what `precision: auto` and time estimates are decided by."""

from __future__ import annotations

import statistics
import time
from functools import partial

import torch
from accelerate.utils import send_to_device
from torch.optim import AdamW
from transformers import PreTrainedModel

from nertune.models.build import Base
from nertune.spec.study import StudySpec
from nertune.tasks.encoded import EncodedSplit, Ints
from nertune.train.batches import TARGETS, Batch, TrainBatches, collate, count_items, layout_of
from nertune.train.frozen import states_of_some
from nertune.train.learner import Learner
from nertune.train.loss import FitLoss, split_logits
from nertune.train.optim import Precision

WARM_UP, TIMED = 2, 4


def time_step(base: Base, *, train: EncodedSplit, spec: StudySpec, precision: Precision, device: str = "cpu") -> float:
    """Seconds of one optimizer step on this device with these threads: the median of a few, after warm-up.

    It is one batch of middle length again and again, the same one whatever the precision, in the stage with the most
    epochs. No generator is changed.
    With `train.device_batch_size`, one part of the batch is timed and counted as often as there are parts.
    """
    place = torch.device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(0)
        numbers, n_parts = _typical_part(train, spec=spec)
        find_states = partial(states_of_some, base=base, numbers=numbers, device=device, precision=precision)
        learner = Learner(base, spec=spec, train=train, dev=None, seed=0, device=place.type, find_states=find_states)
        learner.freeze(max(spec.stage_settings, key=lambda settings: settings.epochs))
        model = learner.model.to(place).train()
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = AdamW(learning, lr=0.0, fused=True)
        layout = layout_of(base.config)
        batch = collate(learner.train, numbers, layout=layout)
        batch = send_to_device({**batch, "n_items": count_items([batch])}, place)
        loss_of = FitLoss(base, spec=spec.train, train=train, layout=layout, device=place)
        times = []
        for _ in range(WARM_UP + TIMED):
            start = time.perf_counter()
            loss = _step(model, batch, loss_of=loss_of, base=base, precision=precision, optimizer=optimizer)
            loss.item()  # waits for the device
            times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:]) * n_parts


def choose_precision(
    base: Base, *, train: EncodedSplit, spec: StudySpec, device: str = "cpu"
) -> tuple[Precision, dict[str, float]]:
    """The faster precision for this model on this device, and the seconds of a step in each that was timed."""
    seconds = {"fp32": time_step(base, train=train, spec=spec, precision="fp32", device=device)}
    if torch.device(device).type == "cpu" or torch.cuda.is_bf16_supported():
        seconds["bf16"] = time_step(base, train=train, spec=spec, precision="bf16", device=device)
    return ("bf16" if seconds.get("bf16", float("inf")) < seconds["fp32"] else "fp32"), seconds


def _typical_part(train: EncodedSplit, *, spec: StudySpec) -> tuple[Ints, int]:
    """The windows of a micro-batch of middle length, and how many make a batch."""
    size, at_once = spec.train.batch_size, spec.train.device_batch_size
    whole = TrainBatches(train, batch_size=size, device_batch_size=at_once, order="grouped", seed=0)
    parts = TrainBatches(train, batch_size=whole.part_size, device_batch_size=None, order="grouped", seed=0).batches(0)
    lengths = train.windows.lengths
    parts.sort(key=lambda part: int(lengths[part].sum()))
    return parts[len(parts) // 2], whole.n_parts


def _step(
    model: PreTrainedModel, batch: Batch, *, loss_of: FitLoss, base: Base, precision: Precision, optimizer: AdamW
) -> torch.Tensor:
    inputs = {name: tensor for name, tensor in batch.items() if name not in TARGETS}
    with torch.autocast(batch["attention_mask"].device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = model(**inputs).logits
    loss = loss_of(model, split_logits(logits, heads=base.heads), targets=batch)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    model.zero_grad()
    return loss.detach()
