"""Dev and test taken out of train, and nested samples of train: drawn once, the same for equal data and seed."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nertune.data.examples import Example, TokenExample
from nertune.data.labels import labels_of
from nertune.spec.study import SplitSpec

PARTS = ("train", "dev", "test")  # the order of the numbers in an assignment
Ints = npt.NDArray[np.int64]
Parts = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Group:
    """Examples that stay together. `labels` are theirs."""

    rows: list[int]
    labels: set[str]


def draw_parts(examples: Sequence[Example], *, split: SplitSpec, drawn: Sequence[str]) -> Parts:
    """The part (an index of PARTS) of each example, [N] uint8.

    Parts are filled with whole groups up to the share that was asked for, so that they can miss it by a group's half.

    drawn  the parts that are taken out: those that have no file
    """
    groups = list(_groups(examples, by=split.by))
    counts = Counter(label for group in groups for label in group.labels)
    strata = [_rarest(group.labels, counts=counts) if split.stratify else None for group in groups]
    order = _order(strata, seed=split.seed)
    parts = np.zeros(len(examples), dtype=np.uint8)
    n_before, filled = 0.0, 0
    place = 0
    for name in drawn:
        n_before += getattr(split, name) * len(examples)
        while place < len(order) and filled + len(groups[order[place]].rows) / 2 <= n_before:
            parts[groups[order[place]].rows] = PARTS.index(name)
            filled += len(groups[order[place]].rows)
            place += 1
    return parts


def nested_ranks(examples: Sequence[Example], *, seed: int) -> Ints:
    """The rank of each example, [N] int64: the examples of ranks below n are the sample of n.

    Samples are nested, and the labels of each are mixed as in the whole.
    """
    counts = labels_of(examples)
    strata = [_rarest(labels_of([example]), counts=counts) for example in examples]
    ranks = np.empty(len(examples), dtype=np.int64)
    ranks[_order(strata, seed=seed)] = np.arange(len(examples))
    return ranks


def sample_size(n_examples: int, *, percent: float) -> int:
    """Examples of a sample; one at least."""
    return max(1, round(n_examples * percent / 100))


def pack_parts(parts: Parts) -> str:
    """An assignment as text for the record: base64 of zlib of its bytes."""
    return base64.b64encode(zlib.compress(parts.tobytes(), level=9)).decode("ascii")


def unpack_parts(text: str) -> Parts:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)


def _groups(examples: Sequence[Example], *, by: Literal["document", "sentence"]) -> Iterator[Group]:
    """Examples of one document, or of one text, in the order of their first."""
    groups: dict[object, Group] = {}
    for row, example in enumerate(examples):
        key = _key(example, by=by)
        group = groups.setdefault(key, Group([], set()))
        group.rows.append(row)
        group.labels.update(labels_of([example]))
    yield from groups.values()


def _key(example: Example, *, by: Literal["document", "sentence"]) -> object:
    if by == "document" and example.document is not None:
        return example.document
    return hash(example.words if isinstance(example, TokenExample) else (example.text, example.pair)), None


def _rarest(labels: Iterable[str], *, counts: Mapping[str, int]) -> str | None:
    """The stratum: the label that fewest have; None without a label."""
    return min(labels, key=lambda label: (counts[label], label), default=None)


def _order(strata: Sequence[str | None], *, seed: int) -> Ints:
    """Numbers in an order of which every beginning has the strata mixed as in the whole, [len(strata)] int64.

    The members of a stratum are spread evenly; a stratum of one comes last, so that it stays in train.
    """
    members: dict[str | None, list[int]] = {}
    for number, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(number)
    positions = np.ones(len(strata))
    for stratum, numbers in members.items():
        if len(numbers) > 1:
            shuffled = sorted(numbers, key=lambda number: _draw(seed, number))
            positions[shuffled] = (np.arange(len(numbers)) + _draw(seed, stratum)) / len(numbers)
    ties = np.array([_draw(seed, "tie", number) for number in range(len(strata))])
    return np.lexsort((ties, positions))


def _draw(seed: int, *what: object) -> float:
    """A number in [0, 1) that follows from its arguments alone, in every version of every library."""
    digest = hashlib.blake2b(repr((seed, *what)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
