"""Findings: what is worth looking at in annotated data, how grave, how often, where, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nertune.data.audit.kinds import kind_of, weight_of
from nertune.data.examples import Corpus, Example, Split
from nertune.data.notices import KEPT_PLACES, Place, Severity
from nertune.data.source import quoted
from nertune.errors import Where, shown_path

RANK: dict[Severity, int] = {"error": 0, "warning": 1, "notice": 2}
SHOWN_PLACES = 3
RARE = 10  # examples of a label in train, below which its scores say little
LINE_PER_WORD = frozenset({"conll", "kaggle"})  # formats with a line for every word
LINES_BETWEEN = ("empty-words", "rows-between-words", "lost-tags")  # notices of lines in sentences that are no words


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    split   None: of the whole corpus
    count   occurrences, all of them
    places  of the first occurrences, in the order of the files or the clearest first
    advice  what to do, or to type
    """

    kind: str
    severity: Severity
    split: str | None
    count: int
    message: str
    places: tuple[Place, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        """The message, the first place with what stands there, and the next ones, in one line."""
        if not self.places:
            return self.message
        first, *others = self.places[:SHOWN_PLACES]
        next_ones = "; " + ", ".join(str(place.where) for place in others) if others else ""
        more = f" and {self.count - SHOWN_PLACES} more" if self.count > SHOWN_PLACES < len(self.places) else ""
        return f"{self.message} ({first}{next_ones}{more})"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "places": [place_json(place) for place in self.places]}


def place_json(place: Place) -> dict[str, Any]:
    """A place as plain data; the path is as short as it can be from here."""
    return {"path": shown_path(place.where.path), "line": place.where.line, "detail": place.detail}


def make_finding(
    kind: str,
    *,
    split: str | None,
    count: int,
    message: str,
    places: Iterable[Place] = (),
    severity: Severity | None = None,
) -> Finding:
    """A finding with the severity (if no other is given) and the advice of its kind."""
    known = kind_of(kind)
    return Finding(kind, severity or known.severity, split, count, message, tuple(places), known.advice)


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first, then by the weight of their kinds, then the most frequent."""
    return tuple(sorted(findings, key=lambda one: (RANK[one.severity], weight_of(one.kind), -one.count)))


def has_failed(findings: Iterable[Finding], *, strict: bool = False) -> bool:
    """Whether data with these findings should stop a script: an error does, `strict` makes warnings do."""
    return any(finding.severity == "error" or (strict and finding.severity == "warning") for finding in findings)


@dataclass(frozen=True)
class Scope:
    """What every check of an audit knows beforehand.

    splits      names in the order of the corpus
    reference   the split that is learned from: train, or the first
    by_line     splits with a line for every word
    limit       places kept of each kind and split; None: all
    rare_below  a label with fewer examples in the reference split is rare
    """

    splits: tuple[str, ...]
    reference: str
    is_token: bool = True
    by_line: frozenset[str] = frozenset()
    limit: int | None = KEPT_PLACES
    rare_below: int = RARE

    @property
    def examples(self) -> str:
        return "sentences" if self.is_token else "texts"

    def where(self, example: Example, position: int, *, split: str) -> Where:
        """The line of a word, where the format has a line for each; else that of the sentence."""
        where = example.where
        return Where(where.path, where.line + position) if split in self.by_line and where.line is not None else where

    def at(self, position: int, *, split: str) -> str:
        """` (word 3)`, where the line does not say it."""
        return "" if split in self.by_line else f" (word {position + 1})"

    def says(self, kind: str) -> str:
        words = "words" if self.is_token else "texts"
        return kind_of(kind).says.replace("{words}", words).replace("{examples}", self.examples)


def scope_of(corpus: Corpus, *, rare_below: int = RARE, limit: int | None = KEPT_PLACES) -> Scope:
    """The split that is learned from comes first: the others are held against it."""
    names = tuple(corpus.splits)
    reference = "train" if "train" in names else names[0] if names else ""
    return Scope(
        splits=tuple(sorted(names, key=lambda name: name != reference)),
        reference=reference,
        is_token=corpus.task == "token",
        by_line=frozenset(split.name for split in corpus.splits.values() if _is_by_line(split, corpus.format)),
        limit=limit,
        rare_below=rare_below,
    )


def _is_by_line(split: Split, form: str) -> bool:
    return form in LINE_PER_WORD and not any(split.notices.counts[kind] for kind in LINES_BETWEEN)


@dataclass
class Tally:
    """Occurrences of one kind in one split."""

    count: int = 0
    places: list[Place] = field(default_factory=list)


class Tallies:
    """Occurrences by kind and split, the places of the first ones kept."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tallies: dict[tuple[str, str], Tally] = {}

    def add(self, kind: str, *, split: str, where: Where, detail: str = "") -> None:
        tally = self._tallies.setdefault((kind, split), Tally())
        tally.count += 1
        if self._scope.limit is None or len(tally.places) < self._scope.limit:
            tally.places.append(Place(where, detail))

    def of(self, kind: str, *, split: str) -> Tally:
        return self._tallies.get((kind, split), Tally())

    def findings(self, *, without: Sequence[str] = ()) -> Iterator[Finding]:
        """A finding for each kind and split; `without` the kinds that say more by themselves."""
        for (kind, split), tally in self._tallies.items():
            if kind not in without:
                message = f"{split}: {counted(tally.count, self._scope.says(kind))}"
                yield make_finding(kind, split=split, count=tally.count, message=message, places=tally.places)


# Plural nouns and verbs of `Kind.says`, and what they are for one.
SINGULAR = {
    "annotations": "annotation",
    "documents": "document",
    "entities": "entity",
    "files": "file",
    "items": "item",
    "labels": "label",
    "lines": "line",
    "occurrences": "occurrence",
    "sentences": "sentence",
    "splits": "split",
    "tags": "tag",
    "texts": "text",
    "words": "word",
}
SINGULAR_VERBS = {"that are": "that is", "that were": "that was", "that have": "that has", "and were": "and was"}


def counted(n: int, says: str) -> str:
    """`3 words without a tag`, `1 word without a tag`."""
    if n == 1:
        says = re.sub(r"\b(" + "|".join(SINGULAR) + r")\b", lambda match: SINGULAR[match[0]], says, count=1)
        for plural, singular in SINGULAR_VERBS.items():
            says = says.replace(plural, singular)
    return f"{n} {says}"


def plain(name: str) -> str:
    """A label as messages write it: control characters escaped, a long one cut."""
    return quoted(name)[1:-1]


def percent(part: float, whole: float) -> str:
    """`2.4 %`; `0.03 %` where that would be 0."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f} %" if share >= 0.1 or not part else f"{share:.1g} %"
