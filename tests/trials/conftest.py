"""Jobs on the tiny model, run in this process as a worker would."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from nertune.data.corpus import read_corpus
from nertune.data.labels import spans_to_tags
from nertune.trials.job import Job
from nertune.trials.run import run_job

OF_JOBS = (
    "seed",
    "stop_after_epoch",
    "keeps_weights",
    "device_batch_size",
    "resume",
    "pause_after",
    "checkpoint_every",
)
PLACE = SimpleNamespace(device="cpu", threads=1)


@dataclass
class Line:
    """What a job told and asked; every verdict is `verdict`."""

    verdict: str = "continue"
    told: list = field(default_factory=list)
    asked: list = field(default_factory=list)

    def tell(self, record):
        self.told.append(record)

    def ask(self, record):
        self.asked.append(record)
        return self.verdict


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory, token_train, token_dev, sequence_train, sequence_dev):
    """Folders `token` and `sequence` with train, dev and test files."""
    root = tmp_path_factory.mktemp("data")
    (root / "token").mkdir()
    (root / "sequence").mkdir()
    for name, examples in {
        "train": token_train.examples,
        "dev": token_dev.examples,
        "test": token_train.examples[5:15],
    }.items():
        sentences = [zip(one.words, spans_to_tags(one.spans, len(one.words)), strict=True) for one in examples]
        text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences)
        (root / "token" / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    for name, examples in {
        "train": sequence_train.examples,
        "dev": sequence_dev.examples,
        "test": sequence_train.examples[3:20],
    }.items():
        rows = "".join(f"{one.text}\t{one.labels[0]}\n" for one in examples)
        (root / "sequence" / f"{name}.tsv").write_text(f"text\tlabel\n{rows}", encoding="utf-8")
    return root


@pytest.fixture
def job(data_folder, study, tmp_path):
    """`job("trial", protocol={"kfold": 3}, …)`: a job of the token task; keys of `train` are given by name."""

    def make(kind="trial", *, task="token", splits=("train", "dev"), protocol=None, data=None, model=None, **options):
        own = {name: options.pop(name) for name in OF_JOBS if name in options}
        point = study(task, data={"dir": str(data_folder / task), **(data or {})}, model=model, **options)
        spec = point.model_validate({**point.model_dump(), "protocol": protocol or {}})
        corpus = read_corpus(spec.data, task=task, splits=splits)
        number = sum(1 for _ in tmp_path.glob("work-*"))
        folder = tmp_path / f"work-{number}"
        folder.mkdir()
        return Job(
            **{
                "id": "job",
                "kind": kind,
                "spec": spec.model_dump(mode="json"),
                "labels": corpus.labels,
                "splits": tuple(splits),
                "fingerprints": {name: split.fingerprint for name, split in corpus.splits.items()},
                "seed": 42,
                "precision": "fp32",
                "folder": str(folder),
                "encoded": str(tmp_path / "encoded"),
                **own,
            }
        )

    return make


@pytest.fixture
def run():
    """`run(job)`: its outcome, and what it told."""

    def go(job, *, verdict="continue"):
        line = Line(verdict)
        return run_job(job.to_json(), line, PLACE), line

    return go
