"""Models: a base loaded once, and from it a new model for every fit."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers import logging as transformers_logging
from transformers.initialization import guard_torch_init_functions, no_init_weights

from nertune.data.examples import Task
from nertune.errors import ModelError, closest
from nertune.models.checkpoint import WEIGHT_FILES, Taken, take_checkpoint
from nertune.models.composed import ENTRY, composed_class, heads_entry, heads_of
from nertune.models.heads import make_heads
from nertune.models.heads.head import Head
from nertune.models.layers import Parts, find_parts, names_anew
from nertune.models.tokenizers import check_source, unreachable
from nertune.spec.study import ModelSpec

OWN_KEYS = (
    "num_labels",
    "id2label",
    "label2id",
    "problem_type",
    "architectures",
    "model_type",
    "dtype",
    ENTRY,
)  # follow from data, task and base
PLAIN: dict[Task, Any] = {  # transformers' own models, which have the head `linear`
    "token": AutoModelForTokenClassification,
    "sequence": AutoModelForSequenceClassification,
}
SUFFIXES: dict[Task, str] = {"token": "ForTokenClassification", "sequence": "ForSequenceClassification"}
Labels = Sequence[str] | Mapping[str, Sequence[str]]  # of the only head, or of each head by its name


@dataclass(frozen=True, eq=False)
class Base:
    """What every model of a study is built from; the tensors are never written to.

    heads      what the model learns, in the order of its logits
    config     the checkpoint's, with `model.config` and the labels in it
    tensors    of the checkpoint, by the model's own names, float32, on the CPU
    missing    names of the parameters that are drawn for each fit, sorted: what the checkpoint lacks (the head, at
               times the pooler), and layers drawn anew
    positions  rows of a learned position table that an input can use; None without such a table
    parts      the encoder's embeddings and layers
    taken      what became of `model.checkpoint`; None without one
    """

    source: str
    task: Task
    heads: tuple[Head, ...]
    model_class: type[PreTrainedModel]
    config: PreTrainedConfig
    tensors: Mapping[str, Tensor]
    missing: tuple[str, ...]
    positions: int | None
    parts: Parts
    taken: Taken | None = None

    @cached_property
    def digest(self) -> str:
        """Of the tensors, name by name."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.tensors.items()):
            digest.update(f"{name} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


def load_base(model: ModelSpec, *, task: Task, labels: Labels) -> Base:
    """The base of a study, read from a folder or the hub.

    labels  tags (token) or classes (sequence) in the order of their ids
    Raises  ModelError: config or weights missing or unreadable, a key in `model.config` that is unknown or does not
            fit the weights; a `model.checkpoint` that does not fit; fewer layers than are to be drawn anew
    """
    heads = make_heads(model, labels=labels if isinstance(labels, Mapping) else {"": labels})
    every = [label for head in heads for label in head.labels]
    config = load_config(model, labels=every, problem_type=problem_type(task, heads=heads))
    setattr(config, ENTRY, heads_entry(heads, task=task, pieces=model.pieces, pooling=model.pooling))
    base = _with_checkpoint(_load(model.base, heads=heads, task=task, config=config), model=model)
    return _draw_layers_anew(base, n_layers=model.reinit_layers)


def load_saved(folder: str) -> Base:
    """The base of a model that was saved, its heads and thresholds as they were.

    One that another program saved, or nertune before it wrote the entry, has the head `linear`.
    Raises  ModelError for a folder without a model for words or texts
    """
    config = _read_config(folder)
    if not hasattr(config, ENTRY):
        task, heads = _plain_head(config, source=folder)
        setattr(config, ENTRY, heads_entry(heads, task=task, pieces="first", pooling="cls"))
    return _load(folder, heads=heads_of(config), task=getattr(config, ENTRY)["task"], config=config)


def _plain_head(config: PreTrainedConfig, *, source: str) -> tuple[Task, tuple[Head, ...]]:
    """Task and head of transformers' own model, as its config tells them."""
    names = " ".join(config.architectures or ())
    task: Task | None = next((task for task, words in SUFFIXES.items() if words in names), None)
    if task is None:
        raise ModelError(
            f"{source} holds no model that labels words or texts; its architecture is {names or 'not told'}",
            fix="Name a folder that best-and-train wrote, or a model for token or sequence classification",
        )
    labels = [config.id2label[number] for number in sorted(config.id2label)]
    problem = "multi_label" if config.problem_type == "multi_label_classification" else "single_label"
    return task, make_heads(ModelSpec(base=source, problem=problem), labels={"": labels})


def _load(source: str, *, heads: tuple[Head, ...], task: Task, config: PreTrainedConfig) -> Base:
    check_source(source, holds=WEIGHT_FILES, what="weights", key="model.base")
    loaded, info = _load_checkpoint(source, config=config, task=task)
    missing = {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])}
    _check_fit(loaded, missing=missing, mismatched=info["mismatched_keys"], source=source)
    state = loaded.state_dict()
    return Base(
        source=source,
        task=task,
        heads=heads,
        model_class=type(loaded),
        config=loaded.config,
        tensors={name: tensor for name, tensor in state.items() if name not in missing},
        missing=tuple(sorted(missing & state.keys())),
        positions=_table_positions(loaded),
        parts=find_parts(loaded),
    )


def _with_checkpoint(base: Base, *, model: ModelSpec) -> Base:
    if model.checkpoint is None:
        return base
    with torch.device("meta"):
        shapes = {
            name: tensor.shape for name, tensor in base.model_class(copy.deepcopy(base.config)).state_dict().items()
        }
    tensors, taken = take_checkpoint(
        model.checkpoint, tensors=base.tensors, shapes=shapes, parts=base.parts, strict=model.checkpoint_strict
    )
    missing = tuple(name for name in base.missing if name not in tensors)
    return dataclasses.replace(base, tensors=tensors, missing=missing, taken=taken)


def _draw_layers_anew(base: Base, *, n_layers: int) -> Base:
    anew = names_anew(base.parts, base.tensors, n_layers=n_layers)
    tensors = {name: tensor for name, tensor in base.tensors.items() if name not in anew}
    return dataclasses.replace(base, tensors=tensors, missing=tuple(sorted({*base.missing, *anew})))


def problem_type(task: Task, *, heads: Sequence[Head]) -> str | None:
    """What transformers calls the problem: by it, pipelines choose softmax or sigmoid. None where it has no name."""
    if task == "token" or len(heads) > 1:
        return None
    if heads[0].problem == "multi_label":
        return "multi_label_classification"
    # transformers refuses it for a single class
    return "single_label_classification" if len(heads[0].labels) > 1 else None


def is_plain(config: PreTrainedConfig) -> bool:
    """Whether transformers' own model has this head: one affine layer, as the architecture does it."""
    entry = getattr(config, ENTRY)
    heads = heads_of(config)
    options = heads[0].options
    return (
        len(heads) == 1
        and not heads[0].name
        and options.head == "linear"
        and not options.crf
        and options.head_dropout is None
        and entry["pieces"] != "mean"
        and entry["pooling"] != "mean"
    )


def load_config(model: ModelSpec, *, labels: Sequence[str], problem_type: str | None = None) -> PreTrainedConfig:
    """The base's config with the study's overrides, labels and problem, whatever problem the base was trained for.

    Raises  ModelError: no config, or a key or value in `model.config` that the architecture does not have
    """
    names = dict(enumerate(labels))
    label_ids = {label: i for i, label in names.items()}
    config = _read_config(model.base, id2label=names, label2id=label_ids, problem_type=problem_type)
    for key, value in model.config.items():
        _override(config, key=key, value=value)
    return config


def _read_config(source: str, **changes: Any) -> PreTrainedConfig:
    check_source(source, holds=("config.json",), what="config.json", key="model.base")
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False, **changes)
    except (OSError, ValueError, KeyError) as cause:
        raise unreachable(source, cause=cause, what="config", key="model.base") from cause


def build_model(base: Base, *, seed: int) -> PreTrainedModel:
    """A new model in training mode, float32, on the CPU: the base's tensors copied, the missing parameters drawn.

    A drawn parameter depends on (seed, its name) and the architecture's own rule alone, not on the state of any
    generator, nor on what else is missing. A new object each time, because accelerate wraps `forward` on the instance
    under bf16.
    """
    with _float32(), no_init_weights(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for what a head of the user's draws as it is made
        model = base.model_class(copy.deepcopy(base.config))
    model.tie_weights()  # post_init did not, without the weights' initialisation
    own = model.state_dict()
    with torch.no_grad():
        for name, tensor in base.tensors.items():
            own[name].copy_(tensor)
    _draw_missing(model, names=base.missing, seed=seed)
    return model.train()


def keep_heads(model: PreTrainedModel, *, heads: Sequence[Head]) -> None:
    """Put the heads, with the thresholds that were tuned for them, into the config that is saved with the model."""
    entry = getattr(model.config, ENTRY)
    setattr(model.config, ENTRY, {**entry, "heads": {head.name: head.to_json() for head in heads}})


def position_limit(base: Base) -> int | None:
    """Pieces, special ones included, that the model can take; None when nothing limits them."""
    if base.positions is not None:
        return base.positions
    limit = getattr(base.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


def limit_without_weights(source: str) -> int | None:
    """`position_limit` of a checkpoint, from its config alone: the model is built without memory for its tensors.

    Raises  ModelError when there is no config
    """
    config = load_config(ModelSpec(base=source), labels=("any",))
    with torch.device("meta"):
        positions = _table_positions(AutoModel.from_config(config, trust_remote_code=False))
    limit = positions if positions is not None else getattr(config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


def check_vocabulary(base: Base, *, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer with ids beyond the model's embedding table.

    Raises  ModelError
    """
    largest, rows = max(tokenizer.get_vocab().values()), base.config.get_text_config().vocab_size
    if largest >= rows:
        raise ModelError(
            f"the tokenizer has ids up to {largest}, but {base.source} has embeddings for {rows} only: "
            "they do not belong together",
            fix="Leave model.tokenizer out to use the one beside the base, or name the one it was trained with",
        )


def _load_checkpoint(source: str, *, config: PreTrainedConfig, task: Task) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The checkpoint as transformers reads it: safetensors first, a .bin with weights_only, always in float32.

    Without `dtype`, 5.23 keeps the checkpoint's own type, and a bf16 checkpoint would be trained in bf16.
    """
    with _quiet():
        try:
            model_class = PLAIN[task] if is_plain(config) else composed_class(config)
            loaded: tuple[PreTrainedModel, dict[str, Any]] = model_class.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # a head of other labels is drawn anew; _check_fit refuses the rest
                output_loading_info=True,
                trust_remote_code=False,
                weights_only=True,
            )
        except (OSError, RuntimeError, KeyError, ValueError) as cause:
            raise _unbuildable(cause, source=source, config=config, task=task) from cause
        except Exception as cause:  # safetensors and pickle have error classes of their own
            if type(cause).__name__ not in {"SafetensorError", "UnpicklingError"}:
                raise
            raise unreachable(source, cause=cause, what="weights", key="model.base") from cause
    return loaded


def _unbuildable(cause: Exception, *, source: str, config: PreTrainedConfig, task: Task) -> ModelError:
    if "Unrecognized configuration class" in str(cause) or type(config) not in MODEL_MAPPING:
        return ModelError(
            f"{source} is of the type {config.model_type!r}, for which transformers has no {task} classification model",
            fix="Name an encoder, for example model.base: bert-base-cased",
        )
    return unreachable(source, cause=cause, what="weights", key="model.base")


def _check_fit(
    loaded: PreTrainedModel, *, missing: set[str], mismatched: Iterable[tuple[Any, ...]], source: str
) -> None:
    prefix = f"{loaded.base_model_prefix}."
    for name, found, wanted in sorted(mismatched):
        if name.startswith(prefix):
            raise ModelError(
                f"{name} of {source} has the shape {tuple(found)}, but its config asks for {tuple(wanted)}",
                fix="Take out of model.config what changes the size of the encoder",
            )
    encoder = [name for name, _ in loaded.named_parameters() if name.startswith(prefix) and ".pooler." not in name]
    lacking = [name for name in encoder if name in missing]
    if lacking:
        raise ModelError(
            f"{source} lacks {len(lacking)} of the encoder's {len(encoder)} parameters, for example {lacking[0]}",
            fix="Take out of model.config what adds to the encoder, or name a folder whose config fits its weights",
        )


def _override(config: PreTrainedConfig, *, key: str, value: object) -> None:
    known = {*config.to_dict(), *config.attribute_map} - {"transformers_version"}
    if key in OWN_KEYS:
        raise ModelError(
            f"model.config.{key} cannot be set: it follows from the data, the task and the base",
            fix=f"Take {key} out of model.config",
        )
    if key not in known:
        near = closest(key, known)
        raise ModelError(
            f"model.config has {key!r}, which {type(config).__name__} does not know",
            fix=f"model.config: {{{near}: {value}}}"
            if near
            else f"It knows: {', '.join(sorted(known - set(OWN_KEYS)))}",
        )
    try:
        setattr(config, key, value)
        config.validate()
    except Exception as cause:  # the config classes' validators have an error class of their own for each rule
        reason = " ".join(str(cause).split())
        raise ModelError(
            f"model.config.{key} cannot be {value!r}: {reason}",
            fix=f"Take {key} out of model.config, or give it another value",
        ) from cause


def _draw_missing(model: PreTrainedModel, *, names: Sequence[str], seed: int) -> None:
    """Draw each parameter by the architecture's rule, the others guarded by the flag of transformers' own loading."""
    tensors = dict(model.state_dict(keep_vars=True))
    with torch.random.fork_rng(devices=[]), torch.no_grad(), guard_torch_init_functions(), _flagged(tensors.values()):
        for name in names:
            tensors[name]._is_hf_initialized = False
            torch.manual_seed(_seed_of(name, seed=seed))
            for owner, module in _owners(model, name=name):
                owner._init_weights(module)
            tensors[name]._is_hf_initialized = True


def _owners(model: PreTrainedModel, *, name: str) -> Iterator[tuple[PreTrainedModel, nn.Module]]:
    """The modules around a parameter, innermost first, each with the (sub-)model whose rule initialises it."""
    path = name.split(".")[:-1]
    chain = [(model.get_submodule(".".join(path[:depth]))) for depth in range(len(path) + 1)]
    for depth in reversed(range(len(chain))):
        owner = next(module for module in reversed(chain[: depth + 1]) if isinstance(module, PreTrainedModel))
        yield owner, chain[depth]


def _seed_of(name: str, *, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little", signed=True)


@contextmanager
def _flagged(tensors: Iterable[Tensor]) -> Iterator[None]:
    tensors = list(tensors)
    for tensor in tensors:
        tensor._is_hf_initialized = True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for tensor in tensors:
            del tensor._is_hf_initialized  # type: ignore[attr-defined]


@contextmanager
def _float32() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the loading report of transformers: what it tells is checked in `_check_fit`."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def _table_positions(model: PreTrainedModel) -> int | None:
    """Usable rows of the position table. RoBERTa and its kin count from padding_idx + 1, so those rows are lost."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - unused
    return None
