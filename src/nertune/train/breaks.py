"""Breaks: a fit that pauses, or whose process dies, goes on from a checkpoint as if it had never been broken off."""

from __future__ import annotations

import contextlib
import math
import random
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

VERSION = 1  # raise it when a checkpoint holds something else
LEFT_FREE = 2**30  # bytes of the disk: checkpoints that only save time never fill it up
PAUSED = "pause"  # why a fit ended


@dataclass(frozen=True)
class Breaks:
    """Where a fit writes its checkpoint, which one it goes on from, and when it pauses.

    file         written whole or not at all
    found        what an earlier attempt at the same fit left; None, or no file: the fit begins at its beginning
    key          names all that decides the fit: a checkpoint with another key is passed over
    pause_after  share of the fit's optimizer steps after which it is evaluated, written and ended; None: it runs on
    every_s      seconds of training that are worth a checkpoint, at the end of an epoch; None: none are
    """

    file: Path
    found: Path | None
    key: str
    pause_after: float | None = None
    every_s: float | None = None

    def pause_at(self, n_steps: int) -> int | None:
        """The step of a fit of so many at which it pauses, from 1; None where it runs to its end."""
        return part_of(n_steps, self.pause_after)


def part_of(n: int, share: float | None) -> int | None:
    """How many of n steps, or fits, are such a share of them, at least 1; None for all, or without a share."""
    if share is None:
        return None
    part = max(1, math.ceil(n * share - 1e-9))  # a third of 3 is 1
    return part if part < n else None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a fit is between two of its optimizer steps: tensors and plain values.

    stage      number of the stage that it is in
    epoch      the pass over train that its next step belongs to, from 0
    n_done     optimizer steps of that pass that are done
    state      the Trainer's counters, and what it logged
    learned    tensors, by name, in which the model may differ from a new one
    optimizer, scheduler, generators
               their own state
    course     the evaluations so far, and the best weights
    metrics    the Trainer's facts on the parts of the fit that are over
    """

    stage: int
    epoch: int
    n_done: int
    state: Mapping[str, Any]
    learned: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    generators: Mapping[str, Any]
    course: Mapping[str, Any]
    metrics: Sequence[Mapping[str, float]]

    def write(self, file: Path, *, key: str) -> None:
        """Raises  OSError where the disk is full"""
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        try:
            with draft.open("wb") as stream:
                torch.save({"version": VERSION, "key": key, **vars(self)}, stream)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


def read_checkpoint(file: Path | None, *, key: str) -> Checkpoint | None:
    """The checkpoint in a file; None where there is none, it is damaged, or it is another fit's."""
    if file is None or not file.exists():
        return None
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
        if found.pop("version") == VERSION and found.pop("key") == key:
            return Checkpoint(**found)
        reason = "it is another fit's, or another version's"
    except Exception as problem:  # whatever a torn file makes torch say
        reason = f"it cannot be read: {problem}"
    print(f"{file}: the checkpoint is passed over, {reason}. The fit begins anew.", file=sys.stderr)
    return None


@dataclass
class Passed:
    """What of a fit is over when a stage begins.

    n_stages   stages that are over
    state      the Trainer's at the end of the last part; None at the beginning
    found      the checkpoint that the stage goes on from, inside it
    learned    names of the parameters in which the model may differ from a new one
    metrics    the Trainer's facts on each part
    """

    n_stages: int = 0
    state: TrainerState | None = None
    found: Checkpoint | None = None
    learned: set[str] = field(default_factory=set)
    metrics: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def until(cls, found: Checkpoint | None, *, model: PreTrainedModel) -> Passed:
        """All until a checkpoint, whose weights the model gets; nothing where there is none."""
        if found is None:
            return cls()
        model.load_state_dict(found.learned, strict=False)
        return cls(n_stages=found.stage, found=found, learned=set(found.learned), metrics=[*map(dict, found.metrics)])

    def add(self, state: TrainerState, metrics: dict[str, float]) -> None:
        """A stage is over, or the fit pauses in it."""
        self.n_stages, self.state, self.found = self.n_stages + 1, state, None
        self.metrics.append(metrics)


class Breaker(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """Says when a fit is to be written down, and when it pauses.

    It counts the epochs right, too, in the pass over train that a fit goes on inside: the Trainer sees the rest of the
    pass and takes it for all of it.

    epoch, n_done    where the Trainer is: the pass that it is in, and the optimizer steps of it that are done
    """

    def __init__(self, *, pause_at: int | None, every_s: float | None) -> None:
        self.is_pausing = False
        self.epoch, self.n_done = 0, 0
        self._pause_at, self._every_s = pause_at, every_s
        self._written = time.monotonic()
        self._parts, self._skipped = 0, 0

    def begin_epoch(self, epoch: int, *, parts: int, skipped: int, n_done: int) -> None:
        """A pass of so many micro-batches, of which some were seen before the break."""
        self.epoch, self.n_done = epoch, n_done
        self._parts, self._skipped = parts, skipped

    def is_between(self, state: TrainerState, args: TrainingArguments) -> bool:
        """Whether the fit pauses where it would not have been evaluated otherwise."""
        if args.eval_strategy == "steps":
            is_due = state.global_step % state.eval_steps == 0 and state.global_step >= args.eval_delay
        else:
            is_due = state.epoch == round(state.epoch) and state.epoch >= args.eval_delay
        return self.is_pausing and not is_due

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.n_done += 1
        if self._skipped:
            seen = round((state.epoch - self.epoch) * (self._parts - self._skipped))
            state.epoch = self.epoch + (self._skipped + seen) / self._parts
        if self._pause_at is not None and state.global_step >= self._pause_at:
            self.is_pausing = control.should_training_stop = True
            control.should_evaluate |= args.eval_strategy == "steps"

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Called when the Trainer leaves a pass, whether it is over or the fit pauses inside it."""
        control.should_evaluate |= self.is_pausing and args.eval_strategy == "epoch"
        if not self.is_pausing or state.epoch == self.epoch + 1:
            self.epoch, self.n_done = self.epoch + 1, 0
        is_due = self._every_s is not None and time.monotonic() - self._written >= self._every_s
        control.should_save |= self.is_pausing or (is_due and not control.should_training_stop)

    def note_written(self) -> None:
        self._written = time.monotonic()


def has_room(file: Path, checkpoint: Checkpoint) -> bool:
    """Whether the disk has room for a checkpoint, and some more."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return _size_of(vars(checkpoint)) + LEFT_FREE <= shutil.disk_usage(file.parent).free


def _size_of(value: Any) -> int:
    """Bytes of all tensors in a value."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(map(_size_of, value.values()))
    return sum(map(_size_of, value)) if isinstance(value, list | tuple) else 0


# ---- the state of things that have no state_dict

COUNTERS = ("global_step", "epoch", "log_history", "total_flos", "best_global_step", "best_metric")


def counters_of(state: TrainerState) -> dict[str, Any]:
    """What a TrainerState counts and remembers."""
    told = asdict(state)
    return {name: told[name] for name in COUNTERS}


def generators_now() -> dict[str, Any]:
    """The state of every generator that a fit may draw from, see `seeds.set_seeds`."""
    kind, words, *rest = np.random.get_state()
    version, inner, gauss = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [kind, torch.from_numpy(np.asarray(words, dtype=np.int64)), *rest],
        "python": [version, list(inner), gauss],
    }
    return state | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def set_generators(state: Mapping[str, Any]) -> None:
    """Put every generator where it was."""
    torch.set_rng_state(state["torch"])
    kind, words, *rest = state["numpy"]
    np.random.set_state((kind, words.numpy().astype(np.uint32), *rest))
    version, inner, gauss = state["python"]
    random.setstate((version, tuple(inner), gauss))
    with contextlib.suppress(KeyError):  # of a fit on a CPU
        torch.cuda.set_rng_state(state["cuda"])
