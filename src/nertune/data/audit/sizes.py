"""The sizes of each split: examples, words, entities, labels, documents, files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nertune.data.examples import Example, Split, TokenExample
from nertune.errors import shown_path


@dataclass(frozen=True)
class SplitSummary:
    """Sizes of one split.

    path       its file, or the folder that holds all its files
    documents  None where the format knows none
    words      of the file for token tasks, parted by white space for sequence tasks
    longest    words of the longest example
    entities   None for sequence tasks
    unlabelled examples without an entity or class
    labels     entities or texts for each label, those of the corpus first, each at least as 0
    counts     what reading noticed, by kind
    """

    name: str
    path: str
    files: int
    examples: int
    documents: int | None
    words: int
    longest: int
    entities: int | None
    unlabelled: int
    labels: Mapping[str, int]
    counts: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Sizes:
    """The sizes of one split, counted as its examples go by."""

    examples: int = 0
    words: int = 0
    longest: int = 0
    unlabelled: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    documents: set[str] = field(default_factory=set)
    paths: dict[Path, None] = field(default_factory=dict)

    def look(self, example: Example) -> None:
        n_words = len(words_of(example))
        found = labels_in(example)
        self.examples += 1
        self.words += n_words
        self.longest = max(self.longest, n_words)
        self.unlabelled += not found
        self.labels.update(found)
        self.paths[example.where.path] = None
        if example.document is not None:
            self.documents.add(example.document)

    def summary(self, split: Split, *, labels: Sequence[str]) -> SplitSummary:
        is_token = bool(self.examples) and isinstance(split.examples[0], TokenExample)
        return SplitSummary(
            name=split.name,
            path=_shared_path([*self.paths]),
            files=len(self.paths),
            examples=self.examples,
            documents=len(self.documents) or None,
            words=self.words,
            longest=self.longest,
            entities=self.labels.total() if is_token else None,
            unlabelled=self.unlabelled,
            labels={label: self.labels[label] for label in (*labels, *sorted(set(self.labels) - set(labels)))},
            counts=dict(split.notices.counts),
        )


def words_of(example: Example) -> Sequence[str]:
    """The words of a sentence; of a text, and of its pair, what stands between white space."""
    if isinstance(example, TokenExample):
        return example.words
    return example.text.split() if example.pair is None else [*example.text.split(), *example.pair.split()]


def labels_in(example: Example) -> list[str]:
    """The label of each entity, or the classes."""
    return [span.label for span in example.spans] if isinstance(example, TokenExample) else list(example.labels)


def _shared_path(paths: Sequence[Path]) -> str:
    """The file, or the folder that all files lie in, as short as it can be."""
    if not paths:
        return ""
    if len(paths) == 1:
        return shown_path(paths[0])
    try:
        return shown_path(Path(os.path.commonpath(paths)))
    except ValueError:  # some absolute, some not
        return shown_path(paths[0].parent)
