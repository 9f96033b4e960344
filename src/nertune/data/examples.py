"""Examples, spans and corpora: annotated text as plain, frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nertune.data.notices import Notices
from nertune.errors import Where

Task = Literal["token", "sequence"]
Problem = Literal["single_label", "multi_label"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One entity: words `start` (included) to `end` (excluded) of its sentence."""

    label: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TokenExample:
    """One sentence with its entities.

    spans     in the order of their words; those of one type never overlap, those of two types only where the words
              carry several labels (`Problem` "multi_label")
    where     the line of its first word
    document  the name of the document it is a part of; None where the format knows none
    """

    words: tuple[str, ...]
    spans: tuple[Span, ...]
    where: Where
    document: str | None = None


@dataclass(frozen=True, slots=True)
class SequenceExample:
    """One text, or pair of texts, with its classes.

    labels  one class; of a multi-label text any number, sorted
    where   its (first) line
    pair    the second text of a pair
    """

    text: str
    labels: tuple[str, ...]
    where: Where
    pair: str | None = None
    document: str | None = None


Example = TokenExample | SequenceExample


@dataclass(frozen=True)
class Split:
    """The examples of one split and what reading them found.

    fingerprint  sha256 (hex) of the bytes of its file
    notices      what was repaired or noticed, by kind, with places
    """

    name: str
    examples: Sequence[Example]
    fingerprint: str
    notices: Notices = field(default_factory=Notices)


@dataclass(frozen=True)
class Corpus:
    """The splits that were asked for, and the labels of train (or of `data.labels`).

    labels   sorted: entity types for token tasks, classes for sequence tasks
    scheme   the tag scheme recognised on train (or given as `data.scheme`); None where there are no tags
    problem  whether one label or several stand on a word or text
    parts    which example of train's file became dev or test (`splitting.pack_parts`); None: all have their own files
    """

    task: Task
    splits: Mapping[str, Split]
    labels: tuple[str, ...]
    scheme: str | None = None
    format: str = "auto"
    problem: Problem = "single_label"
    parts: str | None = None
