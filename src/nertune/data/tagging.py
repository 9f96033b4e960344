"""Raw tags of whole files -> entities: the scheme recognised once, on train, and every file read by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nertune.data import labels
from nertune.data.examples import Span
from nertune.data.multi_label import split_labels
from nertune.data.notices import Notices
from nertune.data.source import SEVERAL, Faults, quoted
from nertune.data.store import Examples, TagBatch, TaggedTable, store_tables, with_spans
from nertune.errors import DataError, Where

TAG_MARKS = ("|", ";", ",")


@dataclass(frozen=True)
class TagReading:
    """How the tags of a corpus are to be read.

    scheme     of the tags, see `labels.LEGAL_PAIRS`
    is_bare    the tags are types without prefixes (`PER PER O`)
    separator  stands between several tags of one word; None: a word has one tag
    """

    scheme: str
    is_bare: bool
    separator: str | None = None


def recognise_tags(tagged: TaggedTable, *, scheme: str | None, separator: str | None) -> TagReading:
    """How these tags are to be read; `scheme` and `separator` where the study file says them."""
    mark = separator or find_tag_separator(tagged.tags)
    steps = _count_steps(tagged, separator=mark)
    tags = {tag for step in steps for tag in step}
    is_bare = labels.has_bare_types(tags, scheme=scheme) and tags != {labels.OUTSIDE}
    return TagReading(scheme or labels.scheme_of_steps(steps), is_bare, mark)


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
    reader = _MultiTags(tagged.tags, how) if how.separator else _SingleTags(tagged.tags, how)
    parts = (
        with_spans(part, [*_read_batch(part, batch, reader=reader, notices=notices)])
        for part, batch in tagged.batches()
    )
    return store_tables(parts, task="token")


def tag_faults(tagged: TaggedTable, *, how: TagReading, faults: Faults) -> None:
    """Tags without a prefix in files whose tags have one."""
    if how.is_bare:
        return
    wrong = [number for number, tag in enumerate(tagged.tags) if any(map(_is_wrong, _parts(tag, how.separator)))]
    for part, batch in tagged.batches() if wrong else ():
        for word in np.flatnonzero(np.isin(batch.codes, wrong)).tolist():
            row = int(np.searchsorted(batch.starts, word, side="right")) - 1
            where = Where(Path(part["path"][row].as_py()), int(batch.lines[word]))
            text = part["words"][row][word - int(batch.starts[row])].as_py()
            faults.add(_wrong_tag(tagged.tags[batch.codes[word]], word=text, where=where))


def _is_wrong(tag: str) -> bool:
    return tag != labels.OUTSIDE and not labels.has_prefix(tag)


def _wrong_tag(tag: str, *, word: str, where: Where) -> DataError:
    return DataError(
        f"the tag {quoted(tag)} of {quoted(word)} is neither O nor a type with a prefix, such as B-PER",
        where=where,
        fix="Correct the tag, or say where word and tag stand, for example: data: {columns: {word: 0, tag: 1}}",
    )


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
