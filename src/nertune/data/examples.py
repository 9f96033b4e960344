"""Examples, spans and corpora: annotated text as plain, frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nertune.errors import Where

Task = Literal["token", "sequence"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One entity: words `start` (included) to `end` (excluded) of its sentence."""

    label: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TokenExample:
    """One sentence with its entities. `where` is the line of its first word."""

    words: tuple[str, ...]
    spans: tuple[Span, ...]
    where: Where


@dataclass(frozen=True, slots=True)
class SequenceExample:
    """One text with its class. `where` is its line."""

    text: str
    label: str
    where: Where


Example = TokenExample | SequenceExample


@dataclass(frozen=True)
class Split:
    """The examples of one split and what reading them found.

    fingerprint  sha256 (hex) of the file's bytes
    counts       what was repaired or noticed, by kind, for example {"repaired tags": 3}; shown by `check`
    """

    name: str
    examples: tuple[Example, ...]
    fingerprint: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """The splits that were asked for, and the labels of train (or of `data.labels`).

    labels  sorted: entity types for token tasks, classes for sequence tasks
    scheme  the tag scheme recognised on train (or given as `data.scheme`); None for sequence tasks
    """

    task: Task
    splits: Mapping[str, Split]
    labels: tuple[str, ...]
    scheme: str | None = None
    format: str = "auto"
