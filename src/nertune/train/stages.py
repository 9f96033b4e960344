"""Stages: the parts of a fit, one after another, each with a learning rate, schedule and patience of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from nertune.spec.study import StudySpec, TrainSpec


@dataclass(frozen=True)
class Stage:
    """One stage of a fit.

    Epochs and steps are counted through all stages, from 0. A stage that its patience ends early counts as a whole one,
    so that a number names the same moment of every fit.

    number       0 for the first
    train        what the stage does: `train` of the study file with the stage's own keys in it
    first_epoch  epochs before it
    end_epoch    epochs at its end
    first_step   optimizer steps before it
    end_step     optimizer steps at its end, which `train.max_steps` may put inside an epoch
    is_last      whether no other follows: the fit's best epoch is one of this stage
    """

    number: int
    train: TrainSpec
    first_epoch: int
    end_epoch: int
    first_step: int
    end_step: int
    is_last: bool

    def seed(self, seed: int) -> int:
        """Of the generators in this stage; the first has that of the fit."""
        if self.number == 0:
            return seed
        return int.from_bytes(hashlib.sha256(f"{seed}/stage {self.number}".encode()).digest()[:4], "little")

    @property
    def n_steps(self) -> int:
        return self.end_step - self.first_step

    @property
    def hands_on_best(self) -> bool:
        """Whether the weights of its best evaluation go on, and not its last."""
        return self.is_last or self.train.patience is not None


def plan_stages(spec: StudySpec, *, steps_per_epoch: int, stop_after_epoch: int | None = None) -> tuple[Stage, ...]:
    """The stages of a point that begin before `train.max_steps` and before `stop_after_epoch`."""
    most = spec.train.max_steps or spec.total_epochs * steps_per_epoch
    epochs = spec.total_epochs if stop_after_epoch is None else stop_after_epoch
    begins = [0]
    for settings in spec.stage_settings:
        begins.append(begins[-1] + settings.epochs)
    n_run = sum(begin < epochs and begin * steps_per_epoch < most for begin in begins[:-1])
    return tuple(
        Stage(
            number=number,
            train=settings,
            first_epoch=begins[number],
            end_epoch=begins[number + 1],
            first_step=begins[number] * steps_per_epoch,
            end_step=min(begins[number + 1] * steps_per_epoch, most),
            is_last=number == n_run - 1,
        )
        for number, settings in enumerate(spec.stage_settings[:n_run])
    )
