"""Dev and test taken out of train, folds, and nested samples of train: the same for equal data and seed."""

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
from nertune.errors import DataError
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


def draw_folds(examples: Sequence[Example], *, n_folds: int, split: SplitSpec) -> Ints:
    """The fold (from 0) of each example, [N] int64.

    Whole groups are dealt out: those of the rarest stratum first, of each stratum the largest first, each group to the
    fold that has least of its stratum, then least of all. Where a group is a single example, folds differ by one
    example at most, in all and of each stratum.

    split   its seed, what stays together, and whether labels are kept alike; its shares do not count
    Raises  DataError if there are fewer groups than folds
    Source  the rarest first: Sechidis et al. 2011, "On the Stratification of Multi-label Data"
    """
    groups = list(_groups(examples, by=split.by))
    if len(groups) < n_folds:
        raise _too_few_groups(len(groups), n_folds=n_folds, what=_kept_together(examples, by=split.by))
    strata = _strata(groups, stratify=split.stratify)
    sizes = np.zeros(n_folds, dtype=np.int64)
    sizes_of: dict[str | None, Ints] = {stratum: np.zeros(n_folds, dtype=np.int64) for stratum in strata}
    folds = np.empty(len(examples), dtype=np.int64)
    for number in _dealing_order(groups, strata=strata, seed=split.seed):
        rows, own = groups[number].rows, sizes_of[strata[number]]
        fold = int(np.lexsort((sizes, own))[0])
        folds[rows] = fold
        sizes[fold] += len(rows)
        own[fold] += len(rows)
    return folds


def _dealing_order(groups: Sequence[Group], *, strata: Sequence[str | None], seed: int) -> list[int]:
    """The numbers of the groups: the rarest stratum first, those without a label last, the largest of each first."""
    n_of: Counter[str | None] = Counter()
    for group, stratum in zip(groups, strata, strict=True):
        n_of[stratum] += len(group.rows)

    def place(number: int) -> tuple[bool, int, str, int, float]:
        stratum, size = strata[number], len(groups[number].rows)
        return stratum is None, n_of[stratum], stratum or "", -size, _draw(seed, "fold", number)

    return sorted(range(len(groups)), key=place)


def _kept_together(examples: Iterable[Example], *, by: Literal["document", "sentence"]) -> str:
    has_documents = by == "document" and any(example.document is not None for example in examples)
    return "documents" if has_documents else "different texts"


def _too_few_groups(n_groups: int, *, n_folds: int, what: str) -> DataError:
    return DataError(
        f"protocol.kfold asks for {n_folds} folds, but there are {n_groups} {what}",
        fix=f"protocol: {{kfold: {n_groups}}}" if n_groups > 1 else "protocol: holdout",
    )


def _drawing_order(groups: Sequence[Group], *, split: SplitSpec, is_strict: bool) -> list[int]:
    """The numbers of the groups in the order in which they leave train.

    Stratified, those come last without which train would lack a label; or never, if that would be an error (classes).
    """
    order: list[int] = _order(_strata(groups, stratify=split.stratify), seed=split.seed).tolist()
    kept = _kept(groups, order=order) if split.stratify else set()
    first = [number for number in order if number not in kept]
    return first if is_strict else first + [number for number in order if number in kept]


def _strata(groups: Sequence[Group], *, stratify: bool) -> list[str | None]:
    """The stratum of each group: the rarest of its labels."""
    counts = Counter(label for group in groups for label in group.labels)
    return [_rarest(group.labels, counts=counts) if stratify else None for group in groups]


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
