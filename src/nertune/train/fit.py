"""One fit: a Hugging Face Trainer with our batches, loss, evaluation and stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from nertune.errors import NertuneError
from nertune.hooks import load_hook
from nertune.models.build import Base, keep_heads
from nertune.results.records import FitRecord, StepRecord
from nertune.spec.study import StudySpec
from nertune.tasks.encoded import EncodedSplit
from nertune.train.batches import TARGETS, Batch, Layout, TrainBatches, layout_of
from nertune.train.checkpoints import save_training
from nertune.train.course import Ask, Course, Evaluation
from nertune.train.deciding import tune_heads
from nertune.train.frozen import cached_states
from nertune.train.learner import Learner
from nertune.train.loss import FitLoss, split_logits
from nertune.train.optim import Precision, parameter_groups, training_arguments
from nertune.train.predict import Pulse, infer, no_pulse, read_outputs, score_predictions
from nertune.train.seeds import forget_accelerator, set_seeds
from nertune.train.stages import Stage, plan_stages

Tell = Callable[[StepRecord], None]
LOGGED = ("loss", "learning_rate", "grad_norm")


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
    Raises            NonFiniteError
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
    done: list[FitTrainer] = []
    for stage in plan_stages(spec, steps_per_epoch=batches.steps_per_epoch, stop_after_epoch=stop_after_epoch):
        forget_accelerator()
        learner.freeze(stage.train)
        trainer = make_trainer(
            learner.model,
            args=arguments_of(stage),
            stage=stage,
            before=done[-1].state if done else None,
            course=Course(objective=spec.search.objective, patience=stage.train.patience, ask=ask),
            callbacks=[*callbacks, *([_tensorboard(folder)] if tensorboard else [])],  # its writer ends with a stage
        )
        trainer.run(seed=stage.seed(seed))
        done.append(trainer)
        if trainer.course.stopped == "verdict":
            break
    model, best = learner.finish(), trainer.course.best
    keep_heads(model, heads=best.heads if best else base.heads)
    save_training(trainer.args, state=trainer.state, folder=folder)
    return _record(done), model.eval()


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
        before: TrainerState | None,
        batches: TrainBatches,
        dev: EncodedSplit | None,
        course: Course,
        pulse: Pulse,
        callbacks: list[TrainerCallback],
    ) -> None:
        super().__init__(
            model,
            args=args,
            train_dataset=batches.dataset,
            eval_dataset=dev,
            callbacks=callbacks,
        )
        self.loss_is_scaled_for_ga = True  # by `compute_loss`
        self.remove_callback(PrinterCallback)  # standard output is for results
        self.model_accepts_loss_kwargs = False  # the number of items is for our loss, not for the model's forward
        self._base, self._spec, self._batches, self.course = base, spec, batches, course
        self._stage, self._before = stage, before
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
        self.metrics = self.train().metrics
        self.optimizer.eval()
        if self._stage.hands_on_best or self.course.stopped == "verdict":
            self.course.restore_best(self.model)
        self.let_go()

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
        if self._before is not None:
            self.state.global_step, self.state.epoch = self._stage.first_step, float(self._stage.first_epoch)
            self.state.log_history, self.state.total_flos = self._before.log_history, self._before.total_flos
        return self._stage.first_epoch, 0

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
        is_last = self.control.should_training_stop or self.state.global_step >= self.state.max_steps
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
        logits = split_logits(model(**inputs).logits, heads=self._base.heads)
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


class Teller(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """Tells the training records on, has one written at each epoch's end, and ends a fit early when asked to."""

    def __init__(self, tell: Tell, *, stop_after_epoch: int | None) -> None:
        self._tell, self._stop_after_epoch = tell, stop_after_epoch

    def on_log(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, logs: dict[str, float], **_: Any
    ) -> None:
        if "grad_norm" in logs:
            self._tell(StepRecord(state.global_step, state.epoch, "train", {name: logs[name] for name in LOGGED}))

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        control.should_log = True
        if self._stop_after_epoch is not None and round(state.epoch) >= self._stop_after_epoch:
            control.should_training_stop = True
            control.should_evaluate |= args.eval_strategy == "steps" and state.global_step % state.eval_steps != 0


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


def _tensorboard(folder: Path) -> TrainerCallback:
    from torch.utils.tensorboard import SummaryWriter  # an optional package
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(log_dir=str(folder / "runs")))


def load_callbacks(names: Sequence[str]) -> list[TrainerCallback]:
    """The user's callbacks, new ones for each fit.

    Raises  HookError for a name that cannot be imported, or is no callback
    """
    found = [load_hook(name, key="train.callbacks", kind="callback") for name in names]
    return [callback() if isinstance(callback, type) else copy.deepcopy(callback) for callback in found]


def _record(done: Sequence[FitTrainer]) -> FitRecord:
    """Of all stages; scores and epoch are those of the best evaluation in the last."""
    state, course = done[-1].state, done[-1].course
    best = course.best
    return FitRecord(
        best_epoch=best.epoch if best else state.epoch,
        best_step=best.step if best else state.global_step,
        steps=state.global_step,
        epochs=state.epoch,
        dev=best.scores if best else None,
        train=_joined([trainer.metrics for trainer in done]),
        stopped=course.stopped,
    )


def _joined(stages: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The facts of training over all stages: their times added up, rates and losses averaged by time and steps."""
    seconds = [metrics["train_runtime"] for metrics in stages]
    steps = [metrics["train_steps_per_second"] * time for metrics, time in zip(stages, seconds, strict=True)]
    return {
        "loss": _mean([metrics["train_loss"] for metrics in stages], weights=steps),
        "runtime": sum(seconds),
        "samples_per_second": _mean([metrics["train_samples_per_second"] for metrics in stages], weights=seconds),
        "steps_per_second": _mean([metrics["train_steps_per_second"] for metrics in stages], weights=seconds),
    }


def _mean(values: Sequence[float], *, weights: Sequence[float]) -> float:
    if len(values) == 1:
        return values[0]
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
