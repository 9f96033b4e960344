"""Tiny models, trained and saved as `nertune train` does it, with what they said of dev and test."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nertune.data.labels import spans_to_tags
from nertune.workflows import train

INLINE = ("execute.kind=inline", "execute.threads=1")


@dataclass(frozen=True)
class Trained:
    """A study, the folder of its fits, and the fits' own folders."""

    study: Path
    folder: Path
    seeds: tuple[Path, ...]

    @property
    def data(self) -> Path:
        return self.study.parent / "data"

    def results(self, split="test", *, seed=0):
        return read_json(self.seeds[seed] / f"{split}_results.json")

    def predictions(self, split="test", *, seed=0):
        text = (self.seeds[seed] / f"{split}_predictions.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_sentences(path, examples):
    sentences = [zip(e.words, spans_to_tags(e.spans, len(e.words)), strict=True) for e in examples]
    text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_texts(path, rows):
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")


def write_study(folder, *, task, model, more=""):
    (folder / "data").mkdir(parents=True)
    path = folder / "tiny.yaml"
    path.write_text(
        f"task: {task}\ndata: {{dir: data}}\nmodel: {{base: {model}, name: tiny{more}}}\n"
        "train: {epochs: 4, batch_size: 4, learning_rate: 3e-3, precision: fp32, max_pieces: 24, overlap_pieces: 6}\n"
        "final: {seeds: [1, 2]}\ntrack: {aim: null}\n"
    )
    return path


def train_one(study):
    """A fit with seed 1, and a second model beside it whose weights differ a little."""
    told = train(study, test=True, edits=INLINE)
    first = Path(told["folder"])
    second = first.with_name(f"{first.name.removesuffix('_1')}_2")
    shutil.copytree(first, second)
    generator = torch.Generator().manual_seed(0)
    weights = load_file(second / "model.safetensors")
    noise = {name: 0.02 * torch.randn(one.shape, generator=generator) for name, one in weights.items()}
    changed = {name: one + noise[name] for name, one in weights.items()}
    save_file(changed, second / "model.safetensors", metadata={"format": "pt"})
    return Trained(study, first.parent, (first, second))


@pytest.fixture(scope="session")
def tagger(tmp_path_factory, bert_folder, token_train, token_dev):
    """Two models for PER and LOC."""
    study = write_study(tmp_path_factory.mktemp("tagger"), task="token", model=bert_folder)
    for name, examples in {
        "train": token_train.examples,
        "dev": token_dev.examples,
        "test": token_dev.examples,
    }.items():
        write_sentences(study.parent / "data" / f"{name}.txt", examples)
    return train_one(study)


@pytest.fixture(scope="session")
def classifier(tmp_path_factory, bert_folder, sequence_train, sequence_dev):
    """Two models for good, bad and mixed texts."""
    study = write_study(tmp_path_factory.mktemp("classifier"), task="sequence", model=bert_folder)
    for name, split in {"train": sequence_train, "dev": sequence_dev, "test": sequence_dev}.items():
        write_texts(study.parent / "data" / f"{name}.tsv", [(one.text, one.labels[0]) for one in split.examples])
    return train_one(study)


@pytest.fixture(scope="session")
def multi_classifier(tmp_path_factory, bert_folder, sequence_train, sequence_dev):
    """Two models that give a text any of three labels, with thresholds tuned on dev."""
    more = ", problem: multi_label, threshold: tuned"
    study = write_study(tmp_path_factory.mktemp("multi"), task="sequence", model=bert_folder, more=more)
    words = {"funny": "fun", "dull": "bore", "film": "film"}
    for name, split in {"train": sequence_train, "dev": sequence_dev, "test": sequence_dev}.items():
        rows = [
            (one.text, ",".join(label for word, label in words.items() if word in one.text)) for one in split.examples
        ]
        write_texts(study.parent / "data" / f"{name}.tsv", rows)
    return train_one(study)
