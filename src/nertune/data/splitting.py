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

from nertune.data.examples import Example, SequenceExample, TokenExample
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
    order = _drawing_order(groups, split=split, is_strict=isinstance(next(iter(examples), None), SequenceExample))
    parts = np.zeros(len(examples), dtype=np.uint8)
    n_before, filled, place = 0.0, 0, 0
    for name in drawn:
        n_before += getattr(split, name) * len(examples)
        while place < len(order) and filled + len(groups[order[place]].rows) / 2 <= n_before:
            parts[groups[order[place]].rows] = PARTS.index(name)
            filled += len(groups[order[place]].rows)
            place += 1
    return parts


def _drawing_order(groups: Sequence[Group], *, split: SplitSpec, is_strict: bool) -> list[int]:
    """The numbers of the groups in the order in which they leave train.

    Stratified, those come last without which train would lack a label; or never, if that would be an error (classes).
    """
    counts = Counter(label for group in groups for label in group.labels)
    strata = [_rarest(group.labels, counts=counts) if split.stratify else None for group in groups]
    order: list[int] = _order(strata, seed=split.seed).tolist()
    kept = _kept(groups, order=order) if split.stratify else set()
    first = [number for number in order if number not in kept]
    return first if is_strict else first + [number for number in order if number in kept]


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


def _groups(examples: Iterable[Example], *, by: Literal["document", "sentence"]) -> Iterator[Group]:
    """Examples of one document (and of those equal to it), or of one text, in the order of their first."""
    keys: list[str | int] = []
    labels: list[tuple[str, ...]] = []
    contents: dict[str, int] = {}
    for example in examples:
        content = _hash_words(example)
        is_part = by == "document" and example.document is not None
        if is_part:
            contents[str(example.document)] = hash((contents.get(str(example.document)), content))
        keys.append(str(example.document) if is_part else content)
        labels.append(tuple(labels_of([example])))
    groups: dict[int, Group] = {}
    for row, (key, own) in enumerate(zip(keys, labels, strict=True)):
        group = groups.setdefault(contents[key] if isinstance(key, str) else key, Group([], set()))
        group.rows.append(row)
        group.labels.update(own)
    yield from groups.values()


def _hash_words(example: Example) -> int:
    """Equal for equal texts, whatever white space is between their words."""
    if isinstance(example, TokenExample):
        return hash(example.words)
    return hash((tuple(example.text.split()), None if example.pair is None else tuple(example.pair.split())))


def _kept(groups: Sequence[Group], *, order: Sequence[int]) -> set[int]:
    """The last groups of an order that together have all labels: they stay in train."""
    missing = set().union(*(group.labels for group in groups))
    kept: set[int] = set()
    for number in reversed(order):
        if not missing:
            break
        if not missing.isdisjoint(groups[number].labels):
            kept.add(number)
            missing -= groups[number].labels
    return kept


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
