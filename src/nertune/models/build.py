"""Models: a base loaded once, and from it a new model for every fit."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers import logging as transformers_logging
from transformers.initialization import guard_torch_init_functions, no_init_weights

from nertune.data.examples import Problem, Task
from nertune.errors import ModelError, closest
from nertune.models.heads import find_head, problem_of
from nertune.models.heads.head import Head
from nertune.models.tokenizers import check_source, unreachable
from nertune.spec.study import ModelSpec

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
OWN_KEYS = (
    "num_labels",
    "id2label",
    "label2id",
    "problem_type",
    "architectures",
    "model_type",
    "dtype",
)  # follow from data, task and base


@dataclass(frozen=True, eq=False)
class Base:
    """What every model of a study is built from; the tensors are never written to.

    config     the checkpoint's, with `model.config` and the labels in it
    tensors    of the checkpoint, by the model's own names, float32, on the CPU
    missing    names of the parameters that the checkpoint lacks, sorted: the head, at times the pooler
    positions  rows of a learned position table that an input can use; None without such a table
    """

    source: str
    task: Task
    head: Head
    model_class: type[PreTrainedModel]
    config: PreTrainedConfig
    tensors: Mapping[str, Tensor]
    missing: tuple[str, ...]
    positions: int | None


def load_base(model: ModelSpec, *, task: Task, labels: Sequence[str]) -> Base:
    """The base of a study, read from a folder or the hub.

    labels  tags (token) or classes (sequence) in the order of their ids
    Raises  ModelError: config or weights missing or unreadable, a key in `model.config` that is unknown or does not
            fit the weights
    """
    problem = problem_of(model, task=task)
    head = find_head(model.head, problem=problem)
    config = load_config(model, labels=labels, problem_type=problem_type(task, problem=problem, n_labels=len(labels)))
    check_source(model.base, holds=WEIGHT_FILES, what="weights", key="model.base")
    loaded, info = _load_checkpoint(model.base, head=head, config=config, task=task)
    missing = {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])}
    _check_fit(loaded, missing=missing, mismatched=info["mismatched_keys"], source=model.base)
    state = loaded.state_dict()
    return Base(
        source=model.base,
        task=task,
        head=head,
        model_class=type(loaded),
        config=loaded.config,
        tensors={name: tensor for name, tensor in state.items() if name not in missing},
        missing=tuple(sorted(missing & state.keys())),
        positions=_table_positions(loaded),
    )


def problem_type(task: Task, *, problem: Problem, n_labels: int) -> str | None:
    """What transformers calls the problem: by it, pipelines choose softmax or sigmoid. None where it has no name."""
    if task == "token":
        return None
    if problem == "multi_label":
        return "multi_label_classification"
    return "single_label_classification" if n_labels > 1 else None  # transformers refuses it for a single class


def load_config(model: ModelSpec, *, labels: Sequence[str], problem_type: str | None = None) -> PreTrainedConfig:
    """The base's config with the study's overrides, labels and problem, whatever problem the base was trained for.

    Raises  ModelError: no config, or a key or value in `model.config` that the architecture does not have
    """
    check_source(model.base, holds=("config.json",), what="config.json", key="model.base")
    names = dict(enumerate(labels))
    try:
        config = AutoConfig.from_pretrained(
            model.base,
            trust_remote_code=False,
            id2label=names,
            label2id={label: i for i, label in names.items()},
            problem_type=problem_type,
        )
    except (OSError, ValueError, KeyError) as cause:
        raise unreachable(model.base, cause=cause, what="config", key="model.base") from cause
    for key, value in model.config.items():
        _override(config, key=key, value=value)
    return config


def build_model(base: Base, *, seed: int) -> PreTrainedModel:
    """A new model in training mode, float32, on the CPU: the base's tensors copied, the missing parameters drawn.

    A drawn parameter depends on (seed, its name) and the architecture's own rule alone, not on the state of any
    generator, nor on what else is missing. A new object each time, because accelerate wraps `forward` on the instance
    under bf16.
    """
    with _float32(), no_init_weights():
        model = base.model_class(copy.deepcopy(base.config))
    model.tie_weights()  # post_init did not, without the weights' initialisation
    own = model.state_dict()
    with torch.no_grad():
        for name, tensor in base.tensors.items():
            own[name].copy_(tensor)
    _draw_missing(model, names=base.missing, seed=seed)
    return model.train()


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


def _load_checkpoint(
    source: str, *, head: Head, config: PreTrainedConfig, task: Task
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The checkpoint as transformers reads it: safetensors first, a .bin with weights_only, always in float32.

    Without `dtype`, 5.23 keeps the checkpoint's own type, and a bf16 checkpoint would be trained in bf16.
    """
    with _quiet():
        try:
            loaded: tuple[PreTrainedModel, dict[str, Any]] = head.auto_classes[task].from_pretrained(
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
    if "Unrecognized configuration class" in str(cause):
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
