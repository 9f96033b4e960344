"""The encoded splits of a job: from the study's cache, or read and encoded now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from nertune.data.corpus import read_corpus
from nertune.data.examples import Split, Task
from nertune.data.store import join_examples
from nertune.errors import DataError, Where
from nertune.models.build import Base, check_vocabulary, load_base, position_limit
from nertune.models.tokenizers import load_tokenizer
from nertune.results.files import write_text
from nertune.spec.fingerprint import fingerprint, fingerprint_model
from nertune.spec.study import ModelSpec, SplitSpec, StudySpec
from nertune.tasks import TASKS
from nertune.tasks.cache import ENCODING, encode_or_open, open_encoded
from nertune.tasks.encoded import EncodedSplit
from nertune.tasks.sample import sample
from nertune.trials.job import Job

BOTH = "train+dev"  # the split that `final.train_with_dev` trains on
SHELF = 16  # splits, tokenizers and bases that one worker keeps open


@dataclass(frozen=True)
class Loaded:
    """What a job works with; a worker keeps it for the next one."""

    tokenizer: PreTrainedTokenizerBase
    base: Base
    label_names: tuple[str, ...]


def load_model(job: Job) -> Loaded:
    """Tokenizer and base of a job's point.

    Raises  ModelError
    """
    spec = job.study
    names = TASKS[spec.task].label_names(job.labels, data=spec.data)
    base = _base(spec.model.model_dump_json(), spec.task, names)  # first: of a folder that is none, this key is told
    tokenizer = _tokenizer(spec.model.tokenizer or spec.model.base, spec.task)
    check_vocabulary(base, tokenizer=tokenizer)
    return Loaded(tokenizer, base, names)


def open_splits(job: Job, loaded: Loaded) -> dict[str, EncodedSplit]:
    """The job's splits, encoded; with `stop_after_epoch` also train and dev as one.

    Raises  DataError when a file is not the one that the study began with
    """
    names = (*job.splits, BOTH) if job.stop_after_epoch is not None else job.splits
    known = {name: _from_cache(job, name) for name in names}
    missing = [name for name, split in known.items() if split is None]
    if missing:
        _encode(job, loaded, missing=missing)
        known = {name: _from_cache(job, name) for name in names}
    return {name: _sized(split, job.study) for name, split in known.items() if split is not None}


def _sized(split: EncodedSplit, spec: StudySpec) -> EncodedSplit:
    """What `data.size` leaves of train; of another split, all."""
    if split.name not in ("train", BOTH) or spec.data.size == 100:
        return split
    return _sample(str(split.folder), spec.data.size, spec.data.split.seed if spec.data.split else SplitSpec().seed)


def _encode(job: Job, loaded: Loaded, *, missing: list[str]) -> None:
    spec = job.study
    read = tuple(dict.fromkeys(("train", *job.splits)))  # train says how the tags are to be read
    corpus = read_corpus(spec.data, task=spec.task, splits=read, problem=spec.model.problem, parts=job.parts)
    _refuse_changed(corpus.splits, job.fingerprints)
    splits = dict(corpus.splits)
    if BOTH in missing:
        splits[BOTH] = _joined(splits, task=spec.task)
    for name in missing:
        encoded = encode_or_open(
            splits[name],
            labels=job.labels,
            tokenizer=loaded.tokenizer,
            spec=spec,
            position_limit=position_limit(loaded.base),
            folder=Path(job.encoded),
        )
        write_text(_pointer(job, name), encoded.folder.name)


def _joined(splits: Mapping[str, Split], *, task: Task) -> Split:
    train, dev = splits["train"], splits["dev"]
    digest = hashlib.sha256(f"{train.fingerprint}{dev.fingerprint}".encode()).hexdigest()
    return Split(BOTH, join_examples((train.examples, dev.examples), task=task), digest)


def _refuse_changed(splits: Mapping[str, Split], fingerprints: Mapping[str, str]) -> None:
    for name, split in splits.items():
        if name in fingerprints and split.fingerprint != fingerprints[name]:
            raise DataError(
                f"the {name} file changed while the study was running",
                where=Where(split.examples[0].where.path),
                fix="Put the old file back, or begin again with --fresh",
            )


def _from_cache(job: Job, name: str) -> EncodedSplit | None:
    """The encoded split that the pointer of these settings names, if both are there."""
    pointer = _pointer(job, name)
    if not pointer.exists():
        return None
    folder = Path(job.encoded) / pointer.read_text(encoding="utf-8")
    return _open(str(folder)) if folder.is_dir() else None


def _pointer(job: Job, name: str) -> Path:
    """A small file, named by the settings and the data's fingerprint, that holds the name of the encoded split."""
    return Path(job.encoded) / f"{name}-{_settings_key(job, name)}.key"


def _settings_key(job: Job, name: str) -> str:
    spec = job.study
    parts = ("train", "dev") if name == BOTH else (name,)
    return fingerprint(
        [
            [ENCODING, spec.task, spec.model.problem],
            spec.data.model_dump(mode="json", exclude={"size"}),  # train is encoded whole, and sampled when opened
            list(job.labels),
            fingerprint_model(spec.model.tokenizer or spec.model.base, weights=False),
            spec.model.base,
            spec.model.config,
            [spec.train.max_pieces, spec.train.overlap_pieces, spec.train.truncate],
            [job.fingerprints[part] for part in parts],
        ]
    )[:24]


@lru_cache(maxsize=SHELF)
def _open(folder: str) -> EncodedSplit:
    return open_encoded(Path(folder))


@lru_cache(maxsize=SHELF)
def _sample(folder: str, percent: float, seed: int) -> EncodedSplit:
    return sample(_open(folder), percent=percent, seed=seed)


@lru_cache(maxsize=SHELF)
def _tokenizer(source: str, task: Task) -> PreTrainedTokenizerBase:
    return load_tokenizer(source, task=task)


@lru_cache(maxsize=2)  # each holds the checkpoint's tensors
def _base(model: str, task: Task, labels: tuple[str, ...]) -> Base:
    return load_base(ModelSpec.model_validate_json(model), task=task, labels=labels)
