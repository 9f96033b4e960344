"""One fit: a Hugging Face Trainer with our batches, loss, evaluation and stopping."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from nertune.errors import NertuneError
from nertune.models.build import Base, keep_heads
from nertune.results.records import FitRecord
from nertune.spec.study import StudySpec
from nertune.tasks.encoded import EncodedSplit
from nertune.train.batches import TARGETS, Batch, Layout, TrainBatches, layout_of
from nertune.train.breaks import (
    Breaker,
    Breaks,
    Checkpoint,
    Passed,
    counters_of,
    generators_now,
    has_room,
    read_checkpoint,
    set_generators,
)
from nertune.train.callbacks import Tell, Teller, load_callbacks, tensorboard_files
from nertune.train.checkpoints import save_training
from nertune.train.course import Ask, Course, Evaluation
from nertune.train.deciding import tune_heads
from nertune.train.frozen import cached_states
from nertune.train.learner import Learner
from nertune.train.loss import FitLoss, split_logits
from nertune.train.optim import Precision, parameter_groups, training_arguments
from nertune.train.packed import labelled, logits_of
from nertune.train.predict import Pulse, infer, no_pulse, read_outputs, score_predictions
from nertune.train.record import record_of
from nertune.train.seeds import forget_accelerator, set_seeds
from nertune.train.stages import Stage, plan_stages


class NonFiniteError(NertuneError):
    """Loss or gradient became NaN or infinite; the fit cannot go on.

    step              optimizer step (from 1) at which it was seen
    last_finite_loss  training loss of the step before; None at the first
    """

    fault_kind = "nan"  # what executors call it, see `execute.faults`

    def __init__(self, what: str, *, step: int, last_finite_loss: float | None) -> None:
        told = "none before" if last_finite_loss is None else f"{last_finite_loss:.4g} before"
        super().__init__(
            f"{what} is not finite at step {step} (loss: {told})",
            fix="A lower train.learning_rate, or some train.warmup_ratio, usually helps",
        )
        self.what, self.step, self.last_finite_loss = what, step, last_finite_loss


def fit(
    base: Base,
    *,
    train: EncodedSplit,
    dev: EncodedSplit | None,
    spec: StudySpec,
    seed: int,
    device: str,
    precision: Precision,
    folder: Path,
    tell: Tell,
    ask: Ask,
    pulse: Pulse = no_pulse,
    stop_after_epoch: int | None = None,
    tensorboard: bool = False,
    breaks: Breaks | None = None,
) -> tuple[FitRecord, PreTrainedModel]:
    """Train a new model and return it with the weights of its best evaluation; without dev, with the last.

    On CPU, equal arguments and thread count give equal bits, whatever this process did before.

    spec              a point: every range has become a value
    device            "cpu" or "cuda:0"
    folder            gets training_args.bin, trainer_state.json and, with `tensorboard`, runs/
    tell              is given loss, learning rate and gradient norm of training, several times an epoch
    ask               is given each dev evaluation and answers "continue" or "stop"
    pulse             called at every step and every batch of an evaluation: the fit is alive
    stop_after_epoch  end there, counted through all stages, on the schedule of all epochs
    breaks            when to write a checkpoint or to pause, and what to go on from; None: nothing of it. A fit that
                      went on from a checkpoint comes to the same bits. The model of one that pauses is of no use
    Raises            NonFiniteError, OSError where the disk is full
    """
    find_states = partial(cached_states, base=base, spec=spec, device=device, precision=precision, pulse=pulse)
    learner = Learner(base, spec=spec, train=train, dev=dev, seed=seed, device=device, find_states=find_states)
    batches = _batches(learner.train, spec=spec, seed=seed, layout=layout_of(base.config))
    arguments_of = partial(
        training_arguments,
        batches=batches,
        seed=seed,
        device=device,
        precision=precision,
        folder=folder,
        evaluates=dev is not None,
        problem=base.heads[0].problem,
    )
    make_trainer = partial(FitTrainer, base=base, spec=spec, batches=batches, dev=learner.dev, pulse=pulse)
    callbacks = [Teller(tell, stop_after_epoch=stop_after_epoch), *load_callbacks(spec.train.callbacks)]
    stages = plan_stages(spec, steps_per_epoch=batches.steps_per_epoch, stop_after_epoch=stop_after_epoch)
    pause_at = breaks.pause_at(stages[-1].end_step) if breaks else None
    found = read_checkpoint(breaks.found, key=breaks.key) if breaks else None
    if found is not None and pause_at is not None and found.state["global_step"] >= pause_at:
        return _paused(found, spec=spec, base=base), learner.finish()  # it only was not told any more
    passed = Passed.until(found, model=learner.model)
    for stage in stages[passed.n_stages :]:
        forget_accelerator()
        learner.freeze(stage.train)
        trainer = make_trainer(
            learner.model,
            args=arguments_of(stage),
            stage=stage,
            passed=passed,
            course=Course(objective=spec.search.objective, patience=stage.train.patience, ask=ask),
            callbacks=[
                *callbacks,
                *([tensorboard_files(folder)] if tensorboard else []),
            ],  # its writer ends with a stage
            breaks=breaks,
            pause_at=pause_at,
        )
        trainer.run(seed=stage.seed(seed))
        passed.add(trainer.state, trainer.metrics)
        if trainer.course.stopped == "verdict" or trainer.has_paused:
            break
    model, best = learner.finish(), trainer.course.best
    keep_heads(model, heads=best.heads if best else base.heads)
    save_training(trainer.args, state=trainer.state, folder=folder)
    record = record_of(trainer.course, state=trainer.state, metrics=passed.metrics, paused=trainer.has_paused)
    return record, model.eval()


class FitTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """A Trainer whose batches, loss and evaluation are nertune's.

    Its loop, optimizer, schedule, clipping and accumulation stay what every user of transformers knows.
    """

    control: TrainerControl
    state: TrainerState

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        args: TrainingArguments,
        base: Base,
        spec: StudySpec,
        stage: Stage,
        passed: Passed,
        batches: TrainBatches,
        dev: EncodedSplit | None,
        course: Course,
        pulse: Pulse,
        callbacks: list[TrainerCallback],
        breaks: Breaks | None,
        pause_at: int | None,
    ) -> None:
        self._breaks = breaks
        self._breaker = Breaker(pause_at=pause_at, every_s=breaks.every_s if breaks else None)
        super().__init__(
            model,
            args=args,
            train_dataset=batches.dataset,
            eval_dataset=dev,
            callbacks=[self._breaker, *callbacks],
        )
        self.loss_is_scaled_for_ga = True  # by `compute_loss`
        self.remove_callback(PrinterCallback)  # standard output is for results
        self.model_accepts_loss_kwargs = False  # the number of items is for our loss, not for the model's forward
        self._base, self._spec, self._batches, self.course = base, spec, batches, course
        self._stage, self._passed = stage, passed
        self.metrics: dict[str, float] = {}
        self._loss = FitLoss(base, spec=spec.train, train=batches.encoded, layout=batches.layout, device=args.device)
        self._precision: Precision = "bf16" if args.bf16 else "fp32"
        self._n_parameters = model.num_parameters(exclude_embeddings=True)
        self._pulse = pulse
        self._step_loss: float = 0.0
        self._last_finite_loss: float | None = None

    def run(self, *, seed: int) -> None:
        """Train the stage; the model then has the weights that go on."""
        set_seeds(seed)
        metrics = self.train().metrics
        self.metrics = {**metrics, "n_steps": self.state.global_step - self._initial_global_step}
        self.optimizer.eval()
        if self._stage.hands_on_best or self.course.stopped == "verdict":
            self.course.restore_best(self.model)
        self.let_go()

    @property
    def has_paused(self) -> bool:
        """Whether the fit is to go on from its checkpoint."""
        return self._breaker.is_pausing and self.course.stopped is None

    def get_train_dataloader(self) -> TrainBatches:
        return self._batches

    def create_optimizer(self, *_: Any) -> torch.optim.Optimizer:
        """The Trainer's own, with our groups of parameters."""
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        if "warmup_steps" in options:  # those without a schedule; they take steps, and our schedule warms up already
            options["warmup_steps"] = 0
        decayed = self.get_decay_parameter_names(self.model)
        groups = parameter_groups(self.model, train=self._stage.train, base=self._base, decayed=decayed)
        self.optimizer_cls_and_kwargs = kind, {**options, "params": groups}
        optimizer: torch.optim.Optimizer = super().create_optimizer()
        return optimizer

    def create_scheduler(self, num_training_steps: int, *_: Any) -> Any:
        """Over the steps of this stage."""
        return super().create_scheduler(num_training_steps - self._stage.first_step)

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        """A stage goes on counting where the one before was to end, as a Trainer does that resumes."""
        super()._init_training_state(*args, **kwargs)
        found, before = self._passed.found, self._passed.state
        if found is not None:
            vars(self.state).update(found.state)
            return found.epoch, 0
        if before is not None:
            self.state.global_step, self.state.epoch = self._stage.first_step, float(self._stage.first_epoch)
            self.state.log_history, self.state.total_flos = before.log_history, before.total_flos
        return self._stage.first_epoch, 0

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:
        """All that a stage trains with, as the checkpoint has it."""
        prepared = super()._prepare_for_training(*args, **kwargs)
        learning = {name for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        self._passed.learned |= learning
        found = self._passed.found
        if found is not None:
            self.optimizer.load_state_dict(found.optimizer)
            self.lr_scheduler.load_state_dict(found.scheduler)
            self.course.go_on(found.course, heads=self._base.heads)
            set_generators(found.generators)
        return prepared

    def _run_epoch(
        self, *, epoch: int, steps_in_epoch: int, num_update_steps_per_epoch: int, start_time: float, **others: Any
    ) -> None:
        """One pass over train, or what a checkpoint left of it; steps_in_epoch are micro-batches."""
        found = self._passed.found
        n_done = found.n_done if found is not None and epoch == found.epoch else 0
        skipped = n_done * self._batches.n_parts
        self._batches.skip(n_done)
        self._breaker.begin_epoch(epoch, parts=steps_in_epoch, skipped=skipped, n_done=n_done)
        self._began = start_time
        super()._run_epoch(
            epoch=epoch,
            steps_in_epoch=steps_in_epoch - skipped,
            num_update_steps_per_epoch=num_update_steps_per_epoch - n_done,
            start_time=start_time,
            **others,
        )

    def _save_checkpoint(self, *_: Any) -> None:
        """Called by the Trainer's loop, after the evaluation, when the control says so."""
        if self._breaks is None or self.course.stopped is not None:
            return
        self._breaker.note_written()
        checkpoint = self._checkpoint()
        if self.has_paused or has_room(self._breaks.file, checkpoint):
            checkpoint.write(self._breaks.file, key=self._breaks.key)

    def _checkpoint(self) -> Checkpoint:
        model = self.model
        never = {name for name, _ in model.named_parameters()} - self._passed.learned
        return Checkpoint(
            stage=self._stage.number,
            epoch=self._breaker.epoch,
            n_done=self._breaker.n_done,
            state=counters_of(self.state),
            learned={name: tensor for name, tensor in model.state_dict().items() if name not in never},
            optimizer=self.optimizer.state_dict(),
            scheduler=self.lr_scheduler.state_dict(),
            generators=generators_now(),
            course=self.course.to_state(),
            metrics=[*self._passed.metrics, self._facts_so_far()],
        )

    def _facts_so_far(self) -> dict[str, float]:
        """Of the part of a fit that this Trainer has done, what it says at its end."""
        seconds = max(time.time() - self._began, 1e-4)
        n_steps = self.state.global_step - self._initial_global_step
        return {
            "train_runtime": seconds,
            "train_loss": (self._total_loss_scalar + self._tr_loss.item()) / n_steps,
            "train_samples_per_second": n_steps * self._batches.batch_size / seconds,
            "train_steps_per_second": n_steps / seconds,
            "n_steps": n_steps,
        }

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score dev, log it as `eval_*`, and let the course decide."""
        self.optimizer.eval()  # those without a schedule train other weights than the ones that count
        dev = self.eval_dataset
        outputs = infer(
            self.model,
            dev,
            device=str(self.args.device),
            precision=self._precision,
            pulse=self._pulse,
        )
        heads, outputs = tune_heads(self._base.heads, outputs=outputs, encoded=dev)
        predictions = read_outputs(outputs, encoded=dev, heads=heads)
        scores = score_predictions(predictions, encoded=dev, data=self._spec.data, extra=self._spec.search.scores)
        metrics = {f"eval_{name}": value for name, value in scores.overall.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        evaluation = Evaluation(self.state.global_step, self.state.epoch, scores, heads)
        if self._breaker.is_between(self.state, self.args):
            self.course.glanced(evaluation)
            return metrics
        is_stopping = self.control.should_training_stop and not self._breaker.is_pausing
        is_last = is_stopping or self.state.global_step >= self.state.max_steps
        if self.course.evaluated(evaluation, model=self.model, is_last=is_last):
            self.control.should_training_stop = True
        self._note_best()
        return metrics

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        self._pulse()
        loss: Tensor = super().training_step(*args, **kwargs)
        if loss.device.type == "cpu":  # elsewhere looking would wait for the device; `log` looks
            self._step_loss += self._finite("loss", loss.item(), step=self.state.global_step + 1)
        return loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Tensor | None = None) -> Tensor:
        """Called once a step, before the optimizer."""
        norm: Tensor = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm.device.type == "cpu":
            self._finite("gradient norm", float(norm), step=self.state.global_step + 1)
            self._last_finite_loss, self._step_loss = self._step_loss, 0.0
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "grad_norm" in logs:
            self._finite("gradient norm", logs["grad_norm"], step=self.state.global_step)
            self._last_finite_loss = self._finite("loss", logs["loss"], step=self.state.global_step)
        super().log(logs, start_time)

    def floating_point_ops(self, inputs: dict[str, Tensor]) -> int:
        """As the Trainer counts them, without counting the model's parameters anew at each step."""
        return 6 * inputs["attention_mask"].numel() * int(self._n_parameters)

    def let_go(self) -> None:
        """Free the model of its training."""
        # accelerate's mixed-precision `forward` would go on computing in bf16
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        # a reference cycle would keep the moments, twice the weights, until some collection
        self.optimizer.optimizer.state.clear()

    def compute_loss(self, model: nn.Module, inputs: Batch, *_: Any, **__: Any) -> Tensor:
        """The loss of a part of a batch, divided by what the whole batch holds: parts add up."""
        targets = {name: inputs.pop(name) for name in TARGETS if name in inputs}
        logits = split_logits(
            logits_of(model, inputs, read=partial(labelled, targets["labels"])), heads=self._base.heads
        )
        return self._loss(self.model, logits, targets=targets)

    def _get_num_items_in_batch(self, *_: Any) -> None:
        """The batches bring their own, for each head."""

    def _finite(self, what: str, value: float, *, step: int) -> float:
        if not math.isfinite(value):
            raise NonFiniteError(what, step=step, last_finite_loss=self._last_finite_loss)
        return value

    def _note_best(self) -> None:
        best = self.course.best
        if best is not None:
            self.state.best_global_step = best.step
            self.state.best_metric = best.scores.overall[self._spec.search.objective]


def _paused(found: Checkpoint, *, spec: StudySpec, base: Base) -> FitRecord:
    """What a fit said at its pause."""
    course = Course(objective=spec.search.objective, patience=None, ask=lambda _: "continue")
    course.go_on(found.course, heads=base.heads)
    return record_of(course, state=TrainerState(**found.state), metrics=found.metrics, paused=True)


def _batches(train: EncodedSplit, *, spec: StudySpec, seed: int, layout: Layout) -> TrainBatches:
    own = spec.train
    return TrainBatches(
        train,
        batch_size=own.batch_size,
        device_batch_size=own.device_batch_size,
        order=own.batches,
        seed=seed,
        layout=layout,
    )
