"""A small BERT by masked language modelling (Devlin et al. 2019, arXiv:1810.04805; no next-sentence prediction)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar

from nertune.errors import UserError
from nertune.pretrain.options import PretrainOptions

Tell = Callable[[str | dict[str, Any]], None]
Window = dict[str, list[int]]

HELD_OUT_EVERY = 50  # one window in so many is never trained on: enough for a loss, too few to be missed
N_LOGS = 20  # progress lines a run
WARMUP_RATIO = 0.1
WEIGHT_DECAY = 0.01  # BERT's
BETA2 = 0.98  # RoBERTa's (arXiv:1907.11692): 0.999 remembers longer than a short run lasts
# BERT's first weights suit its width. At width 128 they leave the attention flat, and the loss stays at that of word
# frequencies for most of a short run; the same size of activations needs larger ones.
BERT_INITIAL_SD = 0.02
BERT_WIDTH = 768


@dataclass(frozen=True, slots=True)
class MlmRecord:
    """What one pretraining came to. Losses are nats per masked piece.

    first_loss, last_loss  mean over the first and the last twentieth of the steps
    held_out_loss          on windows that were not trained on; None when the text is too short to spare one
    """

    n_windows: int
    n_parameters: int
    first_loss: float
    last_loss: float
    held_out_loss: float | None


def train_mlm(lines: Sequence[str], *, tokenizer: Any, options: PretrainOptions, folder: Path, tell: Tell) -> MlmRecord:
    """Train the model and save it in `folder`, with the tokenizer's own files left to the caller.

    Equal lines, tokenizer, options and threads give bit-equal weights on CPU.
    Raises   UserError if the loss is no longer finite
    """
    trained_on, held_out = split_windows(make_windows(lines, tokenizer=tokenizer, max_pieces=options.max_pieces))
    with _threads(options.threads):
        set_seed(options.seed)
        model = build_model(len(tokenizer), options=options)
        follow = _Follow(options.steps, tell=tell)
        trainer = _trainer(model, tokenizer=tokenizer, options=options, windows=trained_on, folder=folder)
        trainer.add_callback(follow)
        trainer.train()
        held_out_loss = _held_out_loss(trainer, windows=held_out, seed=options.seed)
    disable_progress_bar()  # else saving draws one between the caller's messages
    model.save_pretrained(str(folder))
    return MlmRecord(len(trained_on), model.num_parameters(), follow.losses[0], follow.losses[-1], held_out_loss)


def make_windows(lines: Sequence[str], *, tokenizer: Any, max_pieces: int) -> list[Window]:
    """Every line as [CLS] pieces [SEP]; a longer one is cut into several, nothing is dropped."""
    room = max_pieces - 2
    encoded = tokenizer(list(lines), add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    cuts = [ids[start : start + room] for ids in encoded for start in range(0, len(ids), room)]
    return [{"input_ids": [tokenizer.cls_token_id, *cut, tokenizer.sep_token_id]} for cut in cuts]


def split_windows(windows: Sequence[Window]) -> tuple[list[Window], list[Window]]:
    """The windows to train on and the held-out ones, every fiftieth."""
    held_out = [window for n, window in enumerate(windows, start=1) if n % HELD_OUT_EVERY == 0]
    return [window for n, window in enumerate(windows, start=1) if n % HELD_OUT_EVERY], held_out


def mask_one_at_least(batch: Any, *, mask_id: int) -> Any:
    """The same masked batch; where chance masked nothing in it, the first piece is: the mean of no loss is NaN.

    batch  input_ids, labels [B, T] int; labels are -100 where nothing is to be predicted, column 0 is [CLS]
    """
    if bool((batch["labels"] == -100).all()):
        batch["labels"][0, 1] = batch["input_ids"][0, 1]
        batch["input_ids"][0, 1] = mask_id
    return batch


def build_model(vocabulary_size: int, *, options: PretrainOptions) -> Any:
    """A BERT of the wanted shape, drawn from torch's current seed."""
    config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=options.intermediate,
        max_position_embeddings=options.max_pieces,
        hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.dropout,
        initializer_range=BERT_INITIAL_SD * math.sqrt(BERT_WIDTH / options.width),
    )
    return BertForMaskedLM(config)


class _Follow(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """Keeps the logged losses and tells them; stops at one that is not finite."""

    def __init__(self, n_steps: int, *, tell: Tell) -> None:
        self.losses: list[float] = []
        self._n_steps = n_steps
        self._tell = tell

    def on_log(self, args: Any, state: Any, _control: Any, *, logs: dict[str, float], **_: Any) -> None:
        if "loss" not in logs:  # the summary at the end
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            fix = f"Try a lower learning rate, for example: --learning-rate {args.learning_rate / 10:g}"
            raise UserError(f"the loss is {loss} at step {state.global_step}", fix=fix)
        self.losses.append(loss)
        self._tell({"step": state.global_step, "steps": self._n_steps, "loss": loss})


class _MaskedTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
    """Scores the vocabulary at the masked pieces only: the model's own forward does it everywhere, half of all work."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        loss = masked_loss(model, **inputs)
        return (loss, {"loss": loss}) if return_outputs else loss


def masked_loss(model: Any, *, labels: torch.Tensor, **inputs: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy (nats) over the masked pieces, as `model(labels=labels, **inputs).loss` gives it.

    labels  [B, T] int, -100 where nothing is to be predicted
    """
    hidden = model.bert(**inputs).last_hidden_state
    masked = labels != -100
    return functional.cross_entropy(model.cls(hidden[masked]), labels[masked])


def _trainer(model: Any, *, tokenizer: Any, options: PretrainOptions, windows: list[Window], folder: Path) -> Any:
    masking = DataCollatorForLanguageModeling(tokenizer, mlm_probability=options.mask_share)

    def collate(batch: list[Window]) -> Any:
        return mask_one_at_least(masking(batch), mask_id=tokenizer.mask_token_id)

    arguments = _arguments(options, folder=folder)
    trainer = _MaskedTrainer(model=model, args=arguments, data_collator=collate, train_dataset=windows)
    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)
    return trainer


def _arguments(options: PretrainOptions, *, folder: Path) -> Any:
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=WARMUP_RATIO,  # below 1 it is a share of all steps
        weight_decay=WEIGHT_DECAY,
        adam_beta2=BETA2,
        seed=options.seed,
        train_sampling_strategy="group_by_length",
        logging_steps=max(1, options.steps // N_LOGS),
        logging_nan_inf_filter=False,  # it would log 0.0 where the loss is NaN
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        prediction_loss_only=True,
        log_level="error",
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # DataParallel would hide the model's parts; one GPU is plenty
    return arguments


def _held_out_loss(trainer: Any, *, windows: list[Window], seed: int) -> float | None:
    if not windows:
        return None
    set_seed(seed)  # the masks, too, are the same each time
    return float(trainer.evaluate(windows)["eval_loss"])


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
