"""A part of an encoded split: what `data.size` leaves of train, or a fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nertune.data.splitting import nested_ranks, sample_size
from nertune.data.store import as_stored
from nertune.tasks.encoded import EncodedSplit, Ints, Windows, ranges


def sample(encoded: EncodedSplit, *, percent: float, seed: int) -> EncodedSplit:
    """The examples of a nested sample in their order, as a split of its own: 10 percent of it are in 20 percent."""
    size = sample_size(encoded.n_examples, percent=percent)
    ranks = nested_ranks(encoded.examples, seed=seed)
    rows = np.flatnonzero(ranks < size)
    return choose(encoded, rows=rows)


def choose(encoded: EncodedSplit, *, rows: Ints) -> EncodedSplit:
    """The examples of these numbers (rising), as a split of its own."""
    examples = as_stored(encoded.examples, task=encoded.task)
    windows, kept = _of_examples(encoded, rows=rows)
    return replace(
        encoded,
        windows=windows,
        origin=kept if encoded.origin is None else encoded.origin[kept],
        n_words=encoded.n_words[rows],
        load_examples=lambda: examples.take(rows),
        heads={name: choose(view, rows=rows) for name, view in encoded.heads.items()},
    )


def _of_examples(encoded: EncodedSplit, *, rows: Ints) -> tuple[Windows, Ints]:
    """The windows of these examples, with examples and items numbered anew; and the numbers that they had."""
    windows = encoded.windows
    new_number = np.full(encoded.n_examples, -1, dtype=np.int32)
    new_number[rows] = np.arange(len(rows), dtype=np.int32)
    kept = np.flatnonzero(new_number[windows.example] >= 0)
    pieces, piece_starts = _rows_of(windows.piece_starts, kept)
    homes, home_starts = _rows_of(windows.home_starts, kept)
    chosen = Windows(
        pieces=windows.pieces[pieces],
        piece_starts=piece_starts,
        example=new_number[windows.example[kept]],
        items=_new_items(encoded, rows=rows)[windows.items[homes]],
        places=windows.places[homes],
        sizes=windows.sizes[homes],
        targets=windows.targets[homes],
        home_starts=home_starts,
        types=None if windows.types is None else windows.types[pieces],
        label_sets=windows.label_sets,
    )
    return chosen, kept


def _rows_of(starts: Ints, kept: Ints) -> tuple[Ints, Ints]:
    """Where the values of these rows stand in the flat array, and where each row's will begin."""
    counts = starts[kept + 1] - starts[kept]
    places = ranges(starts[kept], counts) if len(kept) else np.empty(0, np.int64)
    return places, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _new_items(encoded: EncodedSplit, *, rows: Ints) -> Ints:
    """The new number of every item of the whole split; of those left out, -1."""
    firsts = np.concatenate([[0], np.cumsum(encoded.n_words)])
    items = ranges(firsts[rows], encoded.n_words[rows])
    numbers = np.full(int(firsts[-1]), -1, dtype=np.int64)
    numbers[items] = np.arange(len(items))
    return numbers
