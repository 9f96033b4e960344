"""Timed training steps: what `precision: auto` and time estimates are decided by."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from accelerate.utils import send_to_device
from torch.optim import AdamW
from transformers import PreTrainedModel

from nertune.models.build import Base
from nertune.models.composed import width_of
from nertune.spec.study import StudySpec, TrainSpec
from nertune.tasks.encoded import EncodedSplit, Ints, States
from nertune.tasks.sample import choose
from nertune.train.batches import TARGETS, Batch, TrainBatches, collate, count_items, layout_of
from nertune.train.frozen import GIB, n_frozen_layers, states_of_some
from nertune.train.learner import Learner
from nertune.train.loss import FitLoss, split_logits
from nertune.train.optim import Precision
from nertune.train.packed import labelled, logits_of
from nertune.train.predict import infer, max_pieces_on, read_outputs, score_predictions

WARM_UP = 1
LEAST_TIMED, MOST_TIMED, ENOUGH_S = 2, 4, 1.0  # fast steps are timed more often than slow ones, which vary less
FEW_WARM_UP, FEW_TIMED = 1, 3  # of the many kinds of steps that a space may have


def time_step(base: Base, *, train: EncodedSplit, spec: StudySpec, precision: Precision, device: str = "cpu") -> float:
    """Seconds of one optimizer step on this device with these threads: the median of two to four, after warm-up.

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
        times: list[float] = []
        for _ in range(WARM_UP + MOST_TIMED):
            start = time.perf_counter()
            loss = _step(model, batch, loss_of=loss_of, base=base, precision=precision, optimizer=optimizer)
            loss.item()  # waits for the device
            times.append(time.perf_counter() - start)
            timed = times[WARM_UP:]
            if len(timed) >= LEAST_TIMED and sum(timed) >= ENOUGH_S:
                break
    return statistics.median(timed) * n_parts


def choose_precision(
    time_in: Callable[[Precision], float], *, device: str = "cpu"
) -> tuple[Precision, dict[str, float]]:
    """The precision that is faster on this device, and the seconds in each that was timed.

    time_in  times a step in a precision, see `time_step`
    """
    seconds = {"fp32": time_in("fp32")}
    if torch.device(device).type == "cpu" or torch.cuda.is_bf16_supported():
        seconds["bf16"] = time_in("bf16")
    return ("bf16" if seconds.get("bf16", float("inf")) < seconds["fp32"] else "fp32"), seconds


@dataclass(frozen=True)
class WorkTimes:
    """Seconds of what a fit does again and again. Those of pieces are of real ones: padding is in them.

    learning     of a piece forward and backward, in each stage
    updating     of the optimizer's part of a step, in each stage
    scoring      of a piece of dev predicted and scored
    full         of a piece through the whole model, in fp32, as saved weights are scored
    freezing     of a piece on its way into the cache of what frozen layers give; 0 where there is none
    frozen       how many layers are left out of each step, having been computed once
    cache_bytes  of a piece in that cache
    setup        of a model made ready to learn
    """

    learning: tuple[float, ...]
    updating: tuple[float, ...]
    scoring: float
    full: float
    freezing: float
    frozen: int
    cache_bytes: int
    setup: float


def time_work(
    base: Base, *, train: EncodedSplit, dev: EncodedSplit, spec: StudySpec, precision: Precision, device: str = "cpu"
) -> WorkTimes:
    """What the fits of a point take, from a few steps and evaluations. No generator is changed."""
    place = torch.device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(0)
        numbers, _ = _typical_part(train, spec=spec)
        some = _some_of(dev, max_pieces=max_pieces_on(place))
        n_pieces = sum(int(split.windows.lengths.sum()) for split in (train, dev))
        frozen = _TimedStates(
            [numbers, np.arange(len(some.windows))],
            find=partial(states_of_some, base=base, device=device, precision=precision),
            has_room=n_pieces * _cache_bytes(base) <= spec.execute.frozen_cache * GIB,
        )
        start = time.perf_counter()
        learner = Learner(base, spec=spec, train=train, dev=some, seed=0, device=place.type, find_states=frozen)
        model = learner.model.to(place)
        setup = time.perf_counter() - start - frozen.seconds
        stages = [
            _time_stage(learner, settings, numbers=numbers, base=base, spec=spec, precision=precision, place=place)
            for settings in spec.stage_settings
        ]
        assert learner.dev is not None
        scoring = _time_scoring(model, learner.dev, base=base, spec=spec, precision=precision, device=device)
        full = _time_scoring(learner.finish(), some, base=base, spec=spec, precision="fp32", device=device)
    n_frozen = n_frozen_layers(spec, base=base) if frozen.n_pieces else 0
    return WorkTimes(
        learning=tuple(learning for learning, _ in stages),
        updating=tuple(updating for _, updating in stages),
        scoring=scoring,
        full=full,
        freezing=frozen.seconds / frozen.n_pieces if n_frozen else 0.0,
        frozen=n_frozen,
        cache_bytes=_cache_bytes(base) if n_frozen else 0,
        setup=setup,
    )


class _TimedStates:
    """What frozen layers give for some windows of one split, then of another; counts pieces and seconds."""

    def __init__(self, windows: list[Ints], *, find: Callable[..., States], has_room: bool) -> None:
        self._windows, self._find, self._has_room = windows, find, has_room
        self.seconds, self.n_pieces = 0.0, 0

    def __call__(self, model: PreTrainedModel, split: EncodedSplit, n_layers: int) -> States | None:
        if not self._has_room:
            return None
        numbers = self._windows.pop(0)
        self._find(model, split, n_layers, numbers=numbers)  # warms up
        start = time.perf_counter()
        states = self._find(model, split, n_layers, numbers=numbers)
        self.seconds += time.perf_counter() - start
        self.n_pieces += int(split.windows.lengths[numbers].sum())
        return states


def _cache_bytes(base: Base) -> int:
    """Of a piece in the cache of what frozen layers give."""
    return width_of(base.config) * np.dtype(np.float32).itemsize


def _some_of(split: EncodedSplit, *, max_pieces: int) -> EncodedSplit:
    """Examples from all over a split, of about so many pieces together."""
    n_pieces = int(split.windows.lengths.sum())
    n_wanted = max(1, min(split.n_examples, round(split.n_examples * max_pieces / max(1, n_pieces))))
    return choose(split, rows=np.unique(np.linspace(0, split.n_examples - 1, n_wanted).round().astype(np.int64)))


def _time_stage(
    learner: Learner,
    settings: TrainSpec,
    *,
    numbers: Ints,
    base: Base,
    spec: StudySpec,
    precision: Precision,
    place: torch.device,
) -> tuple[float, float]:
    """Seconds of a piece forward and backward, and of the optimizer's part of a step."""
    learner.freeze(settings)
    model = learner.model.train()
    layout = layout_of(base.config)
    loss_of = FitLoss(base, spec=spec.train, train=learner.train, layout=layout, device=place)
    optimizer = AdamW([one for one in model.parameters() if one.requires_grad], lr=0.0, fused=True)
    learning, updating = [], []
    for _ in range(FEW_WARM_UP + FEW_TIMED):
        start = time.perf_counter()
        batch = collate(learner.train, numbers, layout=layout)
        batch = send_to_device({**batch, "n_items": count_items([batch])}, place)
        _learn(model, batch, loss_of=loss_of, base=base, precision=precision).item()
        middle = time.perf_counter()
        _update(model, optimizer=optimizer).item()
        learning.append(middle - start)
        updating.append(time.perf_counter() - middle)
    n_pieces = int(learner.train.windows.lengths[numbers].sum())
    return statistics.median(learning[FEW_WARM_UP:]) / n_pieces, statistics.median(updating[FEW_WARM_UP:])


def _time_scoring(
    model: PreTrainedModel, some: EncodedSplit, *, base: Base, spec: StudySpec, precision: Precision, device: str
) -> float:
    """Seconds of a piece: the second of two times."""
    for _ in range(2):
        start = time.perf_counter()
        outputs = infer(model, some, device=device, precision=precision)
        predictions = read_outputs(outputs, encoded=some, heads=base.heads)
        score_predictions(predictions, encoded=some, data=spec.data, extra=spec.search.scores)
        seconds = time.perf_counter() - start
    return seconds / max(1, int(some.windows.lengths.sum()))


def _typical_part(train: EncodedSplit, *, spec: StudySpec) -> tuple[Ints, int]:
    """The windows of a micro-batch of middle length, and how many make a batch."""
    size, at_once, order = spec.train.batch_size, spec.train.device_batch_size, spec.train.batches
    whole = TrainBatches(train, batch_size=size, device_batch_size=at_once, order=order, seed=0)
    parts = TrainBatches(train, batch_size=whole.part_size, device_batch_size=None, order=order, seed=0).batches(0)
    lengths = train.windows.lengths
    parts.sort(key=lambda part: int(lengths[part].sum()))
    return parts[len(parts) // 2], whole.n_parts


def _step(
    model: PreTrainedModel, batch: Batch, *, loss_of: FitLoss, base: Base, precision: Precision, optimizer: AdamW
) -> torch.Tensor:
    loss = _learn(model, batch, loss_of=loss_of, base=base, precision=precision)
    _update(model, optimizer=optimizer)
    return loss


def _learn(model: PreTrainedModel, batch: Batch, *, loss_of: FitLoss, base: Base, precision: Precision) -> torch.Tensor:
    """Forward and backward; the loss."""
    inputs = {name: tensor for name, tensor in batch.items() if name not in TARGETS}
    with torch.autocast(batch["attention_mask"].device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = logits_of(model, inputs, read=partial(labelled, batch["labels"]))
    loss = loss_of(model, split_logits(logits, heads=base.heads), targets=batch)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _update(model: PreTrainedModel, *, optimizer: AdamW) -> torch.Tensor:
    """The optimizer's part of a step; the norm of the gradients."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    model.zero_grad()
    return norm
