"""Raw tags of whole files -> entities: the scheme recognised once, on train, and every file read by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nertune.data import labels
from nertune.data.examples import Span
from nertune.data.multi_label import split_labels
from nertune.data.notices import Notices
from nertune.data.source import SEVERAL, Faults, quoted
from nertune.data.store import Examples, TagBatch, TaggedTable, store_tables, with_spans
from nertune.errors import DataError, Where, closest

TAG_MARKS = ("|", ";", ",")
LIKE_OUTSIDE = ("0", "o")  # what is typed by mistake for O


@dataclass(frozen=True)
class TagReading:
    """How the tags of a corpus are to be read.

    scheme     of the tags, see `labels.LEGAL_PAIRS`
    is_bare    the tags are types without prefixes (`PER PER O`)
    separator  stands between several tags of one word; None: a word has one tag
    spelling   a key of `labels.OTHER_SPELLINGS`; None: the tags are written `B-PER`
    """

    scheme: str
    is_bare: bool
    separator: str | None = None
    spelling: str | None = None


def recognise_tags(tagged: TaggedTable, *, scheme: str | None, separator: str | None) -> TagReading:
    """How these tags are to be read; `scheme` and `separator` where the study file says them."""
    mark = separator or find_tag_separator(tagged.tags)
    spelling = None if mark or scheme == "io" else labels.find_spelling(tagged.tags)
    steps = _count_steps(_respelt(tagged, spelling), separator=mark)
    tags = {tag for step in steps for tag in step}
    is_bare = labels.has_bare_types(tags, scheme=scheme) and tags != {labels.OUTSIDE}
    return TagReading(scheme or labels.scheme_of_steps(steps), is_bare, mark, spelling)


def find_tag_separator(tags: Sequence[str]) -> str | None:
    """The mark between several tags of one word (`B-PER|B-ORG`), or None where a word has one tag."""
    if any(SEVERAL in tag for tag in tags):
        return SEVERAL
    for mark in TAG_MARKS:
        marked = [tag.split(mark) for tag in tags if mark in tag]
        if marked and all(part == labels.OUTSIDE or labels.has_prefix(part) for parts in marked for part in parts):
            return mark
    return None


def read_spans(tagged: TaggedTable, *, how: TagReading, notices: Notices) -> Examples:
    """The sentences with their entities; tags that the scheme forbids are read by conlleval's rules, and counted."""
    if how.spelling is not None:
        _count_respelt(tagged, spelling=how.spelling, notices=notices)
        tagged = _respelt(tagged, how.spelling)
    reader = _MultiTags(tagged.tags, how) if how.separator else _SingleTags(tagged.tags, how)
    parts = (
        with_spans(part, [*_read_batch(part, batch, reader=reader, notices=notices)])
        for part, batch in tagged.batches()
    )
    return store_tables(parts, task="token")


def tag_faults(tagged: TaggedTable, *, how: TagReading, faults: Faults) -> None:
    """Tags without a prefix, or with nothing behind it, in files whose tags have both."""
    if how.is_bare:
        return
    tags = _respelt(tagged, how.spelling).tags
    of_each = [_parts(tag, how.separator) for tag in tags]
    found = frozenset(part for parts in of_each for part in parts if labels.has_prefix(part))
    typed = found.difference(labels.PREFIXES)
    wrong = [number for number, parts in enumerate(of_each) if any(_is_wrong(part, typed=typed) for part in parts)]
    for part, batch in tagged.batches() if wrong else ():
        words = np.flatnonzero(np.isin(batch.codes, wrong)).tolist()
        for n_told, word in enumerate(words):
            if faults.n_more:  # from here on only their number is told
                faults.n_more += len(words) - n_told
                break
            faults.add(_wrong_tag(part, batch, word=word, tag=tagged.tags[batch.codes[word]], typed=typed))


def _is_wrong(tag: str, *, typed: frozenset[str]) -> bool:
    return tag != labels.OUTSIDE and (not labels.has_prefix(tag) or (bool(typed) and tag in labels.PREFIXES))


def _wrong_tag(part: Any, batch: TagBatch, *, word: int, tag: str, typed: frozenset[str]) -> DataError:
    row, where = _place_of(part, batch, word=word)
    text = part["words"][row][word - int(batch.starts[row])].as_py()
    near = _nearest(tag, typed)
    correct = f"Did you mean {near}? If not, correct it" if near else "Correct the tag"
    header = "; if this line names the columns: data: {header: true}" if where.line == 1 else ""
    return DataError(
        f"the tag {quoted(tag)} of {quoted(text)} is neither O nor a type with a prefix, such as B-PER",
        where=where,
        fix=f"{correct}, or say where word and tag stand, for example: data: {{columns: {{word: 0, tag: 1}}}}{header}",
    )


def _place_of(part: Any, batch: TagBatch, *, word: int) -> tuple[int, Where]:
    """The row and the place in its file of a word, which is counted through the batch."""
    row = int(np.searchsorted(batch.starts, word, side="right")) - 1
    return row, Where(Path(part["path"][row].as_py()), int(batch.lines[word]))


@lru_cache(maxsize=1024)
def _nearest(tag: str, typed: frozenset[str]) -> str | None:
    return labels.OUTSIDE if tag in LIKE_OUTSIDE else closest(tag, typed)


def _respelt(tagged: TaggedTable, spelling: str | None) -> TaggedTable:
    """The same sentences with their tags as they are written here."""
    if spelling is None:
        return tagged
    return replace(tagged, tags=tuple(labels.respell(tag, spelling=spelling) for tag in tagged.tags))


def _count_respelt(tagged: TaggedTable, *, spelling: str, notices: Notices) -> None:
    """Count the words of each tag that is spelt otherwise, at the first of them."""
    counts = np.zeros(len(tagged.tags), dtype=np.int64)
    first: dict[int, Where] = {}
    for part, batch in tagged.batches():
        counts += np.bincount(batch.codes, minlength=len(counts))
        codes, words = np.unique(batch.codes, return_index=True)
        for code, word in zip(codes.tolist(), words.tolist(), strict=True):
            if code not in first:
                _, first[code] = _place_of(part, batch, word=word)
    for code, where in first.items():
        tag = tagged.tags[code]
        read = labels.respell(tag, spelling=spelling)
        if read != tag:
            notices.add("respelt-tags", where, f"{quoted(tag)} is read as {read}", n=int(counts[code]))


def _parts(tag: str, separator: str | None) -> tuple[str, ...]:
    """The tags of one word: those between the marks, O where nothing stands."""
    if separator is None:
        return (tag,)
    return tuple(part or labels.OUTSIDE for part in split_labels(tag, separator=separator)) or (labels.OUTSIDE,)


def _count_steps(tagged: TaggedTable, *, separator: str | None) -> Counter[tuple[str, str]]:
    """How often each tag follows each other one; a sentence begins and ends with O."""
    if separator is not None:
        return _count_layered_steps(tagged, separator=separator)
    n_tags = len(tagged.tags)
    names = (*tagged.tags, labels.OUTSIDE)
    counts = np.zeros((n_tags + 1) ** 2, dtype=np.int64)
    for _, batch in tagged.batches():
        borders = np.insert(
            batch.codes.astype(np.int64), batch.starts, n_tags
        )  # a border before each sentence and at the end
        counts += np.bincount(borders[:-1] * (n_tags + 1) + borders[1:], minlength=len(counts))
    steps: Counter[tuple[str, str]] = Counter()
    for step in np.flatnonzero(counts).tolist():
        before, after = divmod(step, n_tags + 1)
        steps[names[before], names[after]] += int(counts[step])
    return steps


def _count_layered_steps(tagged: TaggedTable, *, separator: str) -> Counter[tuple[str, str]]:
    """The same where a word has several tags: each entity type is a sequence of its own."""
    steps: Counter[tuple[str, str]] = Counter()
    reader = _MultiTags(tagged.tags, TagReading("iob2", is_bare=False, separator=separator))
    for _, batch in tagged.batches():
        for begin, end in zip(batch.starts[:-1].tolist(), batch.starts[1:].tolist(), strict=True):
            for layer in reader.layers(batch.codes[begin:end].tolist()).values():
                steps.update(zip([labels.OUTSIDE, *layer], [*layer, labels.OUTSIDE], strict=True))
    return steps


def _read_batch(
    part: Any, batch: TagBatch, *, reader: _SingleTags | _MultiTags, notices: Notices
) -> Iterator[list[Span]]:
    codes, starts = batch.codes.tolist(), batch.starts.tolist()
    inside = np.concatenate([[0], np.cumsum(np.isin(batch.codes, reader.outside, invert=True))])
    has_entity = inside[batch.starts[1:]] > inside[batch.starts[:-1]]
    for row, found in enumerate(has_entity.tolist()):
        if not found:
            yield []
            continue
        spans, repaired = reader.read(codes[starts[row] : starts[row + 1]])
        for word, detail in repaired:
            line = int(batch.lines[min(starts[row] + word, starts[row + 1] - 1)])
            notices.add("repaired-tags", Where(Path(part["path"][row].as_py()), line), detail)
        yield spans


class _SingleTags:
    """Tag numbers of a sentence -> its entities, and where the scheme was broken."""

    def __init__(self, tags: Sequence[str], how: TagReading) -> None:
        self._raw = tags
        self._tags = labels.normalise(tags, bare=how.is_bare)
        self._scheme = how.scheme
        self.outside = [number for number, tag in enumerate(self._tags) if tag == labels.OUTSIDE]

    def read(self, codes: Sequence[int]) -> tuple[list[Span], list[tuple[int, str]]]:
        tags = [self._tags[code] for code in codes]
        broken = labels.illegal_steps(tags, scheme=self._scheme)
        return labels.tags_to_spans(tags), [(word, _step(tags, word)) for word in broken]


class _MultiTags:
    """The same where a word has several tags: the entities of each type are read by themselves."""

    def __init__(self, tags: Sequence[str], how: TagReading) -> None:
        self._scheme = how.scheme
        self._tags = [self._by_type(labels.normalise(_parts(tag, how.separator), bare=how.is_bare)) for tag in tags]
        self.outside = [number for number, by_type in enumerate(self._tags) if not by_type]

    def read(self, codes: Sequence[int]) -> tuple[list[Span], list[tuple[int, str]]]:
        spans: list[Span] = []
        broken: list[tuple[int, str]] = []
        for layer in self.layers(codes).values():
            spans += labels.tags_to_spans(layer)
            broken += [(word, _step(layer, word)) for word in labels.illegal_steps(layer, scheme=self._scheme)]
        return sorted(spans, key=lambda span: (span.start, span.end, span.label)), sorted(broken)

    def layers(self, codes: Sequence[int]) -> Mapping[str, list[str]]:
        """The tags of each entity type that the sentence has, O elsewhere."""
        types = dict.fromkeys(label for code in codes for label in self._tags[code])
        return {label: [self._tags[code].get(label, labels.OUTSIDE) for code in codes] for label in types}

    @staticmethod
    def _by_type(tags: Sequence[str]) -> dict[str, str]:
        return {labels.split_tag(tag)[1]: tag for tag in tags if tag != labels.OUTSIDE}


def _step(tags: Sequence[str], word: int) -> str:
    """`O → I-PER`: the step into this word; the end of the sentence is a word, too."""
    before = tags[word - 1] if word else "the beginning"
    return f"{before} → {tags[word] if word < len(tags) else 'the end'}"
