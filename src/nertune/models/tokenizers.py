"""Tokenizers: loaded from a folder or the hub, and made to mark where a word begins."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from nertune.data.examples import Task
from nertune.errors import ModelError, closest

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
)
CASE = "do_lower_case"
# Options of every tokenizer, beside those of its own class.
COMMON_OPTIONS = frozenset(
    {
        "add_prefix_space",
        "clean_up_tokenization_spaces",
        "extra_special_tokens",
        "model_input_names",
        "model_max_length",
        "padding_side",
        "split_special_tokens",
        "truncation_side",
    }
)
NO_OPTIONS = frozenset({"self", "args", "kwargs", "vocab", "merges", "vocab_file", "merges_file", "unk_id"})


def load_tokenizer(
    source: str, *, task: Task, options: Mapping[str, Any] | None = None, lower_case: bool | None = None
) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or hub id; for token tasks one that marks the beginning of every word.

    Saved with `save_pretrained`, it is the same when loaded by plain transformers.

    options     of its class, in place of those that it was saved with
    lower_case  whether it lowers its input; None: as it was saved
    Raises      ModelError: no such folder, no tokenizer in it, hub out of reach, or (token tasks) no fast tokenizer; an
                option that its class does not know; a case that cannot be had
    """
    check_source(source, holds=TOKENIZER_FILES, what="tokenizer", key="model.tokenizer")
    tokenizer = _with_options(source, options=options or {}, lower_case=lower_case)
    if task == "token":
        if not tokenizer.is_fast:
            raise ModelError(
                f"{source} has only a slow tokenizer ({type(tokenizer).__name__}), "
                "which cannot tell which pieces make up a word",
                fix="Name one with a tokenizer.json: model.tokenizer: FOLDER",
            )
        if not marks_words(tokenizer):
            marking = {**(options or {}), "add_prefix_space": True}
            tokenizer = _with_options(source, options=marking, lower_case=lower_case)
            _mark_words(tokenizer, source=source)
    return tokenizer if lower_case is None else _in_case(tokenizer, lower_case=lower_case, source=source)


def check_source(source: str, *, holds: tuple[str, ...], what: str, key: str) -> None:
    """Refuse a folder that is missing or holds none of the files; a hub id passes.

    Raises  ModelError, with what to write at `key` of the study file
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not any((folder / name).is_file() for name in holds):
            raise ModelError(
                f"{source} has no {what}: none of {', '.join(holds)} is in it",
                fix=f"Name a folder that has one, for example {key}: bert-base-cased",
            )
    elif folder.exists():
        raise ModelError(f"{source} is a file where a folder is needed", fix=f"{key}: {folder.parent}")
    elif looks_local(source):
        raise ModelError(
            f"{source} does not exist", fix=f"Write the folder of a saved model, or a hub id: {key}: bert-base-cased"
        )


def looks_local(source: str) -> bool:
    """Whether this is meant as a path: hub ids have at most one slash, and none begins with `.`, `/` or `~`."""
    return source.startswith((".", "/", "~")) or source.count("/") > 1 or (os.sep != "/" and os.sep in source)


def unreachable(source: str, *, cause: Exception, what: str, key: str) -> ModelError:
    """The error for a hub id that could not be loaded, told in one line."""
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}
    why = "the hub is switched off (HF_HUB_OFFLINE)" if offline else str(cause).split("\n")[0].strip().rstrip(".")
    return ModelError(
        f"no {what} for {source!r}: it is no folder here, and {why}"
        if not Path(source).is_dir()
        else f"the {what} in {source} cannot be loaded: {why}",
        fix=f"Write the folder of a saved model at {key}, or run once with the hub in reach",
    )


def marks_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a word of a split sentence gets the pieces that it has inside running text."""
    text = tokenizer("a a", add_special_tokens=False)["input_ids"]
    words = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return bool(text[-1:] == words[-1:])


def _with_options(source: str, *, options: Mapping[str, Any], lower_case: bool | None) -> PreTrainedTokenizerBase:
    if not options and lower_case is None:
        return _from_pretrained(source)
    known = _known_options(type(_from_pretrained(source)))
    for option in options:
        if option not in known:
            near = closest(option, known)
            raise ModelError(
                f"model.tokenizer_options has {option!r}, which the tokenizer of {source} does not know",
                fix=f"model.tokenizer_options: {{{near}: {options[option]}}}"
                if near
                else f"It knows: {', '.join(sorted(known))}",
            )
    own_case = {} if lower_case is None or CASE not in known else {CASE: lower_case}
    return _from_pretrained(source, **{**options, **own_case})


def _known_options(kind: type[PreTrainedTokenizerBase]) -> set[str]:
    own = {name for parent in kind.__mro__ for name in inspect.signature(parent.__init__).parameters}  # type: ignore[misc]
    known = {name for name in own if not name.startswith("_")} | COMMON_OPTIONS | set(kind.SPECIAL_TOKENS_ATTRIBUTES)
    return known - NO_OPTIONS


def _in_case(tokenizer: PreTrainedTokenizerBase, *, lower_case: bool, source: str) -> PreTrainedTokenizerBase:
    """The tokenizer with a normaliser that lowers its input, or does not."""
    if not tokenizer.is_fast:
        if CASE in _known_options(type(tokenizer)):
            return tokenizer
        raise _no_such_case(source, lower_case=lower_case)
    backend = tokenizer.backend_tokenizer
    if _lowers(backend) != lower_case:
        _change_case(backend, lower_case=lower_case)
        if CASE not in _known_options(type(tokenizer)):
            tokenizer = _as_it_stands(tokenizer)
    if _lowers(backend) != lower_case:
        raise _no_such_case(source, lower_case=lower_case)
    return tokenizer


def _lowers(backend: Tokenizer) -> bool:
    return backend.normalizer is not None and bool(
        backend.normalizer.normalize_str("ABC") == backend.normalizer.normalize_str("abc")
    )


def _change_case(backend: Tokenizer, *, lower_case: bool) -> None:
    if lower_case:
        before = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([*before, normalizers.Lowercase()])
        return
    told = json.loads(backend.to_str())
    told["normalizer"] = _without_lowercase(told["normalizer"])
    backend.normalizer = Tokenizer.from_str(json.dumps(told)).normalizer


def _without_lowercase(normalizer: dict[str, Any] | None) -> dict[str, Any] | None:
    """A normaliser, as tokenizer.json has it, that keeps capitals."""
    if normalizer is None or normalizer["type"] == "Lowercase":
        return None
    if normalizer["type"] == "Sequence":
        parts = [_without_lowercase(part) for part in normalizer["normalizers"]]
        return {**normalizer, "normalizers": [part for part in parts if part is not None]}
    return {**normalizer, "lowercase": False} if "lowercase" in normalizer else normalizer


def _as_it_stands(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerFast:
    """The same without a class of its own, by whose rules it would be loaded again in another case."""
    names = ("model_max_length", "padding_side", "truncation_side", "model_input_names", "clean_up_tokenization_spaces")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        **tokenizer.special_tokens_map,
        **{name: getattr(tokenizer, name) for name in names},
    )


def _no_such_case(source: str, *, lower_case: bool) -> ModelError:
    return ModelError(
        f"model.lower_case: {str(lower_case).lower()} cannot be had with the tokenizer of {source}",
        fix="Leave model.lower_case out, or name another model.tokenizer",
    )


def _from_pretrained(source: str, **options: object) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as cause:
        raise unreachable(source, cause=cause, what="tokenizer", key="model.tokenizer") from cause
    except Exception as cause:  # `tokenizers` raises bare Exception for a tokenizer.json that it cannot read
        if type(cause) is not Exception:
            raise
        raise unreachable(source, cause=cause, what="tokenizer", key="model.tokenizer") from cause


def _mark_words(tokenizer: PreTrainedTokenizerBase, *, source: str) -> None:
    """Give every word its mark, in the backend, where saving keeps it.

    transformers 5.23 no longer insists on add_prefix_space, and hands it to some classes only: the rest lose every
    mark silently.
    """
    backend = tokenizer.backend_tokenizer
    for change in (_prefix_bytes, _prefix_metaspace, _prefix_normalised):
        if marks_words(tokenizer):
            break
        change(backend)
    if not marks_words(tokenizer):
        raise ModelError(
            f"the tokenizer of {source} does not mark where a word begins, so words cannot be told from their endings",
            fix="Name another one: model.tokenizer: FOLDER",
        )


def _prefix_bytes(backend: Tokenizer) -> None:
    if _kind(backend) == "ByteLevel":
        backend.pre_tokenizer.add_prefix_space = True


def _prefix_metaspace(backend: Tokenizer) -> None:
    if _kind(backend) == "Metaspace":
        backend.pre_tokenizer.prepend_scheme = "always"


def _prefix_normalised(backend: Tokenizer) -> None:
    """For a sequence such as Split + ByteLevel, where a prefix in ByteLevel would mark every part of a word."""
    if isinstance(backend.pre_tokenizer, pre_tokenizers.Sequence):
        rest = [] if backend.normalizer is None else [backend.normalizer]
        backend.normalizer = normalizers.Sequence([*rest, normalizers.Prepend(" ")])


def _kind(backend: Tokenizer) -> str | None:
    if backend.pre_tokenizer is None:
        return None
    kind: str = json.loads(backend.pre_tokenizer.__getstate__())["type"]
    return kind
