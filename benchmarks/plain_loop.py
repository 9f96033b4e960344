"""The other side of the benchmark: the script that people use today, written honestly and tuned for nothing.

Optuna's GridSampler around a Hugging Face Trainer with its defaults, in one process, the way `run_ner.py` and
`run_glue.py` do it: data tokenized once, batches in random order padded to their longest example, fp32, torch's own
number of threads, evaluation after each epoch, and `load_best_model_at_end` with a checkpoint each epoch of which
`save_total_limit=1` keeps the best (and the last). A cell's checkpoints are removed when the cell is done.

The scores mean what nertune's mean: entity-level micro F1 over every word of dev (words cut off by the model's length
or without a piece count as `O`), or F1 averaged over the classes present in gold or predicted; best epoch, earliest on
ties. Nothing of nertune is imported here, so that neither speed nor scores can come from it.

    python benchmarks/plain_loop.py --task token --data DIR --model DIR \\
        --batch-sizes 8,32 --learning-rates 3e-4,3e-5 --epochs 2 --output cells.json
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from datasets import Dataset
from seqeval.metrics import f1_score as entity_f1
from sklearn.metrics import f1_score as class_f1
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

Cell = dict[str, Any]
IGNORED = -100  # the label that the loss of transformers leaves out


@dataclass(frozen=True)
class Prepared:
    """What all cells share: encoded data, how batches are made, how a new model is made, how it is scored."""

    train: Dataset
    dev: Dataset
    collator: Any
    new_model: Callable[[], PreTrainedModel]
    score: Callable[[EvalPrediction], dict[str, float]]


def main() -> None:
    options = read_options()
    prepared = PREPARE[options.task](options)
    cells = search(prepared, options=options)
    Path(options.output).write_text(json.dumps({"task": options.task, "cells": cells}, indent=2), encoding="utf-8")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A grid search with Optuna and a plain Trainer.")
    parser.add_argument("--task", choices=sorted(PREPARE), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with one train.* and one dev.* file")
    parser.add_argument("--model", required=True, help="folder or hub id of the encoder")
    parser.add_argument("--tokenizer", help="folder or hub id; default: the model's")
    parser.add_argument("--batch-sizes", type=numbers(int), required=True, metavar="LIST")
    parser.add_argument("--learning-rates", type=numbers(float), required=True, metavar="LIST")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=42, help="of every cell's fit; default: 42, the Trainer's own")
    parser.add_argument("--top-layers", type=int, metavar="N", help="only the last N layers and the head learn")
    parser.add_argument("--without-checkpoints", action="store_true", help="save nothing: only the scores are wanted")
    parser.add_argument("--output", required=True, help="JSON file for the cells: setting, seconds, best dev F1")
    return parser.parse_args()


def numbers(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """Reads a list such as `8,32`."""
    return lambda text: [kind(part) for part in text.split(",")]


# ---- token task: a word and its IOB2 tag a line, blank line between sentences


def prepare_token(options: argparse.Namespace) -> Prepared:
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer or options.model)
    train, dev = (read_sentences(find_split(options.data, name)) for name in ("train", "dev"))
    tags = sorted({tag for split in (train, dev) for sentence in split["tags"] for tag in sentence})

    def encode(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        encoded = tokenizer(rows["words"], truncation=True, is_split_into_words=True)
        first = [first_pieces(encoded.word_ids(row)) for row in range(len(rows["words"]))]
        pairs = zip(first, rows["tags"], strict=True)
        labels = [[IGNORED if word is None else tags.index(row[word]) for word in words] for words, row in pairs]
        return {**encoded, "labels": labels, "scored_words": [[w for w in words if w is not None] for words in first]}

    encoded_train, encoded_dev = (split.map(encode, batched=True) for split in (train, dev))
    return Prepared(
        encoded_train,
        encoded_dev,
        DataCollatorForTokenClassification(tokenizer),
        lambda: new_model(AutoModelForTokenClassification, options.model, labels=tags),
        lambda prediction: score_entities(prediction, gold=encoded_dev, tags=tags),
    )


def read_sentences(path: Path) -> Dataset:
    """Columns `words` and `tags`."""
    blocks = path.read_bytes().decode("utf-8").strip("\n").split("\n\n")
    rows = [[line.split("\t") for line in block.split("\n")] for block in blocks]
    return Dataset.from_dict(
        {"words": [[row[0] for row in block] for block in rows], "tags": [[row[-1] for row in block] for block in rows]}
    )


def first_pieces(word_ids: list[int | None]) -> list[int | None]:
    """For each piece the word that it begins, None for special and later pieces."""
    before = [None, *word_ids[:-1]]
    return [None if word == last else word for word, last in zip(word_ids, before, strict=True)]


def score_entities(prediction: EvalPrediction, *, gold: Dataset, tags: list[str]) -> dict[str, float]:
    """Entity-level micro F1, a tag for every word of `gold`."""
    predicted = [["O"] * len(sentence) for sentence in gold["tags"]]
    guesses = prediction.predictions.argmax(-1)
    for sentence, words, ids, labels in zip(
        predicted, gold["scored_words"], guesses, prediction.label_ids, strict=True
    ):
        for word, tag_id in zip(words, ids[labels != IGNORED], strict=True):
            sentence[word] = tags[tag_id]
    return {"f1": float(entity_f1(list(gold["tags"]), predicted))}


# ---- sequence task: a header line, then text<TAB>class


def prepare_sequence(options: argparse.Namespace) -> Prepared:
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer or options.model)
    train, dev = (read_texts(find_split(options.data, name)) for name in ("train", "dev"))
    classes = sorted({*train["class"], *dev["class"]})

    def encode(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {
            **tokenizer(rows["text"], truncation=True),
            "label": [classes.index(name) for name in rows["class"]],
        }

    encoded_train, encoded_dev = (split.map(encode, batched=True) for split in (train, dev))
    return Prepared(
        encoded_train,
        encoded_dev,
        DataCollatorWithPadding(tokenizer),
        lambda: new_model(AutoModelForSequenceClassification, options.model, labels=classes),
        score_classes,
    )


def read_texts(path: Path) -> Dataset:
    """Columns `text` and `class`."""
    lines = path.read_bytes().decode("utf-8").strip("\n").split("\n")[1:]
    rows = [line.split("\t") for line in lines]
    return Dataset.from_dict({"text": [row[0] for row in rows], "class": [row[1] for row in rows]})


def score_classes(prediction: EvalPrediction) -> dict[str, float]:
    """F1 averaged over the classes that gold or the predictions have."""
    return {"f1": float(class_f1(prediction.label_ids, prediction.predictions.argmax(-1), average="macro"))}


PREPARE = {"token": prepare_token, "sequence": prepare_sequence}


# ---- both


def find_split(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"{name}.*")
    return path


def new_model(kind: Any, source: str, *, labels: list[str]) -> PreTrainedModel:
    return kind.from_pretrained(
        source,
        dtype=torch.float32,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )


def frozen(model: PreTrainedModel, *, top_layers: int | None) -> PreTrainedModel:
    """As people freeze an encoder of BERT's kind: its parameters ask for no gradient; dropout stays as it is."""
    if top_layers is not None:
        encoder: Any = model.base_model
        layers = list(encoder.encoder.layer)
        learning = [*layers[len(layers) - top_layers :], *([encoder.pooler] if encoder.pooler is not None else [])]
        encoder.requires_grad_(False)
        for part in learning:
            part.requires_grad_(True)
    return model


def search(prepared: Prepared, *, options: argparse.Namespace) -> list[Cell]:
    """Every cell of the grid once, in the order that GridSampler chooses."""
    space = {"batch_size": options.batch_sizes, "learning_rate": options.learning_rates}
    cells: list[Cell] = []

    def objective(trial: optuna.Trial) -> float:
        setting = {name: trial.suggest_categorical(name, values) for name, values in space.items()}
        start = time.perf_counter()
        best = fit(prepared, options=options, **setting)
        cells.append({**setting, **best, "seconds": time.perf_counter() - start})
        return best["f1"]

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GridSampler(space, seed=0))
    study.optimize(objective, n_trials=math.prod(map(len, space.values())))
    return cells


def fit(prepared: Prepared, *, options: argparse.Namespace, batch_size: int, learning_rate: float) -> Cell:
    """One Trainer run; its best dev F1 and the epoch of it."""
    set_seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=frozen(prepared.new_model(), top_layers=options.top_layers),
            args=training_arguments(folder, options=options, batch_size=batch_size, learning_rate=learning_rate),
            train_dataset=prepared.train,
            eval_dataset=prepared.dev,
            data_collator=prepared.collator,
            compute_metrics=prepared.score,
        )
        trainer.train()
    evaluations = [entry for entry in trainer.state.log_history if "eval_f1" in entry]
    best = max(evaluations, key=lambda entry: entry["eval_f1"])
    return {"f1": best["eval_f1"], "best_epoch": best["epoch"]}


def training_arguments(
    folder: str, *, options: argparse.Namespace, batch_size: int, learning_rate: float
) -> TrainingArguments:
    saves = not options.without_checkpoints
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=batch_size,
        learning_rate=learning_rate,
        seed=options.seed,
        eval_strategy="epoch",
        save_strategy="epoch" if saves else "no",
        save_total_limit=1 if saves else None,
        load_best_model_at_end=saves,
        metric_for_best_model="f1",
        report_to="none",
    )


if __name__ == "__main__":
    main()
