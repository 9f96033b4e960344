"""Labels: unseen, rare or missing ones, names that look alike or odd, one class that drowns the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import log

from nertune.data.audit.findings import Finding, Scope, Tallies, counted, make_finding, percent, plain
from nertune.data.characters import find_oddities
from nertune.data.examples import Example, TokenExample
from nertune.data.notices import Place, Severity
from nertune.data.source import listed, quoted
from nertune.errors import Where

MAJORITY = 0.9  # a class with a larger share drowns the others
SHIFT = 0.25  # total variation distance of label shares, beyond which two splits hardly come from one source
SHIFT_EXAMPLES = 50  # labels that a split must have for its shares to mean something
TYPO_RATIO = 20  # a misspelt label is so many times rarer than the right one
TYPO_LENGTH = 5  # letters, below which one letter makes another label ("GENE", "GENO")
LONGEST_NAME = 200  # letters of a label that is compared so, at a cost of their square

Shares = Mapping[str, int]


class LabelCheck:
    """The labels of all splits. The reference split is looked at first, so that others can be held against it."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._counts: dict[str, Counter[str]] = {split: Counter() for split in scope.splits}
        self._firsts: dict[tuple[str, str], list[Place]] = {}  # the first places of each label in each split
        self._starts: dict[str, Where] = {}
        self._unseen = Tallies(scope)

    def look(self, example: Example, *, split: str) -> None:
        self._starts.setdefault(split, example.where)
        for label, position in _labels_at(example):
            count = self._counts[split][label] = self._counts[split][label] + 1
            if count < self._scope.rare_below or count == 1:
                place = Place(self._scope.where(example, position, split=split), _shown(example, label, position))
                self._firsts.setdefault((split, label), []).append(place)
            if split != self._scope.reference and label not in self._counts[self._scope.reference]:
                where = self._scope.where(example, position, split=split)
                self._unseen.add("unseen-labels", split=split, where=where, detail=_shown(example, label, position))

    def findings(self) -> Iterator[Finding]:
        for split in self._scope.splits:
            if split != self._scope.reference:
                yield from self._find_unseen(split)
                yield from self._find_missing(split)
                yield from self._find_shift(split)
            yield from self._find_no_entities(split)
        yield from self._find_rare()
        yield from self._find_imbalance()
        yield from self._find_odd()
        yield from self._find_lookalikes()

    def _find_unseen(self, split: str) -> Iterator[Finding]:
        tally = self._unseen.of("unseen-labels", split=split)
        if not tally.count:
            return
        known = self._counts[self._scope.reference]
        shown = _counts_text({label: n for label, n in self._counts[split].items() if label not in known})
        what = "entities" if self._scope.is_token else "labels"
        message = f"{split}: {counted(tally.count, what)} of types that {self._scope.reference} lacks: {shown}"
        yield make_finding("unseen-labels", split=split, count=tally.count, message=message, places=tally.places)

    def _find_missing(self, split: str) -> Iterator[Finding]:
        reference = self._scope.reference
        missing = [label for label in sorted(self._counts[reference]) if not self._counts[split][label]]
        if missing and self._counts[split]:
            places = [
                Place(self._firsts[reference, label][0].where, f"{plain(label)}, {n} in {reference}, first here")
                for label, n in sorted(self._counts[reference].items())
                if label in missing
            ]
            message = f"{split} has no example of {listed(missing)}"
            yield make_finding("missing-labels", split=split, count=len(missing), message=message, places=places)

    def _find_no_entities(self, split: str) -> Iterator[Finding]:
        if self._scope.is_token and not self._counts[split]:
            message = f"{split} has no entity: every word is outside of all"
            places = [Place(where) for where in [self._starts.get(split)] if where]
            yield make_finding("no-entities", split=split, count=1, message=message, places=places)

    def _find_shift(self, split: str) -> Iterator[Finding]:
        ours, theirs = self._counts[split], self._counts[self._scope.reference]
        if min(ours.total(), theirs.total()) < SHIFT_EXAMPLES:
            return
        distance = total_variation(ours, theirs)
        if distance <= SHIFT:
            return
        most = max(
            ours.keys() | theirs.keys(), key=lambda label: (abs(_share(ours, label) - _share(theirs, label)), label)
        )
        message = (
            f"{split} has other shares of the labels than {self._scope.reference} (distance {distance:.2f} of 1): "
            f"{quoted(most)} is {percent(ours[most], ours.total())} of {split}, "
            f"{percent(theirs[most], theirs.total())} of {self._scope.reference}"
        )
        places = self._firsts.get((split, most)) or self._firsts[self._scope.reference, most]
        yield make_finding("label-shift", split=split, count=1, message=message, places=places[:1])

    def _find_rare(self) -> Iterator[Finding]:
        split = self._scope.reference
        rare = {label: n for label, n in self._counts[split].items() if n < self._scope.rare_below}
        if rare:
            places = [
                place
                for label in sorted(rare, key=lambda one: (rare[one], one))
                for place in self._firsts[split, label]
            ]
            few = f"with fewer than {self._scope.rare_below} examples"
            message = f"{split}: {_labels_text(len(rare))} {few}: {_counts_text(rare)}"
            severity: Severity | None = "warning" if min(rare.values()) < 2 else None
            limited = places if self._scope.limit is None else places[: self._scope.limit]
            yield make_finding(
                "rare-labels", split=split, count=len(rare), message=message, places=limited, severity=severity
            )

    def _find_imbalance(self) -> Iterator[Finding]:
        """One class of nearly all texts; of nearly all entities, where there are several types, as a notice."""
        split = self._scope.reference
        counts = self._counts[split]
        if len(counts) < 2:
            return
        (most, n), *_, (least, n_least) = counts.most_common()
        if n <= MAJORITY * counts.total():
            return
        what = "entities" if self._scope.is_token else "labels"
        message = (
            f"{split}: {percent(n, counts.total())} of the {what} are {quoted(most)}, {n / n_least:.0f} times as many "
            f"as {quoted(least)} (evenness {evenness(counts):.2f} of 1)"
        )
        severity: Severity | None = "notice" if self._scope.is_token else None
        places = self._firsts[split, least][:1]
        yield make_finding("imbalance", split=split, count=1, message=message, places=places, severity=severity)

    def _find_odd(self) -> Iterator[Finding]:
        places = []
        for label in sorted({label for counts in self._counts.values() for label in counts}):
            odd = _odd_name(label)
            if odd:
                home = next(split for split in self._scope.splits if self._counts[split][label])
                detail = f"{quoted(label)} ({self._counts[home][label]} in {home}): {odd}"
                places.append(Place(self._firsts[home, label][0].where, detail))
        if places:
            shown = "; ".join(place.detail for place in places[:3])
            message = f"{_labels_text(len(places))} with odd characters: {shown}"
            yield make_finding("odd-labels", split=None, count=len(places), message=message, places=places)

    def _find_lookalikes(self) -> Iterator[Finding]:
        total = sum(self._counts.values(), Counter[str]())
        pairs = find_lookalikes(total)
        if not pairs:
            return
        shown = "; ".join(
            f"{quoted(rare)} ({total[rare]}) and {quoted(usual)} ({total[usual]})" for rare, usual in pairs[:5]
        )
        places = [
            Place(place.where, f"{quoted(rare)} instead of {quoted(usual)}?")
            for rare, usual in pairs
            for split in self._scope.splits
            for place in self._firsts.get((split, rare), ())
        ]
        message = f"{_labels_text(len(pairs))} like another one misspelt: {shown}"
        yield make_finding("lookalike-labels", split=None, count=len(pairs), message=message, places=places)


def total_variation(ours: Shares, theirs: Shares) -> float:
    """Half the sum of the differences of all shares: 0 for equal ones, 1 when no label is shared."""
    return sum(abs(_share(ours, label) - _share(theirs, label)) for label in ours.keys() | theirs.keys()) / 2


def evenness(counts: Shares) -> float:
    """Entropy of the shares over its largest value: 1 when all labels are equally frequent (Pielou's index)."""
    total = sum(counts.values())
    entropy = -sum(n / total * log(n / total) for n in counts.values() if n)
    return entropy / log(len(counts)) if len(counts) > 1 else 1.0


def find_lookalikes(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """(rarer, more frequent) of labels that differ in case, white space and punctuation only, or in one letter.

    One letter counts only in longer names, where one of them is rare: that one is likely misspelt. Digits tell apart.
    """
    usual_first = sorted(counts, key=lambda label: (-counts[label], label))
    pairs: dict[str, str] = {}
    by_key: dict[str, str] = {}
    by_gap: dict[str, str] = {}
    for label in usual_first:
        key = _plain(label)
        gaps = _without_one_letter(key) if TYPO_LENGTH <= len(key) <= LONGEST_NAME else set()
        other = by_key.get(key) if key else None
        near = next((by_gap[gap] for gap in sorted(gaps) if gap in by_gap), None)
        if other is not None:
            pairs[label] = other
        elif near is not None and counts[label] * TYPO_RATIO <= counts[near]:
            pairs[label] = near
        by_key.setdefault(key, label)
        for gap in gaps:
            by_gap.setdefault(gap, label)
    return list(pairs.items())


def _plain(label: str) -> str:
    """A label without case, white space and punctuation; a sign at its border stays: `pos+` is not `pos-`."""
    if not any(char.isalpha() for char in label):  # `1`, `-1`, `*`
        return ""
    folded = label.strip().casefold()
    signs = [char if char in "+-" else "" for char in (folded[0], folded[-1])]
    return signs[0] + "".join(char for char in folded if char.isalnum()) + signs[1]


def _without_one_letter(key: str) -> set[str]:
    """The key itself and what is left when one letter is taken out; two keys share one if they differ in one letter."""
    return {key, *(key[:place] + key[place + 1 :] for place, char in enumerate(key) if not char.isdigit())}


def _labels_at(example: Example) -> Sequence[tuple[str, int]]:
    """Each label with the position of its first word; a class stands at the beginning."""
    if isinstance(example, TokenExample):
        return [(span.label, span.start) for span in example.spans]
    return [(label, 0) for label in example.labels]


def _shown(example: Example, label: str, position: int) -> str:
    """`DATE: "May 2020"`."""
    if not isinstance(example, TokenExample):
        return f"{plain(label)}: {quoted(example.text)}"
    span = next(span for span in example.spans if (span.label, span.start) == (label, position))
    return f"{plain(label)}: {quoted(' '.join(example.words[span.start : span.end]))}"


def _odd_name(label: str) -> str:
    """What is odd about a label, in a few words; empty if nothing is."""
    if label != label.strip() or not label:
        return "white space at its border" if label.strip() else "it is empty"
    return ", ".join(find_oddities(label).values())


def _share(counts: Shares, label: str) -> float:
    return counts.get(label, 0) / (sum(counts.values()) or 1)


def _labels_text(n: int) -> str:
    return "1 label" if n == 1 else f"{n} labels"


def _counts_text(counts: Mapping[str, int], *, limit: int = 10) -> str:
    """`DATE 3, TIME 1`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{plain(label)} {n}" for label, n in ordered[:limit])
    return f"{shown} and {len(ordered) - limit} more" if len(ordered) > limit else shown
