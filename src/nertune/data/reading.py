"""The files of one split, read as they stream in: what stands in them before schemes and separators are understood."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from nertune.data.documents import Document
from nertune.data.examples import Task
from nertune.data.files import SplitFiles, files_in
from nertune.data.mapping import to_examples
from nertune.data.notices import KEPT_PLACES
from nertune.data.readers import READERS, Format, Item, find_format, named_format, recognised
from nertune.data.readers.hub import is_saved
from nertune.data.source import LabelledText, Source, TaggedSentence, listed
from nertune.data.store import Examples, TaggedTable, store_examples, store_tagged, store_texts
from nertune.errors import DataError, Where
from nertune.spec.study import DataSpec

LOOKED_AT_FILES = 20  # of a folder, to see what most of them are


@dataclass(frozen=True, eq=False)
class RawSplit:
    """What the files of a split hold.

    source   the split's files as one: what was noticed, what is wrong, the fingerprint
    content  tagged sentences, texts with label cells (a table with `store.CELL_SCHEMA`), or sentences with entities
    """

    name: str
    source: Source
    format: str
    content: TaggedTable | Examples | Any


def read_split(
    files: SplitFiles,
    *,
    data: DataSpec,
    task: Task,
    usual: str | None = None,
    keep_overlaps: bool = False,
    limit: int | None = KEPT_PLACES,
    like: Source | None = None,
) -> RawSplit:
    """All that the files of a split hold; what is wrong with them is kept in `source.faults`.

    usual          the format of the corpus' other files: also of this one, unless it clearly is another
    keep_overlaps  entities may overlap when their types differ: the words carry several labels
    limit          places kept of each kind of notice; None: all
    like           the corpus' first split, whose layout these files have, too, unless they clearly have another
    """
    name, paths = find_files(files, data=data, task=task, usual=usual)
    form = named_format(name)
    source = open_source(files, form=form, data=data)
    source.notices.limit = limit
    source.found = source.found if like is None else like.found
    _tell_left_out(files, paths=paths, source=source)
    items = _items(source, paths=paths, form=form)
    first = next(items, None)
    if first is None:
        return RawSplit(files.name, source, name, store_examples((), task=task))
    _refuse_other_task(first[1], name=name, task=task, source=source)
    store = partial(STORES[type(first[1])], source=source, keep_overlaps=keep_overlaps)
    alike = _of_one_kind(chain([first], items), kind=type(first[1]), source=source)
    return RawSplit(files.name, source, name, store(alike))


def read_items(
    files: SplitFiles, *, data: DataSpec, task: Task | None
) -> tuple[str, Source, Iterator[tuple[Path, Item]]]:
    """The format of a split's files, the source that collects what reading meets, and the items as they stream in."""
    name, paths = find_files(files, data=data, task=task)
    form = named_format(name)
    source = open_source(files, form=form, data=data)
    return name, source, _items(source, paths=paths, form=form)


def find_files(
    files: SplitFiles, *, data: DataSpec, task: Task | None, usual: str | None = None
) -> tuple[str, tuple[Path, ...]]:
    """The format of a split's files, and the files that are read: of a folder, all that have this format.

    usual    see `read_split`

    Raises   DataError where no format fits
    """
    first = files.paths[0]
    if data.hub is not None or not first.is_dir() or is_saved(first):
        return _format_of(Source(first, data, split=files.name), task=task, usual=usual), files.paths
    inside = [path for folder in files.paths for path in (files_in(folder) if folder.is_dir() else [folder])]
    name = _format_of_most(inside, folder=first, data=data, task=task)
    form = named_format(name)
    chosen = tuple(path for path in inside if form.recognise(Source(path, data)))
    if not chosen:
        raise Source(first).problem(
            f"no file in this folder looks like {name} ({form.holds})", fix="Check data.format."
        )
    return name, chosen


def _tell_left_out(files: SplitFiles, *, paths: Sequence[Path], source: Source) -> None:
    """Count the files of a folder of documents that look like something else: no label is lost unseen."""
    folders = [path for path in files.paths if path.is_dir() and path not in paths]
    for path in (path for folder in folders for path in files_in(folder)):
        if path not in paths:
            source.notices.add("unread-files", Where(path), "looks like something else")


def open_source(files: SplitFiles, *, form: Format, data: DataSpec) -> Source:
    return Source(files.paths[0], data, encodings=form.encodings, split=files.name)


def _format_of(source: Source, *, task: Task | None, usual: str | None) -> str:
    if usual is None or source.data.format != "auto":
        return find_format(source.data.format, source=source, task=task)
    if READERS[usual].recognise(source):
        return usual
    return next(iter(_recognised(source, task=task)), usual)


def _format_of_most(paths: list[Path], *, folder: Path, data: DataSpec, task: Task | None) -> str:
    """The format of most of a folder's first files; a format that reads anything counts only where no other does."""
    if data.format != "auto":
        return find_format(data.format, source=Source(folder, data), task=task)
    votes: dict[str, int] = {}
    for path in paths[:LOOKED_AT_FILES]:
        for name in _recognised(Source(path, data), task=task)[:1]:
            votes[name] = votes.get(name, 0) + READERS[name].is_certain
    if not votes:
        names = [str(path.relative_to(folder)) for path in paths if path.is_relative_to(folder)]
        raise Source(folder).problem(
            f"no file in this folder has a format that is known; it holds {listed(names) or 'none'}",
            fix="Name one file to see what is wrong with it, or a format: nertune data formats",
        )
    return max(votes, key=lambda name: votes[name])


def _recognised(source: Source, *, task: Task | None) -> list[str]:
    try:
        return [name for name in recognised(source) if task is None or task in READERS[name].tasks]
    except DataError:  # it cannot be opened; that is told when it is read
        return []


def _items(source: Source, *, paths: Iterable[Path], form: Format) -> Iterator[tuple[Path, Item]]:
    """The items of all files; a file that cannot be read further is a fault, and the next one begins."""
    if source.columns and not form.is_table:
        source.fault("data.columns is given, but this format has no columns", fix="Take it out.")
    for path in paths:
        try:
            for item in form.read(source.beside(path)):
                yield path, item
        except DataError as problem:
            source.faults.add(problem)


def _refuse_other_task(item: Item, *, name: str, task: Task, source: Source) -> None:
    """Raise DataError when a reader of the user's own gives what the task cannot learn from."""
    meant: Task = "sequence" if isinstance(item, LabelledText) else "token"
    if meant != task:
        raise source.problem(
            f"{name} reads {NAMES[type(item)]} here, but the task is {task}", fix=f"Write task: {meant}"
        )


def _of_one_kind(items: Iterable[tuple[Path, Item]], *, kind: type, source: Source) -> Iterator[tuple[Path, Any]]:
    """The items of the first one's kind; those of another kind are faults."""
    for path, item in items:
        if isinstance(item, kind):
            yield path, item
            continue
        message = f"{NAMES[type(item)]} among {NAMES[kind]}"
        source.faults.add(DataError(message, where=_place_of(item, path), fix="Put them into files of their own."))


def _place_of(item: Item, path: Path) -> Where:
    if isinstance(item, Document):
        return item.where
    return Where(path, item.lines[0] if isinstance(item, TaggedSentence) else item.line)


def _store_tagged(items: Iterable[tuple[Path, TaggedSentence]], **_: object) -> TaggedTable:
    return store_tagged(items)


def _store_texts(items: Iterable[tuple[Path, LabelledText]], **_: object) -> Any:
    return store_texts(items)


def _store_documents(items: Iterable[tuple[Path, Document]], *, source: Source, keep_overlaps: bool) -> Examples:
    sentences = (
        example
        for _, document in items
        for example in to_examples(document, data=source.data, notices=source.notices, keep_overlaps=keep_overlaps)
    )
    return store_examples(sentences, task="token")


NAMES: dict[type, str] = {
    TaggedSentence: "words with tags",
    LabelledText: "a text with a class",
    Document: "a text with entities by characters",
}
STORES: dict[type, Callable[..., Any]] = {
    TaggedSentence: _store_tagged,
    LabelledText: _store_texts,
    Document: _store_documents,
}
