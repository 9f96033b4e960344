"""The encoded splits of a job: from the study's cache, or read and encoded now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from nertune.data.corpus import read_corpus
from nertune.data.examples import Split, Task
from nertune.data.store import join_examples
from nertune.errors import DataError, Where
from nertune.models.build import Base, check_vocabulary, load_base, position_limit
from nertune.models.tokenizers import load_tokenizer
from nertune.protocols.kfold import assign_folds
from nertune.results.files import write_text
from nertune.spec.fingerprint import fingerprint, fingerprint_model
from nertune.spec.study import ModelSpec, SplitSpec, StudySpec
from nertune.tasks import heads_to_learn, label_names
from nertune.tasks.cache import ENCODING, TornError, encode_or_open, open_encoded
from nertune.tasks.encoded import EncodedSplit, Ints
from nertune.tasks.sample import choose, sample
from nertune.trials.job import Job

BOTH = "train+dev"  # what `final.train_with_dev` trains on, and what is cut into folds
SHELF = 16  # splits, tokenizers and bases that one worker keeps open

Splits = Mapping[str, EncodedSplit]  # of a job, by name


@dataclass(frozen=True)
class Loaded:
    """What a job works with; a worker keeps it for the next one."""

    tokenizer: PreTrainedTokenizerBase
    base: Base


def load_model(job: Job) -> Loaded:
    """Tokenizer and base of a job's point.

    Raises  ModelError
    """
    spec = job.study
    names = label_names(job.labels, spec=spec)
    base = _base(spec.model.model_dump_json(), spec.task, tuple(names.items()))  # first: its key is told for no folder
    tokenizer = _tokenizer(
        spec.model.tokenizer or spec.model.base,
        spec.task,
        json.dumps(spec.model.tokenizer_options, sort_keys=True),
        spec.model.lower_case,
    )
    check_vocabulary(base, tokenizer=tokenizer)
    return Loaded(tokenizer, base)


def open_splits(job: Job, loaded: Loaded) -> dict[str, EncodedSplit]:
    """The job's splits, encoded; train and dev as one where they are learned from together.

    Raises  DataError when a file is not the one that the study began with
    """
    names = _names(job)
    known = {name: _from_cache(job, name) for name in names}
    missing = [name for name, split in known.items() if split is None]
    if missing:
        _encode(job, loaded, missing=missing)
        known = {name: _from_cache(job, name) for name in names}
    return {name: split for name, split in known.items() if split is not None}


def learned_name(job: Job) -> str:
    """The name of the split that is learned from: train, or train and dev as one."""
    joins = job.study.protocol.kfold is not None or job.stop_after_epoch is not None
    return BOTH if joins and "dev" in job.splits else "train"


def learned_split(job: Job, splits: Splits) -> EncodedSplit:
    """As much of it as `data.size` leaves."""
    split, spec = splits[learned_name(job)], job.study
    return split if spec.data.size == 100 else _sample(str(split.folder), spec.data.size, _sampling_seed(spec))


def fold_splits(job: Job, splits: Splits, *, fold: int) -> tuple[EncodedSplit, EncodedSplit]:
    """Train (as much as `data.size` leaves of it) and dev of a fold, counted from 0."""
    whole, spec = splits[learned_name(job)], job.study
    is_dev = folds_of(job, whole) == fold
    train, dev = (choose(whole, rows=np.flatnonzero(rows)) for rows in (~is_dev, is_dev))
    if spec.data.size < 100:
        train = sample(train, percent=spec.data.size, seed=_sampling_seed(spec))
    return train, dev


def folds_of(job: Job, whole: EncodedSplit) -> Ints:
    """The fold of each example of the split that is cut into folds, [N] int64."""
    assert job.study.protocol.kfold is not None
    return _folds(str(whole.folder), job.study.protocol.kfold, job.study.data.split)


def _names(job: Job) -> tuple[str, ...]:
    learned = learned_name(job)
    if job.study.protocol.kfold is not None:
        return (learned, *(name for name in job.splits if name not in ("train", "dev")))
    return (*job.splits, learned) if learned == BOTH else job.splits


def _sampling_seed(spec: StudySpec) -> int:
    return (spec.data.split or SplitSpec()).seed


def _encode(job: Job, loaded: Loaded, *, missing: list[str]) -> None:
    spec = job.study
    read = tuple(dict.fromkeys(("train", *job.splits)))  # train says how the tags are to be read
    corpus = read_corpus(spec.data, task=spec.task, splits=read, problem=spec.model.data_problem, parts=job.parts)
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
    """The encoded split that the pointer of these settings names, if both are there and whole."""
    pointer = _pointer(job, name)
    if not pointer.exists():
        return None
    folder = Path(job.encoded) / pointer.read_text(encoding="utf-8")
    try:
        return _open(str(folder))
    except TornError:
        return None


def _pointer(job: Job, name: str) -> Path:
    """A small file, named by the settings and the data's fingerprint, that holds the name of the encoded split."""
    return Path(job.encoded) / f"{name}-{_settings_key(job, name)}.key"


def _settings_key(job: Job, name: str) -> str:
    spec = job.study
    parts = ("train", "dev") if name == BOTH else (name,)
    return fingerprint(
        [
            [ENCODING, spec.task, [asdict(head) for head in heads_to_learn(job.labels, spec=spec)]],
            spec.data.model_dump(mode="json", exclude={"size"}),  # train is encoded whole, and sampled when opened
            list(job.labels),
            fingerprint_model(spec.model.tokenizer or spec.model.base, weights=False),
            [spec.model.tokenizer_options, spec.model.lower_case],
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
def _folds(folder: str, n_folds: int, split: SplitSpec | None) -> Ints:
    return assign_folds(_open(folder).examples, n_folds=n_folds, split=split)


@lru_cache(maxsize=SHELF)
def _tokenizer(source: str, task: Task, options: str, lower_case: bool | None) -> PreTrainedTokenizerBase:
    return load_tokenizer(source, task=task, options=json.loads(options), lower_case=lower_case)


@lru_cache(maxsize=2)  # each holds the checkpoint's tensors
def _base(model: str, task: Task, labels: tuple[tuple[str, tuple[str, ...]], ...]) -> Base:
    return load_base(ModelSpec.model_validate_json(model), task=task, labels=dict(labels))
