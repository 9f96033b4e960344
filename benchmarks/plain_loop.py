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

With `--seeds 1,2,3,4,5` it does what people do after a search: the first setting once with each seed, the best epoch on
dev, test scored with that, model and predictions kept beside the output.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
    """What all cells share: encoded data, how batches are made, how a new model is made, how it is scored.

    splits   train, dev and, where it is asked for, test
    lines    what the model said of a split, as lines of a file
    """

    splits: dict[str, Dataset]
    collator: Any
    new_model: Callable[[], PreTrainedModel]
    score: Callable[[EvalPrediction, Dataset], dict[str, float]]
    lines: Callable[[EvalPrediction, Dataset], list[str]]


def main() -> None:
    options = read_options()
    prepared = PREPARE[options.task](options)
    done = (
        {"seeds": refit(prepared, options=options)} if options.seeds else {"cells": search(prepared, options=options)}
    )
    Path(options.output).write_text(json.dumps({"task": options.task, **done}, indent=2), encoding="utf-8")


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
    parser.add_argument("--seeds", type=numbers(int), metavar="LIST", help="fit the first cell with each, score test")
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
    splits = {name: read_sentences(find_split(options.data, name)) for name in wanted_splits(options)}
    tags = sorted({tag for split in splits.values() for sentence in split["tags"] for tag in sentence})

    def encode(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        encoded, first = encode_words(tokenizer, rows["words"])
        pairs = zip(first, rows["tags"], strict=True)
        labels = [[IGNORED if word is None else tags.index(row[word]) for word in words] for words, row in pairs]
        return {**encoded, "labels": labels, "scored_words": [[w for w in words if w is not None] for words in first]}

    return Prepared(
        {name: split.map(encode, batched=True) for name, split in splits.items()},
        DataCollatorForTokenClassification(tokenizer),
        lambda: new_model(AutoModelForTokenClassification, options.model, labels=tags),
        partial(score_entities, tags=tags),
        lambda prediction, split: [" ".join(row) for row in predicted_tags(prediction, split=split, tags=tags)],
    )


def encode_words(tokenizer: Any, sentences: list[list[str]]) -> tuple[Any, list[list[int | None]]]:
    """Sentences as the model takes them, and for each of their pieces the word that it begins."""
    encoded = tokenizer(sentences, truncation=True, is_split_into_words=True)
    return encoded, [first_pieces(encoded.word_ids(row)) for row in range(len(sentences))]


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


def score_entities(prediction: EvalPrediction, gold: Dataset, *, tags: list[str]) -> dict[str, float]:
    """Entity-level micro F1, a tag for every word of `gold`."""
    return {"f1": float(entity_f1(list(gold["tags"]), predicted_tags(prediction, split=gold, tags=tags)))}


def predicted_tags(prediction: EvalPrediction, *, split: Dataset, tags: list[str]) -> list[list[str]]:
    """A tag for every word of the split; `O` for those that the model did not see."""
    predicted = [["O"] * len(sentence) for sentence in split["words"]]
    guesses = prediction.predictions.argmax(-1)
    for sentence, words, ids, labels in zip(
        predicted, split["scored_words"], guesses, prediction.label_ids, strict=True
    ):
        for word, tag_id in zip(words, ids[labels != IGNORED], strict=True):
            sentence[word] = tags[tag_id]
    return predicted


# ---- sequence task: a header line, then text<TAB>class


def prepare_sequence(options: argparse.Namespace) -> Prepared:
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer or options.model)
    splits = {name: read_texts(find_split(options.data, name)) for name in wanted_splits(options)}
    classes = sorted({name for split in splits.values() for name in split["class"]})

    def encode(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {
            **tokenizer(rows["text"], truncation=True),
            "label": [classes.index(name) for name in rows["class"]],
        }

    return Prepared(
        {name: split.map(encode, batched=True) for name, split in splits.items()},
        DataCollatorWithPadding(tokenizer),
        lambda: new_model(AutoModelForSequenceClassification, options.model, labels=classes),
        lambda prediction, _: score_classes(prediction),
        lambda prediction, _: [classes[number] for number in prediction.predictions.argmax(-1)],
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


def wanted_splits(options: argparse.Namespace) -> tuple[str, ...]:
    """A search opens no test."""
    return ("train", "dev", "test") if options.seeds else ("train", "dev")


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
        best = fit(prepared, options=options, seed=options.seed, **setting)
        cells.append({**setting, **best, "seconds": time.perf_counter() - start})
        return best["f1"]

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GridSampler(space, seed=0))
    study.optimize(objective, n_trials=math.prod(map(len, space.values())))
    return cells


def refit(prepared: Prepared, *, options: argparse.Namespace) -> list[Cell]:
    """The first setting with every seed: scores of dev and test at the best epoch."""
    setting = {"batch_size": options.batch_sizes[0], "learning_rate": options.learning_rates[0]}
    done = []
    for seed in options.seeds:
        start = time.perf_counter()
        kept = partial(keep_fit, prepared=prepared, folder=Path(options.output).parent / f"seed-{seed}")
        found = fit(prepared, options=options, seed=seed, then=kept, **setting)
        done.append({**setting, "seed": seed, **found, "seconds": time.perf_counter() - start})
    return done


def keep_fit(trainer: Trainer, *, prepared: Prepared, folder: Path) -> Cell:
    """The scores of test; the model of the best epoch and its predictions lie in the folder."""
    test = prepared.splits["test"]
    trainer.compute_metrics = lambda prediction: prepared.score(prediction, test)
    told = trainer.predict(test)
    trainer.save_model(str(folder))
    (folder / "test_predictions.txt").write_text("\n".join(prepared.lines(told, test)) + "\n", encoding="utf-8")
    return {"test_f1": told.metrics["test_f1"]}


def fit(
    prepared: Prepared,
    *,
    options: argparse.Namespace,
    seed: int,
    batch_size: int,
    learning_rate: float,
    then: Callable[[Trainer], Cell] = lambda _: {},
) -> Cell:
    """One Trainer run; its best dev F1 and the epoch of it.

    then   what is done with the trainer after that, while its checkpoints are there; adds to the cell
    """
    set_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=frozen(prepared.new_model(), top_layers=options.top_layers),
            args=training_arguments(
                folder, options=options, seed=seed, batch_size=batch_size, learning_rate=learning_rate
            ),
            train_dataset=prepared.splits["train"],
            eval_dataset=prepared.splits["dev"],
            data_collator=prepared.collator,
            compute_metrics=lambda prediction: prepared.score(prediction, prepared.splits["dev"]),
        )
        trainer.train()
        more = then(trainer)
    evaluations = [entry for entry in trainer.state.log_history if "eval_f1" in entry]
    best = max(evaluations, key=lambda entry: entry["eval_f1"])
    return {"f1": best["eval_f1"], "best_epoch": best["epoch"], **more}


def training_arguments(
    folder: str, *, options: argparse.Namespace, seed: int, batch_size: int, learning_rate: float
) -> TrainingArguments:
    saves = not options.without_checkpoints
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        eval_strategy="epoch",
        save_strategy="epoch" if saves else "no",
        save_total_limit=1 if saves else None,
        load_best_model_at_end=saves,
        metric_for_best_model="f1",
        report_to="none",
    )


if __name__ == "__main__":
    main()
