"""Encoded splits: what training and scoring need of a split, as flat arrays that can lie in a mapped file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nertune.data.examples import Example, SequenceExample, Span, Task, TokenExample

Ints = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Windows:
    """What the model sees: one window for a text or short sentence, several for a long sentence.

    An *item* is what gets a prediction: a word (token tasks), numbered through the whole split, or a text (sequence
    tasks). Each item is at home in at most one window; a word without a piece in none.

    Shapes   W windows, P pieces, H homes
        pieces        [P]    int32   ids, special pieces included, window after window
        piece_starts  [W+1]  int64   window w has pieces[piece_starts[w]:piece_starts[w + 1]]
        example       [W]    int32   the example that it is a part of
        items         [H]    int64   the items at home, window after window
        places        [H]    int32   where in its window an item is read: a word's first piece; 0 for a text
        targets       [H]    int32   gold label id; IGNORED where gold is no known label
        home_starts   [W+1]  int64   window w has items[home_starts[w]:home_starts[w + 1]]
    """

    pieces: Ints
    piece_starts: Ints
    example: Ints
    items: Ints
    places: Ints
    targets: Ints
    home_starts: Ints

    def __len__(self) -> int:
        return len(self.example)

    @cached_property
    def lengths(self) -> Ints:
        """Pieces of each window, [W] int64."""
        return np.diff(self.piece_starts)


@dataclass(frozen=True, eq=False)
class EncodedSplit:
    """A split ready for training and scoring. The examples are read from the file only when asked for.

    folder   where it lies: all that a worker process needs to open it
    labels   names of the label ids: tags in the scheme that is learned, or classes
    n_words  [N] int32   words of each example; 1 for a text
    pad_id   fills windows up to the longest of their batch
    counts   what encoding did that a user wants to know, by kind
    """

    folder: Path
    task: Task
    name: str
    labels: tuple[str, ...]
    windows: Windows
    n_words: Ints
    pad_id: int
    counts: Mapping[str, int]
    load_examples: Callable[[], Sequence[Example]]

    @property
    def n_examples(self) -> int:
        return len(self.n_words)

    @cached_property
    def examples(self) -> Sequence[Example]:
        """The examples as they were read, in their order, each with its place in the file."""
        return self.load_examples()

    @cached_property
    def gold_spans(self) -> list[tuple[Span, ...]]:
        """The entities of each sentence (token tasks)."""
        return [example.spans for example in self.examples if isinstance(example, TokenExample)]

    @cached_property
    def gold_classes(self) -> list[str]:
        """The class of each text (sequence tasks)."""
        return [example.label for example in self.examples if isinstance(example, SequenceExample)]
