"""The corpus of a study: its files found, read, renamed, and checked against the labels of train."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from nertune.data.checks import find_label_faults, find_misspelt_labels
from nertune.data.documents import Document
from nertune.data.examples import Corpus, Example, Problem, SequenceExample, Span, Split, Task, TokenExample
from nertune.data.files import SPLITS, SplitFiles, find_splits, present_splits
from nertune.data.labels import labels_of
from nertune.data.notices import KEPT_PLACES, Notices
from nertune.data.reading import RawSplit, read_split
from nertune.data.source import PLURAL_LABEL, Faults, Source, quoted
from nertune.data.splitting import PARTS, Parts, draw_parts, pack_parts, unpack_parts
from nertune.data.store import Examples, TaggedTable, store_examples
from nertune.data.tagging import TagReading, read_spans, recognise_tags, tag_faults
from nertune.data.texts import CellReading, read_texts, recognise_cells
from nertune.errors import DataError, UserError, Where, raise_all
from nertune.spec.study import DataSpec

CORRECT_FIRST = "Correct those above, then type the same command again."


@dataclass(frozen=True)
class Understanding:
    """How the files of a corpus are to be read, seen on its first split (train).

    tags   where words have tags
    cells  where texts have label cells
    """

    tags: TagReading | None = None
    cells: CellReading | None = None


def read_corpus(
    data: DataSpec,
    *,
    task: Task,
    splits: Sequence[str] = ("train", "dev"),
    problem: Literal["auto"] | Problem = "auto",
    parts: str | None = None,
    limit: int | None = KEPT_PLACES,
) -> Corpus:
    """The named splits, and no other file is opened; labels are those of `data.labels` or train.

    Without `train` among the splits, scheme and labels are those of the first split named.

    problem  whether a text or word has one label or several; auto: as train shows
    parts    the split as the record has it (`splitting.pack_parts`), where dev or test are taken out of train
    limit    places kept of each kind of notice; None: all
    Raises   Problems with every fault of the files, at most 20 of each
    """
    ordered = sorted(splits, key=SPLITS.index)
    drawn = drawn_splits(data)
    files = find_splits(data, splits=[name for name in SPLITS if name in ordered or (drawn and name == "train")])
    corpus = read_files(files, data=data, task=task, problem=problem, limit=limit)
    if drawn:
        corpus = _draw(corpus, data=data, drawn=drawn, parts=parts, splits=ordered)
    known = _known_labels(corpus, data=data, first=ordered[0])
    raise_all(find_label_faults(corpus.splits, known=known, task=task, problem=corpus.problem))
    for split in corpus.splits.values():
        _count_unknown(split, known=known)
    return replace(corpus, labels=known)


def drawn_splits(data: DataSpec) -> tuple[str, ...]:
    """The splits that `data.split` takes out of train: those with a share and without a file."""
    if data.split is None:
        return ()
    with_files = present_splits(data)
    return tuple(name for name in ("dev", "test") if getattr(data.split, name) and name not in with_files)


def read_files(
    files: Mapping[str, SplitFiles],
    *,
    data: DataSpec,
    task: Task,
    problem: Literal["auto"] | Problem = "auto",
    limit: int | None = KEPT_PLACES,
) -> Corpus:
    """Splits of any names as they stand in their files; scheme, separators and labels are those of the first.

    limit    places kept of each kind of notice; None: all
    Raises   Problems with every fault of the files, at most 20 of each split
    """
    raw = _read_all(files, data=data, task=task, problem=problem, limit=limit)
    how = _understand(next(iter(raw.values())), data=data, problem=problem)
    found: Counter[str] = Counter()
    read = {name: _make_split(split, how=how, data=data, found=found) for name, split in raw.items()}
    raise_all([fault for split in raw.values() for fault in _faults(split.source, read[split.name], task=task)])
    first = next(iter(raw.values()))
    raise_all(find_misspelt_labels(data, found=found, where=Where(first.source.path)))
    scheme = how.tags.scheme if how.tags else None
    labels = tuple(sorted(labels_of(read[first.name].examples)))
    return Corpus(task, read, labels, scheme, first.format, _problem_of(read[first.name], how=how))


def _read_all(
    files: Mapping[str, SplitFiles],
    *,
    data: DataSpec,
    task: Task,
    problem: Literal["auto"] | Problem,
    limit: int | None,
) -> dict[str, RawSplit]:
    raw: dict[str, RawSplit] = {}
    problems: list[UserError] = []
    for name, split in files.items():
        first = next(iter(raw.values()), None)
        try:
            raw[name] = read_split(
                split,
                data=data,
                task=task,
                usual=first.format if first else None,
                keep_overlaps=problem == "multi_label",
                limit=limit,
                like=first.source if first else None,
            )
        except DataError as fault:  # no format fits; if none fits the first split, the others would say the same
            raise_all([fault] if not raw else [])
            problems.append(fault)
    raise_all(problems + [fault for split in raw.values() if problems for fault in faults_of(split.source)])
    return raw


def _understand(raw: RawSplit, *, data: DataSpec, problem: Literal["auto"] | Problem) -> Understanding:
    if isinstance(raw.content, TaggedTable):
        return Understanding(tags=recognise_tags(raw.content, scheme=data.scheme, separator=data.separator))
    if isinstance(raw.content, Examples):
        return Understanding()
    is_plural = raw.source.found.get(PLURAL_LABEL) is True
    how = recognise_cells(raw.content, problem=problem, separator=data.separator, is_plural=is_plural)
    return Understanding(cells=how)


def _make_split(raw: RawSplit, *, how: Understanding, data: DataSpec, found: Counter[str]) -> Split:
    """The split with its labels renamed and chosen; `found` counts them as the files have them."""
    source = raw.source
    examples = _understood(raw, how=how)
    chosen = (
        store_examples(_choose(examples, data=data, found=found, source=source), task=examples.task)
        if data.rename or data.keep is not None
        else _counted(examples, found)
    )
    return Split(raw.name, chosen, source.fingerprint, source.notices)


def _understood(raw: RawSplit, *, how: Understanding) -> Examples:
    content, source = raw.content, raw.source
    if isinstance(content, Examples):
        return content
    if isinstance(content, TaggedTable):
        tags = how.tags or recognise_tags(content, scheme=source.data.scheme, separator=source.data.separator)
        tag_faults(content, how=tags, faults=source.faults)
        return read_spans(content, how=tags, notices=source.notices)
    cells = how.cells or recognise_cells(content, problem="auto", separator=source.data.separator)
    return store_examples(read_texts(content, how=cells, faults=source.faults), task="sequence")


def _counted(examples: Examples, found: Counter[str]) -> Examples:
    found.update(labels_of(examples))
    return examples


# ---- faults


def _faults(source: Source, split: Split, *, task: Task) -> list[UserError]:
    if not source.faults and not len(split.examples) and not split.notices.counts["left-out-texts"]:
        what = "no sentence" if task == "token" else "no text"
        source.fault(f"the file holds {what}", fix="Add annotated text, or name another file.")
    return faults_of(source)


def faults_of(source: Source) -> list[UserError]:
    """What is wrong with the files of a split: the first faults, and how many more there are."""
    faults: Faults = source.faults
    if not faults.n_more:
        return [*faults.shown]
    rest = DataError(
        f"and {faults.n_more} more problems in this file, the next one here", where=faults.next_place, fix=CORRECT_FIRST
    )
    return [*faults.shown, rest]


# ---- data.rename, data.keep, data.labels


def _choose(examples: Iterable[Example], *, data: DataSpec, found: Counter[str], source: Source) -> Iterator[Example]:
    """The examples with new names of labels, and with the labels that are kept only; what is left out is counted."""
    for example in examples:
        found.update(labels_of([example]))
        if isinstance(example, TokenExample):
            yield _choose_spans(example, data, source.notices)
            continue
        chosen = _choose_classes(example, data, source.notices)
        if chosen is not None:
            yield chosen


def _choose_spans(example: TokenExample, data: DataSpec, notices: Notices) -> TokenExample:
    named = [Span(data.rename.get(span.label, span.label), span.start, span.end) for span in example.spans]
    kept = tuple(span for span in named if data.keep is None or span.label in data.keep)
    if len(kept) < len(named):
        notices.add("left-out-entities", example.where, n=len(named) - len(kept))
    return replace(example, spans=_without_merged(kept, example=example, notices=notices) if data.rename else kept)


def _without_merged(spans: Sequence[Span], *, example: TokenExample, notices: Notices) -> tuple[Span, ...]:
    """The spans without those that share words with a longer one, or an equal one, which now has the same type."""
    if all(before.end <= span.start for before, span in pairwise(spans)):
        return tuple(spans)
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        alike = [one for one in chosen if one.label == span.label and one.start < span.end and span.start < one.end]
        if not alike:
            chosen.append(span)
        else:
            kind = "duplicate-entities" if span in alike else "overlapping-entities"
            mention = quoted(" ".join(example.words[span.start : span.end]))
            notices.add(kind, example.where, f"{span.label} {mention}, by data.rename")
    return tuple(sorted(chosen, key=lambda span: (span.start, span.end, span.label)))


def _choose_classes(example: SequenceExample, data: DataSpec, notices: Notices) -> SequenceExample | None:
    named = dict.fromkeys(data.rename.get(label, label) for label in example.labels)
    kept = tuple(label for label in named if data.keep is None or label in data.keep)
    if named and not kept:
        notices.add("left-out-texts", example.where)
        return None
    return replace(example, labels=kept)


def choose_labels(document: Document, *, data: DataSpec, notices: Notices) -> Document:
    """The document with new names of entity types, and with those that are kept only; what is left out is counted."""
    if not data.rename and data.keep is None:
        return document
    named = [replace(entity, label=data.rename.get(entity.label, entity.label)) for entity in document.entities]
    kept = tuple(entity for entity in named if data.keep is None or entity.label in data.keep)
    if len(kept) < len(named):
        notices.add("left-out-entities", document.where, n=len(named) - len(kept))
    return replace(document, entities=kept)


def _known_labels(corpus: Corpus, *, data: DataSpec, first: str) -> tuple[str, ...]:
    return tuple(sorted(set(data.labels or labels_of(corpus.splits[first].examples))))


def _count_unknown(split: Split, *, known: Sequence[str]) -> None:
    """Entities of types that train lacks: they stay gold, so that they count as missed."""
    for example in split.examples if set(labels_of(split.examples)) - set(known) else ():
        unknown = [label for label in labels_of([example]).elements() if label not in known]
        if unknown:
            split.notices.add("unseen-labels", example.where, ", ".join(unknown), n=len(unknown))


def _problem_of(split: Split, *, how: Understanding) -> Problem:
    """Of texts what their cells show; of words multi-label when entities of some sentence overlap."""
    if how.cells is not None:
        return how.cells.problem
    overlaps = isinstance(split.examples, Examples) and split.examples.has_overlaps()
    return "multi_label" if overlaps else "single_label"


def problem_among(split: Split, *, kinds: Sequence[str]) -> Problem:
    """What a head that learns these types or classes has to learn: whether some word or text has not just one of them.

    A word outside of all entities has one label, `O`; a text without a class has none.
    """
    return "multi_label" if any(_has_several(example, kinds=kinds) for example in split.examples) else "single_label"


def _has_several(example: Example, *, kinds: Sequence[str]) -> bool:
    if not isinstance(example, TokenExample):
        return sum(label in kinds for label in example.labels) != 1
    spans = sorted((span for span in example.spans if span.label in kinds), key=lambda span: span.start)
    return any(after.start < before.end for before, after in pairwise(spans))


# ---- data.split


def _draw(corpus: Corpus, *, data: DataSpec, drawn: Sequence[str], parts: str | None, splits: Sequence[str]) -> Corpus:
    """The corpus with the drawn splits taken out of train."""
    assert data.split is not None
    train = corpus.splits["train"]
    assert isinstance(train.examples, Examples)
    assigned = unpack_parts(parts) if parts else draw_parts(train.examples, split=data.split, drawn=drawn)
    if len(assigned) != len(train.examples):
        raise DataError(
            f"the split was drawn from {len(assigned)} examples, but train has {len(train.examples)} now",
            fix="Put the old file back, or begin again with --fresh",
        )
    taken = {
        name: _part(train, name=name, rows=np.flatnonzero(assigned == PARTS.index(name)), assigned=assigned)
        for name in ("train", *drawn)
        if name in splits
    }
    raise_all([_nothing_drawn(name, train=train) for name, split in taken.items() if not len(split.examples)])
    own = {name: split for name, split in corpus.splits.items() if name not in ("train", *drawn)}
    return replace(corpus, splits={name: (taken | own)[name] for name in splits}, parts=pack_parts(assigned))


def _part(train: Split, *, name: str, rows: np.ndarray, assigned: Parts) -> Split:
    assert isinstance(train.examples, Examples)
    decides = f"{train.fingerprint} {name} {pack_parts(assigned)}"
    notices = train.notices if name == "train" else Notices()
    return Split(name, train.examples.take(rows), hashlib.sha256(decides.encode()).hexdigest(), notices)


def _nothing_drawn(name: str, *, train: Split) -> DataError:
    return DataError(
        f"data.split leaves no example for {name}; there are {len(train.examples)} in all",
        where=train.examples[0].where,
        fix=f"Take {'smaller' if name == 'train' else 'larger'} shares, or by: sentence",
    )
