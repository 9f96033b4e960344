"""Tokenizers: loaded from a folder or the hub, and made to mark where a word begins."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from nertune.data.examples import Task
from nertune.errors import ModelError

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
)


def load_tokenizer(source: str, *, task: Task) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or hub id; for token tasks one that marks the beginning of every word.

    Saved with `save_pretrained`, it marks words again when loaded by plain transformers.
    Raises  ModelError: no such folder, no tokenizer in it, hub out of reach, or (token tasks) no fast tokenizer
    """
    check_source(source, holds=TOKENIZER_FILES, what="tokenizer", key="model.tokenizer")
    tokenizer = _from_pretrained(source)
    if task == "token":
        if not tokenizer.is_fast:
            raise ModelError(
                f"{source} has only a slow tokenizer ({type(tokenizer).__name__}), "
                "which cannot tell which pieces make up a word",
                fix="Name one with a tokenizer.json: model.tokenizer: FOLDER",
            )
        if not marks_words(tokenizer):
            tokenizer = _from_pretrained(source, add_prefix_space=True)
            _mark_words(tokenizer, source=source)
    return tokenizer


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
