"""Texts that stand in the data again: within a split, in two splits, and with other labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt

from nertune.data.audit.findings import Finding, Scope, counted, make_finding, percent, plain
from nertune.data.audit.sizes import words_of
from nertune.data.duplicates import FEWEST_WORDS, TextPrints, find_repeated, form_hash, join_similar, letters_of
from nertune.data.examples import Example, Span, TokenExample
from nertune.data.notices import Place, Severity
from nertune.data.source import quoted
from nertune.errors import Where

MANY = 0.1  # share of a split's texts beyond which repeating ones are a warning
FEW = 0.01  # share below which short copies in two splits are none
COUNTED = re.compile(r"(?:.*\D)?\d{1,5}", re.DOTALL)  # a document id that ends with a number of few digits
BETWEEN_WORDS = "\x1f"
SAYS = {  # of one, of several
    "duplicates": ("repeats an earlier one", "repeat an earlier one"),
    "near-duplicates": ("nearly equals an earlier one", "nearly equal an earlier one"),
    "leakage": ("also stands in {earlier}", "also stand in {earlier}"),
    "near-leakage": ("nearly equals one of {earlier}", "nearly equal one of {earlier}"),
}

Labelling = tuple[Span, ...] | tuple[str, ...]


@dataclass
class Copies:
    """Texts of one split that stand in another one, or earlier in the same."""

    count: int = 0
    long: int = 0
    places: list[Place] = field(default_factory=list)


@dataclass
class Known:
    """A text that was met: where first in each split, and how often with each labelling."""

    wheres: dict[int, Where] = field(default_factory=dict)
    labellings: dict[Labelling, list[tuple[int, Where]]] = field(default_factory=dict)


class CopyCheck:
    """All texts leave their fingerprints; those that may have a copy are then looked at again, and compared."""

    def __init__(self, scope: Scope, *, with_near: bool = True) -> None:
        self._scope = scope
        self._with_near = with_near
        self._groups = {split: number for number, split in enumerate(scope.splits)}
        self._prints = TextPrints()
        self._sizes: Counter[int] = Counter()
        self._known: dict[str, Known] = {}
        self._forms: dict[tuple[int, int], tuple[str, Where]] = {}  # (split, letters) -> the first text with them
        self._copies: dict[tuple[str, int, int], Copies] = {}  # (kind, split, earlier split)
        self._partners: dict[int, list[int]] = {}  # number of a text -> of earlier ones that it nearly equals
        self._earlier: set[int] = set()
        self._wheres: dict[int, Where] = {}  # of those
        self._n_given_up = 0

    def look(self, example: Example, *, split: str) -> None:
        group = self._groups[split]
        self._sizes[group] += 1
        self._prints.add(text_of(example), group=group, with_near=self._with_near)

    def prepare(self) -> npt.NDArray[np.bool_]:
        """Which examples must be looked at again, [N] bool."""
        joined = join_similar(self._prints) if self._with_near else None
        self._n_given_up = joined.n_given_up if joined else 0
        wanted = find_repeated(self._prints.exact) | find_repeated(self._prints.form)
        for match in joined.matches if joined else ():
            self._partners.setdefault(match.later, []).append(match.earlier)
            wanted[[match.later, match.earlier]] = True
        self._earlier = {number for partners in self._partners.values() for number in partners}
        return wanted

    def look_again(self, example: Example, *, split: str, number: int) -> None:
        """One of the wanted examples, in their order. `number` counts over all splits."""
        text = text_of(example)
        if not text.strip():
            return
        group = self._groups[split]
        known = self._known.setdefault(text, Known())
        self._tell_copies(example, group=group, known=known)
        if self._with_near:
            self._tell_near(example, text=text, number=number, group=group, known=known)
        known.wheres.setdefault(group, example.where)
        known.labellings.setdefault(_labelling(example), []).append((group, example.where))

    def findings(self) -> Iterator[Finding]:
        for (kind, group, earlier), copies in self._copies.items():
            yield self._finding(kind, copies, split=self._scope.splits[group], earlier=self._scope.splits[earlier])
        yield from self._find_conflicts()
        if self._n_given_up:
            message = f"{self._n_given_up} {self._scope.examples} have too many look-alikes to compare them with all"
            yield make_finding("near-duplicates", split=None, count=self._n_given_up, message=message)

    def _tell_copies(self, example: Example, *, group: int, known: Known) -> None:
        for earlier, where in known.wheres.items():
            kind = "duplicates" if earlier == group else "leakage"
            self._tell(kind, example, group=group, earlier=earlier, where=where, sign="=")

    def _tell_near(self, example: Example, *, text: str, number: int, group: int, known: Known) -> None:
        """The near copies in each split that has no exact one."""
        near: dict[int, Where] = {}
        form = form_hash(letters_of(text))
        for earlier in range(group + 1) if form else ():
            first = self._forms.get((earlier, form))
            if first is not None and first[0] != text:
                near[earlier] = first[1]
        if form:
            self._forms.setdefault((group, form), (text, example.where))
        for partner in self._partners.get(number, ()):
            near.setdefault(self._prints.groups[partner], self._wheres[partner])
        if number in self._earlier:
            self._wheres[number] = example.where
        for earlier, where in near.items():
            if earlier not in known.wheres:
                kind = "near-duplicates" if earlier == group else "near-leakage"
                self._tell(kind, example, group=group, earlier=earlier, where=where, sign="≈")

    def _tell(self, kind: str, example: Example, *, group: int, earlier: int, where: Where, sign: str) -> None:
        copies = self._copies.setdefault((kind, group, earlier), Copies())
        copies.count += 1
        copies.long += len(words_of(example)) >= FEWEST_WORDS
        if self._scope.limit is None or len(copies.places) < self._scope.limit:
            copies.places.append(Place(example.where, f"{sign} {where} {_shown(example)}"))

    def _finding(self, kind: str, copies: Copies, *, split: str, earlier: str) -> Finding:
        n, total = copies.count, self._sizes[self._groups[split]]
        message = f"{_of_all(n, total, self._scope.examples, split)} {SAYS[kind][n > 1].format(earlier=earlier)}"
        if copies.long < n:
            message += f", {copies.long or 'none'} of them with {FEWEST_WORDS} words or more"
        severity = _severity(kind, copies=copies, total=total)
        return make_finding(kind, split=split, count=n, message=message, places=copies.places, severity=severity)

    def _find_conflicts(self) -> Iterator[Finding]:
        """Texts that are labelled otherwise than most of their copies, or than the first one."""
        found: dict[int, list[Place]] = {}
        for text, known in self._known.items():
            for group, place in _conflicts(text, known) if len(known.labellings) > 1 else ():
                found.setdefault(group, []).append(place)
        for group, places in sorted(found.items()):
            split = self._scope.splits[group]
            have = "have" if len(places) > 1 else "has"
            message = (
                f"{_of_all(len(places), self._sizes[group], self._scope.examples, split)} "
                f"{have} other labels than the same words elsewhere"
            )
            shown = sorted(places, key=_in_file_order)[: self._scope.limit]
            yield make_finding("conflicting-labels", split=split, count=len(places), message=message, places=shown)


class DocumentCheck:
    """Documents of which two splits have a part.

    Ids such as `doc1` or `0007` of two files may be counted in each by itself: those are a notice.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._firsts: dict[str, dict[str, Where]] = {}  # document -> split -> where it begins

    def look(self, example: Example, *, split: str) -> None:
        if example.document is not None:
            self._firsts.setdefault(example.document, {}).setdefault(split, example.where)

    def findings(self) -> Iterator[Finding]:
        found: dict[tuple[str, str, bool], list[Place]] = {}
        for document, firsts in self._firsts.items():
            splits = [split for split in self._scope.splits if split in firsts]
            for earlier, later in combinations(splits, 2):
                here, there = firsts[later], firsts[earlier]
                is_certain = here.path == there.path or not COUNTED.fullmatch(document)
                detail = f"document {quoted(document)}, also at {there}"
                found.setdefault((earlier, later, is_certain), []).append(Place(here, detail))
        for (earlier, later, is_certain), places in found.items():
            yield self._finding(places, later=later, earlier=earlier, is_certain=is_certain)

    def _finding(self, places: Sequence[Place], *, later: str, earlier: str, is_certain: bool) -> Finding:
        documents = f"{counted(len(places), 'documents')} of {later}"
        if is_certain:
            message = f"{documents} {'has' if len(places) == 1 else 'have'} parts in {earlier}"
        else:
            message = f"{documents} with an id that stands in {earlier}, too; it may be counted in each file by itself"
        severity: Severity | None = None if is_certain else "notice"
        shown = places[: self._scope.limit]
        return make_finding(
            "document-leakage", split=later, count=len(places), message=message, places=shown, severity=severity
        )


def text_of(example: Example) -> str:
    """What two examples must share to be copies of each other: all words, or text and pair."""
    if isinstance(example, TokenExample):
        return BETWEEN_WORDS.join(example.words)
    text = example.text.strip()
    return text if example.pair is None else f"{text}{BETWEEN_WORDS}{example.pair.strip()}"


def _labelling(example: Example) -> Labelling:
    return example.spans if isinstance(example, TokenExample) else tuple(sorted(example.labels))


def _conflicts(text: str, known: Known) -> Iterator[tuple[int, Place]]:
    """The occurrences of a text that are not labelled as most of them are, each with its split."""
    usual = max(known.labellings, key=lambda labelling: len(known.labellings[labelling]))
    there = known.labellings[usual][0][1]
    snippet = quoted(text.replace(BETWEEN_WORDS, " "))
    for labelling, places in known.labellings.items():
        if labelling == usual:
            continue
        ours = [one for one in labelling if one not in usual]
        theirs = [one for one in usual if one not in labelling]
        for group, here in places:
            yield group, Place(here, f"{snippet} has {_labels_text(ours)} here, {_labels_text(theirs)} at {there}")


def _in_file_order(place: Place) -> tuple[str, int]:
    return str(place.where.path), place.where.line or 0


def _labels_text(labels: Sequence[Span | str]) -> str:
    """`DRUG (word 3), DISEASE (words 5–7)`; the first three."""
    if not labels:
        return "none"
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return ", ".join(map(_label_text, labels[:3])) + more


def _label_text(label: Span | str) -> str:
    if isinstance(label, str):
        return quoted(label)
    words = f"word {label.end}" if label.end == label.start + 1 else f"words {label.start + 1}–{label.end}"
    return f"{plain(label.label)} ({words})"


def _of_all(n: int, total: int, examples: str, split: str) -> str:
    """`3 of the 500 sentences of dev (0.6 %)`."""
    return f"{n} of the {total} {examples} of {split} ({percent(n, total)})"


def _severity(kind: str, *, copies: Copies, total: int) -> Severity | None:
    """That of the kind, but for a few short copies, such as headings, and for many repetitions within a split."""
    if kind.endswith("duplicates"):
        return "warning" if copies.long > MANY * total else None
    return "notice" if not copies.long and copies.count < FEW * total else None


def _shown(example: Example) -> str:
    return quoted(" ".join(words_of(example)), limit=60)
