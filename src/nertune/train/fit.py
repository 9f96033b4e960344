"""One fit: a Hugging Face Trainer with our batches, loss, evaluation and stopping."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from nertune.errors import NertuneError
from nertune.models.build import Base, build_model
from nertune.results.records import FitRecord, StepRecord
from nertune.spec.study import StudySpec
from nertune.tasks.encoded import EncodedSplit
from nertune.train.batches import TrainBatches, readable_by
from nertune.train.checkpoints import save_training
from nertune.train.course import Ask, Course, Evaluation
from nertune.train.dropout import use_cpu_dropout
from nertune.train.optim import Precision, training_arguments
from nertune.train.predict import Pulse, no_pulse, predict, score_predictions
from nertune.train.seeds import forget_accelerator, set_seeds
from nertune.train.vocabulary import vocabulary_of

Tell = Callable[[StepRecord], None]
LOGGED = ("loss", "learning_rate", "grad_norm")


class NonFiniteError(NertuneError):
    """Loss or gradient became NaN or infinite; the fit cannot go on.

    step              optimizer step (from 1) at which it was seen
    last_finite_loss  training loss of the step before; None at the first
    """

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
    stop_after_epoch  end there, on the schedule of all `train.epochs`
    Raises            NonFiniteError
    """
    forget_accelerator()
    model = build_model(base, seed=seed)
    train = readable_by(model, train)
    vocabulary = vocabulary_of(model, train=train, dev=dev, weight_decay=spec.train.weight_decay)
    if vocabulary is not None:
        train, dev = vocabulary.renumber(train), vocabulary.renumber(dev) if dev is not None else None
        whole = vocabulary.shrink(model)
    if device == "cpu":
        use_cpu_dropout(model)
    batches = _batches(train, spec=spec, seed=seed)
    args = training_arguments(
        spec.train,
        batches=batches,
        seed=seed,
        device=device,
        precision=precision,
        folder=folder,
        evaluates=dev is not None,
        problem=train.problem,
    )
    course = Course(objective=spec.search.objective, patience=spec.train.patience, ask=ask)
    callbacks = [Teller(tell, stop_after_epoch=stop_after_epoch), *([_tensorboard(folder)] if tensorboard else [])]
    trainer = FitTrainer(
        model,
        args=args,
        base=base,
        spec=spec,
        batches=batches,
        dev=dev,
        course=course,
        pulse=pulse,
        callbacks=callbacks,
    )
    set_seeds(seed)
    output = trainer.train()
    course.restore_best(model)
    if vocabulary is not None:
        vocabulary.expand(model, whole)
    save_training(args, state=trainer.state, folder=folder)
    return _record(trainer.state, course=course, metrics=output.metrics), trainer.let_go()


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
            compute_loss_func=self._loss,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)  # standard output is for results
        self.model_accepts_loss_kwargs = False  # the number of items is for our loss, not for the model's forward
        self._base, self._spec, self._batches, self._course = base, spec, batches, course
        self._precision: Precision = "bf16" if args.bf16 else "fp32"
        self._n_parameters = model.num_parameters(exclude_embeddings=True)
        self._pulse = pulse
        self._step_loss: float = 0.0
        self._last_finite_loss: float | None = None

    def get_train_dataloader(self) -> TrainBatches:
        return self._batches

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score dev, log it as `eval_*`, and let the course decide."""
        predictions = predict(
            self.model,
            self.eval_dataset,
            device=str(self.args.device),
            precision=self._precision,
            head=self._base.head,
            pulse=self._pulse,
        )
        scores = score_predictions(predictions, encoded=self.eval_dataset, data=self._spec.data)
        metrics = {f"eval_{name}": value for name, value in scores.overall.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        evaluation = Evaluation(self.state.global_step, self.state.epoch, scores)
        is_last = self.control.should_training_stop or self.state.global_step >= self.state.max_steps
        if self._course.evaluated(evaluation, model=self.model, is_last=is_last):
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
        return 6 * inputs["input_ids"].numel() * int(self._n_parameters)

    def let_go(self) -> PreTrainedModel:
        """The fitted model, for evaluation, free of its training."""
        # accelerate's mixed-precision `forward` would go on computing in bf16
        model: PreTrainedModel = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        # a reference cycle would keep the moments, twice the weights, until some collection
        self.optimizer.optimizer.state.clear()
        return model.eval()

    def _loss(self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int) -> Tensor:
        return self._base.head.loss(
            outputs.logits, labels, n_items=num_items_in_batch, smoothing=self._spec.train.label_smoothing
        )

    def _finite(self, what: str, value: float, *, step: int) -> float:
        if not math.isfinite(value):
            raise NonFiniteError(what, step=step, last_finite_loss=self._last_finite_loss)
        return value

    def _note_best(self) -> None:
        best = self._course.best
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


def _batches(train: EncodedSplit, *, spec: StudySpec, seed: int) -> TrainBatches:
    own = spec.train
    return TrainBatches(
        train, batch_size=own.batch_size, device_batch_size=own.device_batch_size, order=own.batches, seed=seed
    )


def _tensorboard(folder: Path) -> TrainerCallback:
    from torch.utils.tensorboard import SummaryWriter  # an optional package
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(log_dir=str(folder / "runs")))


def _record(state: TrainerState, *, course: Course, metrics: dict[str, float]) -> FitRecord:
    best = course.best
    return FitRecord(
        best_epoch=best.epoch if best else state.epoch,
        best_step=best.step if best else state.global_step,
        steps=state.global_step,
        epochs=state.epoch,
        dev=best.scores if best else None,
        train={
            "loss": metrics["train_loss"],
            "runtime": metrics["train_runtime"],
            "samples_per_second": metrics["train_samples_per_second"],
            "steps_per_second": metrics["train_steps_per_second"],
        },
        stopped=course.stopped,
    )
