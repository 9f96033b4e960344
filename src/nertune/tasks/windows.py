"""Windows of long sentences: cut at word borders, overlapping, each word at home in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

import numpy as np
from transformers import PreTrainedTokenizerBase

from nertune.errors import ModelError
from nertune.spec.study import TrainSpec

Typed = tuple[int, int]  # id and type of a piece
NO_LIMIT = 1_000_000  # tokenizers without a limit say 10^30


@dataclass(frozen=True, slots=True)
class Frame:
    """What the tokenizer puts around a sequence, and how long all of it may be.

    prefix, suffix  ids of special pieces, for example [CLS] and [SEP]
    length          most pieces of a window, special ones included
    overlap         pieces that neighbouring windows share, at most
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    length: int
    overlap: int

    @property
    def capacity(self) -> int:
        """Pieces of words in a window."""
        return self.length - len(self.prefix) - len(self.suffix)


@dataclass(frozen=True, slots=True)
class PairFrame:
    """What the tokenizer puts before, between and after the two texts of a pair, and how long all of it may be.

    before, between, after  (id, type) of special pieces, for example [CLS], [SEP] and [SEP]
    types                   of the pieces of the first and the second text; 0 where the tokenizer tells none
    length                  most pieces of a window, special ones included
    """

    before: tuple[Typed, ...]
    between: tuple[Typed, ...]
    after: tuple[Typed, ...]
    types: tuple[int, int]
    length: int

    @property
    def capacity(self) -> int:
        """Pieces of both texts in a window."""
        return self.length - len(self.before) - len(self.between) - len(self.after)

    def around(self, first: Sequence[int], second: Sequence[int]) -> tuple[list[int], list[int]]:
        """The ids of a window, and their types."""
        texts = [[(piece, kind) for piece in text] for text, kind in zip((first, second), self.types, strict=True)]
        typed = [*self.before, *texts[0], *self.between, *texts[1], *self.after]
        return [piece for piece, _ in typed], [kind for _, kind in typed]


@dataclass(frozen=True, slots=True)
class Window:
    """Words `start` to `end` (excluded) of a sentence, of which `homes` are predicted here."""

    start: int
    end: int
    homes: tuple[int, ...]


def find_frame(tokenizer: PreTrainedTokenizerBase, *, train: TrainSpec, position_limit: int | None) -> Frame:
    """The frame of every window: the least of what the study, the tokenizer and the model allow.

    Raises  ModelError when no piece fits
    """
    limits = [train.max_pieces, tokenizer.model_max_length, position_limit]
    length = min((limit for limit in limits if limit is not None and limit < NO_LIMIT), default=None)
    prefix, suffix = _special_pieces(tokenizer)
    if length is None:
        raise ModelError("neither tokenizer nor model says how long a text may be", fix="Say it: train.max_pieces: 512")
    capacity = length - len(prefix) - len(suffix)
    if capacity < 1:
        raise ModelError(f"windows of {length} pieces leave no room for words", fix="Set train.max_pieces to 128 or so")
    return Frame(prefix=prefix, suffix=suffix, length=length, overlap=min(train.overlap_pieces, capacity // 2))


def find_pair_frame(tokenizer: PreTrainedTokenizerBase, *, length: int) -> PairFrame:
    """The frame of a pair in a window of at most `length` pieces, seen on two texts of one letter.

    Raises  ModelError when no piece fits
    """
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = tokenizer("a", "a", add_special_tokens=True)
    ids = framed["input_ids"]
    types = framed.get("token_type_ids") or [0] * len(ids)
    first = _place(plain, ids)
    second = _place(plain, ids, start=first + len(plain))
    typed = list(zip(ids, types, strict=True))
    frame = PairFrame(
        before=tuple(typed[:first]),
        between=tuple(typed[first + len(plain) : second]),
        after=tuple(typed[second + len(plain) :]),
        types=(types[first], types[second]),
        length=length,
    )
    if frame.capacity < 1:
        raise ModelError(f"windows of {length} pieces leave no room for pairs", fix="Set train.max_pieces to 128 or so")
    return frame


def fit_pair(first: int, second: int, *, capacity: int) -> tuple[int, int]:
    """Pieces that are kept of two texts of so many pieces: the longer one is cut first, as transformers does it."""
    shorter, longer = sorted((first, second))
    longer = min(longer, max(shorter, capacity - shorter))
    if shorter + longer > capacity:
        shorter, longer = capacity // 2, capacity - capacity // 2
    return (shorter, longer) if first <= second else (longer, shorter)


def cut_windows(sizes: Sequence[int], *, capacity: int, overlap: int) -> list[Window]:
    """Windows over the words of one sentence; every word with a piece is at home in exactly one.

    Home is the window with most context on the word's poorer side; the earlier one on ties. A border of the sentence
    is no poor side: there is nothing more to see.

    sizes     pieces of each word, none above `capacity`
    capacity  pieces of words in a window
    overlap   pieces that neighbouring windows share, at most
    """
    if sum(sizes) <= capacity:  # nearly always
        return [Window(0, len(sizes), tuple(word for word, size in enumerate(sizes) if size))]
    before = [0, *accumulate(sizes)]
    bounds = _bounds(before, capacity=capacity, overlap=overlap)
    homes: list[list[int]] = [[] for _ in bounds]
    first = 0
    for word, size in enumerate(sizes):
        while bounds[first][1] <= word:
            first += 1
        if size:
            homes[_home(word, before=before, bounds=bounds, first=first)].append(word)
    return [Window(start, end, tuple(words)) for (start, end), words in zip(bounds, homes, strict=True)]


def _bounds(before: Sequence[int], *, capacity: int, overlap: int) -> list[tuple[int, int]]:
    """First and last word (excluded) of each window; `before[i]` is the number of pieces before word i."""
    n_words = len(before) - 1
    bounds = []
    start = 0
    while True:
        end = int(np.searchsorted(before, before[start] + capacity, side="right")) - 1
        bounds.append((start, end))
        if end >= n_words:
            return bounds
        reach = min(overlap, capacity - (before[end + 1] - before[end]))  # the next word must fit behind what is shared
        start = max(start + 1, int(np.searchsorted(before, before[end] - reach, side="left")))


def _home(word: int, *, before: Sequence[int], bounds: Sequence[tuple[int, int]], first: int) -> int:
    best, most = first, -inf
    for index in range(first, len(bounds)):
        start, end = bounds[index]
        if start > word:
            break
        left = before[word] - before[start] if start else inf
        right = before[end] - before[word + 1] if end < len(before) - 1 else inf
        if min(left, right) > most:
            best, most = index, min(left, right)
    return best


def _special_pieces(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids before and after a sequence, seen on a text of one letter."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    framed = tokenizer("a", add_special_tokens=True)["input_ids"]
    at = _place(plain, framed)
    return tuple(framed[:at]), tuple(framed[at + len(plain) :])


def _place(plain: list[int], framed: list[int], *, start: int = 0) -> int:
    return next(i for i in range(start, len(framed)) if framed[i : i + len(plain)] == plain)
