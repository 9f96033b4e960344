"""What a fit came to, from the Trainer's facts on its parts: its stages, and what lies between its breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transformers import TrainerState

from nertune.results.records import FitRecord
from nertune.train.breaks import PAUSED
from nertune.train.course import Course


def record_of(
    course: Course, *, state: TrainerState, metrics: Sequence[Mapping[str, float]], paused: bool
) -> FitRecord:
    """Of all parts; scores and epoch are those of the best evaluation in the last stage, or so far where it paused."""
    best = course.so_far if paused else course.best
    return FitRecord(
        best_epoch=best.epoch if best else state.epoch,
        best_step=best.step if best else state.global_step,
        steps=state.global_step,
        epochs=state.epoch,
        dev=best.scores if best else None,
        train=_joined(metrics),
        stopped=PAUSED if paused else course.stopped,
    )


def _joined(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The facts of training over all parts: their times added up, rates and losses averaged by time and steps."""
    seconds = [metrics["train_runtime"] for metrics in parts]
    steps = [metrics["n_steps"] for metrics in parts]
    return {
        "loss": _mean([metrics["train_loss"] for metrics in parts], weights=steps),
        "runtime": sum(seconds),
        "samples_per_second": _mean([metrics["train_samples_per_second"] for metrics in parts], weights=seconds),
        "steps_per_second": _mean([metrics["train_steps_per_second"] for metrics in parts], weights=seconds),
    }


def _mean(values: Sequence[float], *, weights: Sequence[float]) -> float:
    if len(values) == 1:
        return values[0]
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
