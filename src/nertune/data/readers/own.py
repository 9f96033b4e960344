"""Readers of the user's own, which `data.format` names as `package.module:name`."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nertune.data.documents import Document
from nertune.data.source import LabelledText, Source, TaggedSentence
from nertune.errors import DataError, shown_path
from nertune.hooks import is_hook_file, load_hook

Item = TaggedSentence | Document | LabelledText
KINDS = "TaggedSentence, Document or LabelledText"


def find_own_reader(name: str) -> Callable[[Source], Iterator[Item]]:
    """The hook of this name as a reader that tells what is wrong with it, and whose items count for the fingerprint.

    The file's bytes do not say what another version of the hook reads in them, nor what it reads without `Source`.
    Raises  HookError for one that cannot be used
    """
    read = load_hook(name, key="data.format", kind="reader")

    def read_own(source: Source) -> Iterator[Item]:
        digest = hashlib.sha256()
        for item in _checked(read, source, name=name):
            digest.update(repr(_content(item)).encode("utf-8", "backslashreplace"))
            yield item
        source.digests.append(digest.hexdigest())

    return read_own


def _checked(read: Callable[[Source], Any], source: Source, *, name: str) -> Iterator[Item]:
    """The items that the hook gives.

    Raises  DataError for anything that is no item, and in place of an error of the hook's own
    """
    try:
        for item in read(source):
            if not isinstance(item, Item):
                raise source.problem(f"{name} gave a {type(item).__name__}", fix=f"Let it yield {KINDS}")
            if isinstance(item, TaggedSentence) and not len(item.words) == len(item.tags) == len(item.lines):
                raise source.problem(
                    f"{name} gave a sentence of {len(item.words)} words with {len(item.tags)} tags "
                    f"and {len(item.lines)} lines",
                    fix="Let it give one tag and one line for each word",
                )
            yield item
    except DataError:
        raise
    except Exception as error:
        raise source.problem(
            f"{name} raises {type(error).__name__}: {error} ({_place_in(error)})",
            fix="nertune.testing.check_reader tries a reader on broken files; it should tell source.fault(...)",
        ) from error


def _place_in(error: Exception) -> str:
    """File and line of the innermost frame that is a hook's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_hook_file(Path(frame.filename))]
    return f"{shown_path(Path((own or frames)[-1].filename))}:{(own or frames)[-1].lineno}"


def _content(item: Item) -> object:
    """What is learned from an item, without its place: a corpus that was moved stays the same."""
    if isinstance(item, TaggedSentence):
        return item.words, item.tags, item.document
    if isinstance(item, LabelledText):
        return item.text, item.labels, item.pair, item.document, item.is_cell
    return item.id, item.text, [(entity.label, entity.parts) for entity in item.entities], item.words
