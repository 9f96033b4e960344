"""What is worth knowing about a corpus before it is trained on: sizes, label counts, and findings with their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from nertune.data.corpus import UNKNOWN_TYPES
from nertune.data.examples import Corpus, Example, Split, TokenExample
from nertune.data.labels import labels_of
from nertune.errors import Where

SHOWN_PLACES = 5


@dataclass(frozen=True)
class SplitSummary:
    """Sizes of one split.

    words   of the file for token tasks, parted by white space for sequence tasks
    labels  entities or texts for each label, those of the corpus first, each at least as 0
    counts  what reading repaired or noticed, by kind
    """

    name: str
    path: str
    examples: int
    words: int
    labels: Mapping[str, int]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Finding:
    """Something suspicious: how often, and the first places as `file:line`."""

    kind: str
    message: str
    count: int
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.message}: {', '.join(self.places)}" if self.places else self.message


@dataclass(frozen=True)
class Summary:
    """A corpus in numbers."""

    task: str
    format: str
    scheme: str | None
    splits: tuple[SplitSummary, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summarise(corpus: Corpus) -> Summary:
    """Sizes of each split, and findings in order of weight: leakage, unknown labels, repairs, missing labels."""
    splits = tuple(_summarise_split(split, labels=corpus.labels) for split in corpus.splits.values())
    findings = (
        *_find_leakage(corpus),
        *_find_unknown(corpus),
        *_find_noticed(corpus),
        *_find_missing(splits, corpus=corpus),
    )
    return Summary(corpus.task, corpus.format, corpus.scheme, splits, findings)


def _summarise_split(split: Split, *, labels: tuple[str, ...]) -> SplitSummary:
    counts = labels_of(split.examples)
    shown = {label: counts[label] for label in (*labels, *sorted(set(counts) - set(labels)))}
    n_words = sum(len(_words(example)) for example in split.examples)
    return SplitSummary(split.name, _file_of(split), len(split.examples), n_words, shown, dict(split.counts))


def _words(example: Example) -> tuple[str, ...] | list[str]:
    return example.words if isinstance(example, TokenExample) else example.text.split()


def _file_of(split: Split) -> str:
    return str(Where(split.examples[0].where.path))


def _find_leakage(corpus: Corpus) -> Iterator[Finding]:
    """Examples of a later split whose text also stands, letter for letter, in an earlier one."""
    for earlier, later in combinations(corpus.splits.values(), 2):
        first_places: dict[object, Where] = {}
        for example in earlier.examples:
            first_places.setdefault(_text_of(example), example.where)
        pairs = [
            (example.where, first_places[_text_of(example)])
            for example in later.examples
            if _text_of(example) in first_places
        ]
        if pairs:
            places = tuple(f"{there} = {here}" for there, here in pairs[:SHOWN_PLACES])
            what = "sentences" if corpus.task == "token" else "texts"
            share = f"{len(pairs)} of the {len(later.examples)} {what} of {later.name}"
            yield Finding("leakage", f"{share} also stand in {earlier.name}", len(pairs), places)


def _text_of(example: Example) -> object:
    return example.words if isinstance(example, TokenExample) else example.text.strip()


def _find_unknown(corpus: Corpus) -> Iterator[Finding]:
    for split in corpus.splits.values():
        unknown = [example for example in split.examples if set(labels_of([example])) - set(corpus.labels)]
        if unknown:
            counts = labels_of(split.examples)
            types = ", ".join(f"{label} {counts[label]}" for label in sorted(set(counts) - set(corpus.labels)))
            n = split.counts[UNKNOWN_TYPES]
            message = f"{n} entities of {split.name} have a type that train lacks ({types}); they count as missed"
            yield Finding("unknown labels", message, n, tuple(str(example.where) for example in unknown[:SHOWN_PLACES]))


def _find_noticed(corpus: Corpus) -> Iterator[Finding]:
    for split in corpus.splits.values():
        for kind, n in split.counts.items():
            if kind != UNKNOWN_TYPES:
                yield Finding(kind, f"{n} {kind} in {split.name} ({_file_of(split)})", n)


def _find_missing(splits: tuple[SplitSummary, ...], *, corpus: Corpus) -> Iterator[Finding]:
    for split in splits:
        missing = [label for label in corpus.labels if not split.labels[label]]
        if missing:
            yield Finding("missing labels", f"{split.name} has no example of {', '.join(missing)}", len(missing))
