"""Words that are annotated in one place and otherwise, or not at all, in another.

Each string of words that is an entity somewhere is looked for in all sentences. Where its occurrences do not agree, on
a label or on none, those that differ from most are told:

- an occurrence is without annotation where none of its words is in any entity; of two strings the longer one counts;
- of a string that is mostly annotated ("aspirin", 30 times DRUG and twice nothing), those without annotation, on a tie
  too, and those with a rarer label;
- of a string that is mostly not annotated ("the", once LOC), the annotated ones, if they are few: of many it must be
  assumed that the words mean two things;
- a capital at the beginning of a sentence makes no other word: "Aspirin" there is "aspirin".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from nertune.data.audit.findings import Finding, Scope, counted, make_finding, percent, plain
from nertune.data.examples import Example, TokenExample
from nertune.data.notices import Place, Severity
from nertune.data.source import quoted
from nertune.errors import Where

FEW = 5  # annotated occurrences of a string that may all be slips
MUCH = 0.02  # of a split's entities: more inconsistent ones are a warning

Words = tuple[str, ...]
Occurrence = tuple[str, Where, str]  # split, place, and which word it is where the place does not say so


@dataclass
class Usage:
    """How a string of words is annotated.

    labels    how often it has each label
    total     how often it has any
    annotated the first places where it has one
    bare      how often it has none
    forgotten where, while it is no more often without annotation than with one
    """

    labels: Counter[str] = field(default_factory=Counter)
    total: int = 0
    annotated: list[tuple[str, Occurrence]] = field(default_factory=list)
    bare: int = 0
    forgotten: list[Occurrence] = field(default_factory=list)

    @property
    def usual(self) -> str:
        """The most frequent label; the first of equals."""
        return max(self.labels, key=lambda label: self.labels[label])

    @property
    def is_mostly_bare(self) -> bool:
        return self.bare > self.total

    @property
    def size(self) -> int:
        return self.bare + self.total


class ConsistencyCheck:
    """First all annotated strings are collected, then all sentences are searched for them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._usages: dict[Words, Usage] = {}
        self._lengths: dict[str, list[int]] = {}  # first word of an annotated string -> numbers of words, falling
        self._entities: Counter[str] = Counter()
        self._relabelled: dict[str, list[tuple[Words, Place]]] = {}

    def look(self, example: Example, *, split: str) -> None:
        assert isinstance(example, TokenExample)
        for words, label, start in _entities(example):
            usage = self._usages.setdefault(words, Usage())
            usage.labels[label] += 1
            usage.total += 1
            self._entities[split] += 1
            if len(usage.annotated) < FEW:
                usage.annotated.append((label, self._occurrence(example, start, split=split)))

    def prepare(self) -> None:
        """The strings to search for, by their first words."""
        found: dict[str, set[int]] = {}
        for words in self._usages:
            if words:
                found.setdefault(words[0], set()).add(len(words))
        self._lengths = {first: sorted(lengths, reverse=True) for first, lengths in found.items()}

    def look_again(self, example: Example, *, split: str) -> None:
        assert isinstance(example, TokenExample)
        for words, label, start in _entities(example):
            usage = self._usages[words]
            if len(usage.labels) > 1 and label != usage.usual:
                _, where, at = self._occurrence(example, start, split=split)
                detail = f"{_quote(words)}{at} is {plain(label)} here, {_usually(usage)} elsewhere"
                self._relabelled.setdefault(split, []).append((words, Place(where, detail)))
        for words, start in self._unannotated(example):
            usage = self._usages[words]
            usage.bare += 1
            if not usage.is_mostly_bare:
                usage.forgotten.append(self._occurrence(example, start, split=split))

    def _occurrence(self, example: Example, start: int, *, split: str) -> Occurrence:
        return split, self._scope.where(example, start, split=split), self._scope.at(start, split=split)

    def findings(self) -> Iterator[Finding]:
        found = {split: [*self._relabelled.get(split, ())] for split in self._scope.splits}
        for words, usage in self._usages.items():
            for split, place in _disagreeing(words, usage):
                found[split].append((words, place))
        for split, places in found.items():
            if places:
                yield self._finding(split, places)

    def _finding(self, split: str, places: list[tuple[Words, Place]]) -> Finding:
        """The clearest cases first: those of the most frequent strings."""
        ordered = sorted(places, key=lambda one: (-self._usages[one[0]].size, one[0], one[1].where.line or 0))
        n_strings = len({words for words, _ in places})
        occurrences = counted(len(places), self._scope.says("inconsistent-annotation"))
        share = len(places) / (self._entities[split] or 1)
        strings = f"{n_strings} string{'s' * (n_strings != 1)}"
        message = f"{split}: {occurrences} ({strings}; {percent(share, 1)} of the entities)"
        shown = [place for _, place in ordered[: self._scope.limit]]
        severity: Severity = "warning" if share > MUCH else "notice"
        return make_finding(
            "inconsistent-annotation", split=split, count=len(places), message=message, places=shown, severity=severity
        )

    def _unannotated(self, example: TokenExample) -> Iterator[tuple[Words, int]]:
        """The strings that stand in a sentence outside of all entities, with their first position."""
        sentence, lengths = example.words, self._lengths
        inside = {position for span in example.spans for position in range(span.start, span.end)}
        free_from = 0  # behind the last string that was found
        for position, word in enumerate(sentence):
            if position >= free_from and position not in inside and (word in lengths or not position):
                found = self._string_at(sentence, position, inside=inside)
                if found:
                    yield found, position
                    free_from = position + len(found)

    def _string_at(self, sentence: Words, position: int, *, inside: Set[int]) -> Words:
        """The longest string that begins there and touches no entity; empty if there is none."""
        first = sentence[position]
        for word in (first,) if position else (first, _lowered(first)):
            for length in self._lengths.get(word, ()):
                words = (word, *sentence[position + 1 : position + length]) if length > 1 else (word,)
                if words in self._usages and (length == 1 or inside.isdisjoint(range(position, position + length))):
                    return words
        return ()


def _disagreeing(words: Words, usage: Usage) -> Iterator[tuple[str, Place]]:
    """The occurrences of a string without annotation where it mostly has one; else the annotated ones, if few."""
    if not usage.bare:
        return
    if not usage.is_mostly_bare:
        for split, where, at in usage.forgotten:
            yield split, Place(where, f"{_quote(words)}{at} has no annotation here, {_usually(usage)} elsewhere")
    elif usage.total <= FEW:
        for label, (split, where, at) in usage.annotated:
            if label == usage.usual:  # the others are told as relabelled
                detail = (
                    f"{_quote(words)}{at} is {plain(label)} here, without annotation {_times(usage.bare)} elsewhere"
                )
                yield split, Place(where, detail)


def _entities(example: TokenExample) -> Iterator[tuple[Words, str, int]]:
    """Words, label and start of each entity; one with several labels has them joined."""
    if len(example.spans) < 2:
        for span in example.spans:
            yield example.words[span.start : span.end], span.label, span.start
        return
    labels: dict[tuple[int, int], list[str]] = {}
    for span in example.spans:
        labels.setdefault((span.start, span.end), []).append(span.label)
    for (start, end), names in labels.items():
        yield example.words[start:end], "+".join(sorted(names)), start


def _lowered(word: str) -> str:
    """A word without the capital that a sentence's beginning gives it: `Aspirin`, not `ACE` or `pH`."""
    return word[:1].lower() + word[1:] if word[:1].isupper() and word[1:].islower() else word


def _quote(words: Sequence[str]) -> str:
    return quoted(" ".join(words))


def _usually(usage: Usage) -> str:
    """`DRUG 30 times`."""
    return f"{plain(usage.usual)} {_times(usage.labels[usage.usual])}"


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
