"""A corpus in numbers: lengths, labels, entities frequent and rare, and how much of dev and test is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from heapq import nsmallest
from itertools import combinations
from typing import Any, TypeVar

from nertune.data.examples import Corpus, SequenceExample, Split, TokenExample
from nertune.errors import Where

KEPT_FREQUENT = 20  # strings of a label, or sets of labels
KEPT_RARE = 10  # strings of a label that stand once

Mention = tuple[str, str]  # label and words
Texts = TypeVar("Texts", tuple[str, str], tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long some things are.

    median, p95, p99  the least length that half, 95 or 99 % of them do not exceed; None where there is none
    counts            (length, how many), ascending
    """

    n: int
    total: int
    mean: float | None
    shortest: int | None
    median: int | None
    p95: int | None
    p99: int | None
    longest: int | None
    counts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LabelStatistics:
    """One entity type or class in one split. What is of entities is None of classes.

    count      entities or texts
    share      of all entities, or of all texts
    examples   sentences or texts with it
    lengths    of its entities, in words
    distinct   entities with other words
    once       distinct entities that stand once (hapaxes)
    frequent   (words, how often), the most frequent first
    rare       (words, file:line) of the first ones that stand once
    """

    count: int
    share: float | None
    examples: int
    lengths: Lengths | None = None
    distinct: int | None = None
    once: int | None = None
    frequent: tuple[tuple[str, int], ...] = ()
    rare: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SplitStatistics:
    """One split in numbers.

    words             tokens; of texts what white space parts
    word_types        distinct words, upper and lower case apart
    documents         None where the format knows none
    unlabelled        sentences without an entity, or texts without a label
    lengths           of sentences or texts, in words
    pieces            the same in pieces of a tokenizer; None where it is not known
    characters        of texts; None of sentences
    labels_each       entities of a sentence, or labels of a text
    inside            words in an entity; None of texts
    labels            those of the corpus first, each at least as 0
    all_labels        of entities of all types taken together; None of texts
    label_sets        (labels joined by " + ", how often) of texts with several labels, the most frequent first
    together          of multi-label data: texts, or words, that have both labels; with itself: that have the label
    """

    name: str
    examples: int
    documents: int | None
    words: int
    word_types: int
    unlabelled: int
    lengths: Lengths
    pieces: Lengths | None
    characters: Lengths | None
    labels_each: Lengths
    inside: int | None
    labels: Mapping[str, LabelStatistics]
    all_labels: LabelStatistics | None
    label_sets: tuple[tuple[str, int], ...]
    together: Mapping[str, Mapping[str, int]] | None


@dataclass(frozen=True, slots=True)
class Part:
    """`n` of `of`."""

    n: int
    of: int


@dataclass(frozen=True, slots=True)
class Unseen:
    """What of a split does not stand in train. An entity is seen when the same words have the same type there.

    word_types, words   distinct words; all words
    distinct, mentions  distinct entities; all entities; None of texts
    labels              all entities of each type
    """

    split: str
    reference: str
    word_types: Part
    words: Part
    distinct: Part | None
    mentions: Part | None
    labels: Mapping[str, Part]


@dataclass(frozen=True)
class CorpusStatistics:
    """A corpus in numbers."""

    task: str
    problem: str
    format: str
    scheme: str | None
    splits: tuple[SplitStatistics, ...]
    unseen: tuple[Unseen, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe_corpus(corpus: Corpus, *, n_pieces: Mapping[str, Iterable[int]] | None = None) -> CorpusStatistics:
    """The numbers of every split, and what the others have that train (else the first split) lacks.

    n_pieces  for each split the pieces of every example, special ones included; splits may be missing
    Cost      one pass over the examples; memory grows with the distinct words and entities, not with the examples
    """
    counts = {name: _count(split, corpus=corpus) for name, split in corpus.splits.items()}
    pieces = {name: _lengths(Counter(map(int, told))) for name, told in (n_pieces or {}).items()}
    reference = "train" if "train" in counts else next(iter(counts))
    return CorpusStatistics(
        task=corpus.task,
        problem=corpus.problem,
        format=corpus.format,
        scheme=corpus.scheme,
        splits=tuple(_describe(found, labels=corpus.labels, pieces=pieces.get(name)) for name, found in counts.items()),
        unseen=tuple(_unseen(found, counts[reference]) for name, found in counts.items() if name != reference),
    )


# ---- counting


@dataclass
class _Counts:
    """What is counted while the examples of a split go by. `first` is the first place of each mention."""

    name: str
    is_token: bool
    is_multi: bool
    examples: int = 0
    documents: set[str] = field(default_factory=set)
    words: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    characters: Counter[int] = field(default_factory=Counter)
    labels_each: Counter[int] = field(default_factory=Counter)
    examples_with: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    mentions: Counter[Mention] = field(default_factory=Counter)
    first: dict[Mention, Where] = field(default_factory=dict)
    mention_lengths: dict[str, Counter[int]] = field(default_factory=dict)
    label_sets: Counter[tuple[str, ...]] = field(default_factory=Counter)
    together: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, words: list[str] | tuple[str, ...], *, labels: tuple[str, ...], document: str | None) -> None:
        """What sentences and texts share. `labels`: of each entity, or of the text."""
        self.examples += 1
        self.words.update(words)
        self.lengths[len(words)] += 1
        self.labels_each[len(labels)] += 1
        self.examples_with.update(set(labels))
        if document is not None:
            self.documents.add(document)

    def add_sentence(self, sentence: TokenExample) -> None:
        labels = tuple(span.label for span in sentence.spans)
        self.add(sentence.words, labels=labels, document=sentence.document)
        self.inside += len({word for span in sentence.spans for word in range(span.start, span.end)})
        for span in sentence.spans:
            mention = (span.label, " ".join(sentence.words[span.start : span.end]))
            self.mentions[mention] += 1
            self.first.setdefault(mention, sentence.where)
            self.mention_lengths.setdefault(span.label, Counter())[span.end - span.start] += 1
        if self.is_multi:
            for labels in _labels_of_words(sentence):
                self._add_together(labels)

    def add_text(self, text: SequenceExample) -> None:
        parts = [text.text] if text.pair is None else [text.text, text.pair]
        labels = tuple(sorted(set(text.labels)))
        self.add([word for part in parts for word in part.split()], labels=labels, document=text.document)
        self.characters[sum(map(len, parts))] += 1
        if self.is_multi:
            self.label_sets[labels] += 1
            self._add_together(labels)

    def _add_together(self, labels: tuple[str, ...]) -> None:
        self.together.update((label, label) for label in labels)
        for one, other in combinations(labels, 2):
            self.together[one, other] += 1
            self.together[other, one] += 1


def _count(split: Split, *, corpus: Corpus) -> _Counts:
    counts = _Counts(split.name, is_token=corpus.task == "token", is_multi=corpus.problem == "multi_label")
    for example in split.examples:
        if isinstance(example, TokenExample):
            counts.add_sentence(example)
        else:
            counts.add_text(example)
    return counts


def _labels_of_words(sentence: TokenExample) -> Iterator[tuple[str, ...]]:
    """The types of each word that has any, sorted."""
    found: dict[int, set[str]] = {}
    for span in sentence.spans:
        for word in range(span.start, span.end):
            found.setdefault(word, set()).add(span.label)
    yield from (tuple(sorted(labels)) for labels in found.values())


# ---- telling


def _describe(counts: _Counts, *, labels: tuple[str, ...], pieces: Lengths | None) -> SplitStatistics:
    shown = [*labels, *sorted(set(counts.examples_with) - set(labels))]
    mentions = _by_label(counts.mentions)
    return SplitStatistics(
        name=counts.name,
        examples=counts.examples,
        documents=len(counts.documents) or None,
        words=counts.words.total(),
        word_types=len(counts.words),
        unlabelled=counts.labels_each[0],
        lengths=_lengths(counts.lengths),
        pieces=pieces,
        characters=None if counts.is_token else _lengths(counts.characters),
        labels_each=_lengths(counts.labels_each),
        inside=counts.inside if counts.is_token else None,
        labels={label: _describe_label(label, counts, mentions=mentions.get(label, {})) for label in shown},
        all_labels=_describe_all(counts) if counts.is_token else None,
        label_sets=tuple((" + ".join(told), n) for told, n in _most_frequent(counts.label_sets)),
        together=_nested(counts.together, shown) if counts.is_multi else None,
    )


def _describe_label(label: str, counts: _Counts, *, mentions: Mapping[Mention, int]) -> LabelStatistics:
    n_examples = counts.examples_with[label]
    if not counts.is_token:
        return LabelStatistics(n_examples, _share(n_examples, counts.examples), n_examples)
    lengths = counts.mention_lengths.get(label, Counter())
    return _describe_mentions(mentions, lengths, counts=counts, n_examples=n_examples)


def _describe_all(counts: _Counts) -> LabelStatistics:
    """All types together; equal words of two types are two distinct entities."""
    lengths: Counter[int] = Counter()
    for found in counts.mention_lengths.values():
        lengths.update(found)
    n_examples = counts.examples - counts.labels_each[0]
    return _describe_mentions(counts.mentions, lengths, counts=counts, n_examples=n_examples)


def _describe_mentions(
    mentions: Mapping[Mention, int], lengths: Counter[int], *, counts: _Counts, n_examples: int
) -> LabelStatistics:
    total = sum(mentions.values())
    once = [mention for mention, n in mentions.items() if n == 1]
    return LabelStatistics(
        count=total,
        share=_share(total, counts.mentions.total()),
        examples=n_examples,
        lengths=_lengths(lengths),
        distinct=len(mentions),
        once=len(once),
        frequent=tuple((words, n) for (_, words), n in _most_frequent(mentions)),
        rare=tuple((mention[1], str(counts.first[mention])) for mention in once[:KEPT_RARE]),
    )


def _by_label(mentions: Mapping[Mention, int]) -> dict[str, dict[Mention, int]]:
    found: dict[str, dict[Mention, int]] = {}
    for mention, n in mentions.items():
        found.setdefault(mention[0], {})[mention] = n
    return found


def _most_frequent(counts: Mapping[Texts, int]) -> list[tuple[Texts, int]]:
    return nsmallest(KEPT_FREQUENT, counts.items(), key=lambda item: (-item[1], item[0]))


def _nested(pairs: Mapping[tuple[str, str], int], labels: Iterable[str]) -> dict[str, dict[str, int]]:
    names = list(labels)
    return {one: {other: pairs.get((one, other), 0) for other in names} for one in names}


def _share(n: int, total: int) -> float | None:
    return n / total if total else None


def _lengths(counts: Mapping[int, int]) -> Lengths:
    n = sum(counts.values())
    total = sum(length * times for length, times in counts.items())
    ordered = tuple(sorted(counts.items()))
    return Lengths(
        n=n,
        total=total,
        mean=_share(total, n),
        shortest=ordered[0][0] if ordered else None,
        median=_percentile(ordered, 50, n=n),
        p95=_percentile(ordered, 95, n=n),
        p99=_percentile(ordered, 99, n=n),
        longest=ordered[-1][0] if ordered else None,
        counts=ordered,
    )


def _percentile(ordered: Iterable[tuple[int, int]], percent: int, *, n: int) -> int | None:
    """The least length that this share of `n` things does not exceed."""
    seen = 0
    for length, times in ordered:
        seen += times
        if 100 * seen >= percent * n:
            return length
    return None


def _unseen(counts: _Counts, reference: _Counts) -> Unseen:
    new_words = {word: n for word, n in counts.words.items() if word not in reference.words}
    new = {mention: n for mention, n in counts.mentions.items() if mention not in reference.mentions}
    all_of, new_of = _by_label(counts.mentions), _by_label(new)
    return Unseen(
        split=counts.name,
        reference=reference.name,
        word_types=Part(len(new_words), len(counts.words)),
        words=Part(sum(new_words.values()), counts.words.total()),
        distinct=Part(len(new), len(counts.mentions)) if counts.is_token else None,
        mentions=Part(sum(new.values()), counts.mentions.total()) if counts.is_token else None,
        labels={
            label: Part(sum(new_of.get(label, {}).values()), sum(found.values()))
            for label, found in sorted(all_of.items())
        },
    )
