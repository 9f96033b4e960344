"""Encoded splits: what training and scoring need of a split, as flat arrays that can lie in a mapped file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nertune.data.examples import Example, Problem, Span, Task, TokenExample

Ints = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class LabelSets:
    """The different sets of labels that the texts of a multi-label split have.

    Shapes   S sets, K labels in all of them
        labels  [K]    int32  label ids, set after set, rising in each
        starts  [S+1]  int64  set s has labels[starts[s]:starts[s + 1]]
    """

    labels: Ints
    starts: Ints

    def names(self, labels: Sequence[str]) -> list[tuple[str, ...]]:
        """The labels of each set by name."""
        return [tuple(labels[i] for i in self.labels[start:end]) for start, end in pairwise(self.starts)]

    def rows(self, numbers: Ints, *, n_labels: int) -> npt.NDArray[np.float32]:
        """1 where the set of this number has the label, else 0: [len(numbers), n_labels] float32."""
        counts = self.starts[numbers + 1] - self.starts[numbers]
        rows = np.zeros((len(numbers), n_labels), dtype=np.float32)
        rows[np.repeat(np.arange(len(numbers)), counts), self.labels[ranges(self.starts[numbers], counts)]] = 1
        return rows


class SetNumbers:
    """Numbers sets of label ids, in the order they are met."""

    def __init__(self) -> None:
        self._sets: dict[tuple[int, ...], int] = {}

    def number_of(self, ids: Iterable[int]) -> int:
        return self._sets.setdefault(tuple(sorted(set(ids))), len(self._sets))

    def label_sets(self) -> LabelSets:
        """The sets behind the numbers."""
        starts = np.cumsum([0, *map(len, self._sets)], dtype=np.int64)
        return LabelSets(np.array([*chain.from_iterable(self._sets)], dtype=np.int32), starts)


@dataclass(frozen=True)
class HeadLabels:
    """What one head learns, as encoding needs to know it.

    name   of the head; "" for the only one
    kinds  entity types or classes
    names  of the label ids: tags, or the classes themselves
    """

    name: str
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    problem: Problem


@dataclass(frozen=True, eq=False)
class Gold:
    """The gold of all items at home, for one head: `Windows.targets` and `label_sets`."""

    targets: Ints
    label_sets: LabelSets | None


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
        sizes         [H]    int32   pieces that the item has there: those of the word; 1 for a text
        targets       [H]    int32   gold label id, IGNORED where gold is no known label; or number in `label_sets`
        home_starts   [W+1]  int64   window w has items[home_starts[w]:home_starts[w + 1]]
        types         [P]    int8    which text of a pair a piece is of, as the tokenizer tells it; None: 0 everywhere
    label_sets  what `targets` number in a multi-label split; None in the others
    """

    pieces: Ints
    piece_starts: Ints
    example: Ints
    items: Ints
    places: Ints
    sizes: Ints
    targets: Ints
    home_starts: Ints
    types: Ints | None = None
    label_sets: LabelSets | None = None

    def __len__(self) -> int:
        return len(self.example)

    @cached_property
    def lengths(self) -> Ints:
        """Pieces of each window, [W] int64."""
        return np.diff(self.piece_starts)

    @cached_property
    def begins(self) -> npt.NDArray[np.bool_]:
        """Whether a window is its example's first, [W]."""
        return np.concatenate([[True], self.example[1:] != self.example[:-1]])[: len(self)]

    @cached_property
    def ends(self) -> npt.NDArray[np.bool_]:
        """Whether a window is its example's last, [W]."""
        return np.concatenate([self.example[1:] != self.example[:-1], [True]])[-len(self) or 1 :]


@dataclass(frozen=True, eq=False)
class States:
    """What the lowest layers of an encoder give for every piece of a split.

    Shapes   P pieces, D features, W windows
        values  [P, D]  float32
        starts  [W]     int64    where the pieces of each window begin
    """

    values: npt.NDArray[np.float32]
    starts: Ints

    def of(self, windows: Ints) -> States:
        """Of a part of the split: these windows."""
        return replace(self, starts=self.starts[windows])


@dataclass(frozen=True, eq=False)
class EncodedSplit:
    """A split ready for training and scoring. The examples are read from the file only when asked for.

    folder   where it lies: all that a worker process needs to open it
    labels   names of the label ids: tags in the scheme that is learned, or classes
    kinds    entity types or classes that a head of several learns; None for the only head, which learns all
    n_words  [N] int32   words of each example; 1 for a text
    pad_id   fills windows up to the longest of their batch
    counts   what encoding did that a user wants to know, by kind
    origin   [W] int64   of a part of the split in `folder`: the number that each window has there; None: it is whole
    states   what the model is given instead of pieces where its lowest layers are left out; None: pieces
    heads    of several heads: the same windows with the labels and targets of each; this split's own targets then only
             say whether there is gold for any
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
    kinds: tuple[str, ...] | None = None
    origin: Ints | None = None
    states: States | None = None
    heads: Mapping[str, EncodedSplit] = field(default_factory=dict)

    @property
    def views(self) -> Mapping[str, EncodedSplit]:
        """The split as each head sees it, by its name; the only head's is "" and sees the split itself."""
        return self.heads or {"": self}

    @property
    def n_examples(self) -> int:
        return len(self.n_words)

    @cached_property
    def examples(self) -> Sequence[Example]:
        """The examples as they were read, in their order, each with its place in the file."""
        return self.load_examples()

    @cached_property
    def gold_spans(self) -> list[tuple[Span, ...]]:
        """The entities of each sentence (token tasks); of a head of several, those of its types."""
        every = [example.spans for example in self.examples if isinstance(example, TokenExample)]
        return every if self.kinds is None else [spans_of(spans, kinds=self.kinds) for spans in every]

    @property
    def problem(self) -> Problem:
        return "single_label" if self.windows.label_sets is None else "multi_label"

    @cached_property
    def gold_classes(self) -> list[tuple[str, ...]]:
        """The classes of each text (sequence tasks): one, or those of its set."""
        sets = self.windows.label_sets
        names = [(label,) for label in self.labels] if sets is None else sets.names(self.labels)
        return [names[target] for target in self.windows.targets[np.argsort(self.windows.items)]]


def spans_of(spans: Sequence[Span], *, kinds: Sequence[str]) -> tuple[Span, ...]:
    """The entities of these types."""
    return tuple(span for span in spans if span.label in kinds)


def ranges(starts: Ints, counts: Ints) -> Ints:
    """start, start + 1, … of each range, one after the other."""
    ends = np.cumsum(counts)
    numbers: Ints = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
    return numbers
