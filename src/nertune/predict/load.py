"""Saved models: one folder, a folder of several, or an id on the hub; with all that their use needs."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from transformers import AutoConfig, PreTrainedConfig, PreTrainedTokenizerBase

import nertune.models.environment  # noqa: F401  # before transformers is imported anywhere in this room
from nertune.data.examples import Task
from nertune.data.labels import OUTSIDE, find_spelling, has_bare_types, normalise, respell, split_tag
from nertune.data.source import listed
from nertune.errors import ModelError, Where, closest, shown_path
from nertune.models.build import Base, check_vocabulary, load_saved, position_limit
from nertune.models.composed import ENTRY, heads_entry
from nertune.models.heads.head import Head
from nertune.models.tokenizers import load_tokenizer, looks_local, unreachable
from nertune.spec.load import load_study, study_of_edits
from nertune.spec.study import StudySpec
from nertune.tasks.encoded import HeadLabels
from nertune.tasks.token import LATER
from nertune.tasks.windows import Frame, find_frame

CONFIG, SPEC, SUMMARY, FOLDS = "config.json", "spec.yaml", "summary.json", "fold-*"
REGRESSION = "regression"  # `problem_type` in configs
A_SEED = "Name the folder of a seed, for example runs/news/bert-mlm_news_8_0.001_4_1, or runs/news for all seeds"


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model that can be used.

    source  its folder, or its id on the hub
    base    what the model is built from
    spec    the fit it comes from; of a model that nertune did not train, the defaults
    frame   of its windows
    """

    source: str
    base: Base
    tokenizer: PreTrainedTokenizerBase
    spec: StudySpec
    frame: Frame

    @property
    def task(self) -> Task:
        return self.base.task

    @property
    def heads(self) -> tuple[HeadLabels, ...]:
        """What its heads give, as encoding needs to know it."""
        return tuple(
            HeadLabels(head.name, kinds_of(head, task=self.task), head.labels, head.problem) for head in self.base.heads
        )


def kinds_of(head: Head, *, task: Task) -> tuple[str, ...]:
    """The entity types that a head's tags are of; of a sequence task its classes."""
    if task == "sequence":
        return head.labels
    return tuple(dict.fromkeys(split_tag(tag)[1] for tag in head.labels if tag not in (OUTSIDE, LATER)))


def find_models(source: str) -> list[str]:
    """The folders of the models that a command means; a hub id by itself.

    A study's OUTPUT means the seeds of its summary.json, any other folder without a model of its own all those in it.
    Raises  ModelError where there is none
    """
    folder = Path(source).expanduser()
    if not folder.exists() and not looks_local(source):
        return [source]
    if not folder.exists():
        beside = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
        near = closest(folder.name, beside)
        fix = f"Did you mean {shown_path(folder.with_name(near))}?" if near else A_SEED
        raise ModelError("there is no such folder", where=Where(folder), fix=fix)
    if folder.is_file():
        raise ModelError("this is a file where a model's folder is needed", where=Where(folder), fix=A_SEED)
    found = [str(path) for path in _models_in(folder)]
    if not found:
        raise ModelError(
            f"the folder holds no saved model: no {CONFIG} in it or in the folders in it",
            where=Where(folder),
            fix=A_SEED,
        )
    return found


def _models_in(folder: Path) -> Iterator[Path]:
    """The folder if it is a model's, else those of its seeds, or of its folders; a seed may be several folds."""
    if (folder / CONFIG).is_file():
        yield folder
        return
    seeds = _seeds_of_summary(folder)
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for path in seeds or inside:
        if (path / CONFIG).is_file() or seeds or any(path.glob(f"{FOLDS}/{CONFIG}")):
            yield from _models_in(path)


def _seeds_of_summary(folder: Path) -> list[Path]:
    """The folders that a study's summary names, as far as they are there."""
    summary = folder / SUMMARY
    if not summary.is_file():
        return []
    told = json.loads(summary.read_text(encoding="utf-8"))
    names = told.get("folders", {}).values() if isinstance(told, dict) else ()
    return [folder / name for name in names if (folder / name).is_dir()]


def load_models(source: str) -> list[SavedModel]:
    """The models that a command means, which all give the same labels.

    Raises  ModelError for one that cannot be used, or that gives other labels than the first
    """
    models = [load_model(one) for one in find_models(source)]
    for model in models[1:]:
        _refuse_other_labels(model, first=models[0])
    return models


def load_model(source: str) -> SavedModel:
    """The model in a folder, or on the hub; of nertune with its heads and thresholds, of others by their config.

    Raises  ModelError
    """
    with _told_without_study():
        is_ours = hasattr(_read_config(source), ENTRY)
        base = load_saved(source)
        _refuse_useless(base)
        base = base if is_ours or base.task == "sequence" else _as_tags(base)
        tokenizer = load_tokenizer(source, task=base.task)
        check_vocabulary(base, tokenizer=tokenizer)
        spec = _spec_of(source, base=base)
        frame = find_frame(tokenizer, train=spec.train, position_limit=position_limit(base))
    return SavedModel(source, base, tokenizer, spec, frame)


@contextmanager
def _told_without_study() -> Iterator[None]:
    """What to do about a model is told for these commands, which have no study file to write it into."""
    try:
        yield
    except ModelError as error:
        error.fix = A_SEED if error.fix is None or "model." in error.fix or "MODEL" in error.fix else error.fix
        raise


def _refuse_useless(base: Base) -> None:
    """Raise ModelError for a model whose weights lack a part, and for one that gives numbers."""
    if base.missing:
        lacking = f"{len(base.missing)} of its parameters are not in its weights, for example {base.missing[0]}"
        raise ModelError(f"{base.source} was not trained for this: {lacking}", fix=A_SEED)
    is_single = [head.problem for head in base.heads] == ["single_label"] and len(base.heads[0].labels) == 1
    if base.task == "sequence" and (is_single or base.config.problem_type == REGRESSION):
        raise ModelError(f"{base.source} gives numbers (regression), not classes", fix=A_SEED)


def _read_config(source: str) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as cause:
        raise unreachable(source, cause=cause, what="config", key="MODEL") from cause


# ---- models of other programs, and of earlier nertune


def _as_tags(base: Base) -> Base:
    """A model that another program saved, its labels as the tags that they mean here."""
    (head,) = base.heads
    heads = (replace(head, labels=_tags(head.labels, source=base.source)),)
    config = copy.deepcopy(base.config)
    setattr(config, ENTRY, heads_entry(heads, task=base.task, pieces="first", pooling="cls"))
    return replace(base, heads=heads, config=config)


def _tags(names: Sequence[str], *, source: str) -> tuple[str, ...]:
    """The names as tags with the prefixes that are used here, in the order of their ids."""
    spelling = find_spelling(names)
    spelt = [respell(name, spelling=spelling) for name in names] if spelling else list(names)
    if OUTSIDE not in spelt:
        message = f"none of the labels of {source} is {OUTSIDE}, for words outside of all entities: {listed(names)}"
        raise ModelError(message, fix="Name a model of entities, whose config.json has tags in id2label")
    return tuple(normalise(spelt, bare=has_bare_types(spelt)))


def _spec_of(source: str, *, base: Base) -> StudySpec:
    """The fit that the folder tells of, else the defaults with the tag scheme that the labels show."""
    file = Path(source).expanduser() / SPEC
    if file.is_file():
        return load_study(file)
    return study_of_edits([f"data.tagging={_scheme(base)}"], task=base.task)


def _scheme(base: Base) -> str:
    prefixes = {split_tag(tag)[0] for head in base.heads for tag in head.labels if base.task == "token"}
    return "bioes" if prefixes & {"E", "S"} else "io" if prefixes and "B" not in prefixes else "iob2"


def _refuse_other_labels(model: SavedModel, *, first: SavedModel) -> None:
    if [model.task, model.heads] == [first.task, first.heads]:
        return
    ours, theirs = ([label for head in one.heads for label in head.kinds] for one in (first, model))
    other = [f"{name} gives {listed(kinds)}" for name, kinds in ((first.source, ours), (model.source, theirs))]
    raise ModelError(
        f"models that are averaged give the same labels, but {' and '.join(other)}",
        fix="Name one of them, or a folder with those that belong together",
    )


def without_tensors(model: SavedModel) -> SavedModel:
    """The same without the weights, once the model is built."""
    return replace(model, base=replace(model.base, tensors={}))
