"""How far annotators of the same text agree: entity scores of pairs, kappa and alpha, confusions, disagreements.

Entities are compared by F1, because the number of stretches that nobody marked is not known, and as it grows kappa
tends to F1. Source: Hripcsak and Rothschild 2005, "Agreement, the F-measure, and reliability in information
retrieval", JAMIA 12(3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from nertune.data.examples import Span
from nertune.scores.alignment import Alignment, Gap, Labels, Spans, Unit
from nertune.scores.disagreements import Disagreement, find_entity_disagreements, find_label_disagreements
from nertune.scores.kappa import (
    Answers,
    Tally,
    choose,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    masi_distance,
    observed_agreement,
    regroup,
)
from nertune.scores.overlaps import count_exact, count_overlapping
from nertune.scores.rates import rates

NOTHING: Labels = ()  # the category of a word outside all entities, and of a text without a label
Confusion = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class MatchRates:
    """Precision and recall with the first annotator's marks as the truth; F1 is the same from both sides.

    None where neither marked anything. `matched`, `first` and `second` count the marks.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    matched: int
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Matches:
    """Marks of a pair compared. `strict`: type and both ends; `partial`: type and a shared word, None of texts."""

    strict: MatchRates
    partial: MatchRates | None


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Agreement on items (words or texts), None where it is not defined.

    items     judged by two annotators or more
    observed  share of pairs of answers that are alike
    cohen     Cohen's kappa, the mean over pairs of annotators
    fleiss    Fleiss' kappa, over the items that all judged
    alpha     Krippendorff's alpha, nominal
    masi      Krippendorff's alpha with the MASI distance of label sets; for multi-label answers only
    """

    items: int
    observed: float | None
    cohen: float | None
    fleiss: float | None
    alpha: float | None
    masi: float | None = None


@dataclass(frozen=True)
class PairAgreement:
    """Two annotators on what both have. `confusion[x][y]`: items the first calls x and the second y."""

    first: str
    second: str
    units: int
    items: int
    overall: Matches
    labels: Mapping[str, Matches]
    cohen: float | None
    cohen_marked: float | None
    confusion: Confusion


@dataclass(frozen=True)
class LabelAgreement:
    """One label. The coefficients are of two categories: this label, or anything else.

    marks                    of each annotator
    f1_strict, f1_partial    mean over pairs
    """

    marks: Mapping[str, int]
    f1_strict: float | None
    f1_partial: float | None
    coefficients: Coefficients


@dataclass(frozen=True)
class Agreement:
    """Everything about the agreement of some annotators.

    units         sentences or texts that two annotators or more have
    items         on all words (token task) or texts
    marked        on the words in an entity of at least one annotator; None for texts
    outside       share of the answers that are O, or without a label
    confusion     of all pairs: how often one said x and the other y, the same in both directions
    """

    task: str
    annotators: tuple[str, ...]
    paired_by: str
    units: int
    gaps: tuple[Gap, ...]
    f1_strict: float | None
    f1_partial: float | None
    items: Coefficients
    marked: Coefficients | None
    outside: float
    labels: Mapping[str, LabelAgreement]
    pairs: tuple[PairAgreement, ...]
    confusion: Confusion
    kinds: Mapping[str, int]
    disagreements: tuple[Disagreement, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_entity_agreement(alignment: Alignment[Spans]) -> Agreement:
    """Agreement on entities, and on words: the category of a word is the type of its entity, or O.

    B and I are not told apart on words: where one of two touching entities ends is seen in the entity scores only. The
    category of a word in entities of several types is all of them together.
    """
    tally = _tally_words(alignment)
    compared = _Compared(alignment, tally, count_exact, count_overlapping, _labels_of_spans, outside="O")
    notes = (CAVEAT_WORDS, PARTIAL, *_notes(tally, alignment, compared=compared))
    disagreements = find_entity_disagreements(alignment)
    marked = compared.coefficients(_only_marked(tally))
    return compared.agreement("token", marked=marked, disagreements=disagreements, notes=notes)


def measure_class_agreement(alignment: Alignment[Labels]) -> Agreement:
    """Agreement on the classes of texts. The category of a text with several labels is all of them together."""
    tally: Tally = Counter(unit.answers for unit in alignment.units)
    compared = _Compared(alignment, tally, _count_shared, None, tuple, outside="(none)")
    notes = _notes(tally, alignment, compared=compared)
    disagreements = find_label_disagreements(alignment)
    return compared.agreement("sequence", marked=None, disagreements=disagreements, notes=notes)


CAVEAT_WORDS = (
    "Kappa and alpha on words say little by themselves. Most words are O for everybody, which carries agreement on all "
    "words, and words are no independent decisions: a long entity counts many times. On the words that somebody marked "
    "nobody can agree on O, which makes the coefficients low, even negative. Entity F1 is the figure to report "
    "(Hripcsak and Rothschild 2005)."
)
PARTIAL = (
    "Strict: the same type and both ends. Partial: the same type and a word in common, matched one to one (the type "
    "matching of SemEval-2013 task 9.1)."
)
MULTI = (
    "Several labels can stand on an item: its category is all of them together, which makes kappa and alpha strict. "
    "The rows of the labels take each label by itself, and alpha (MASI) counts shared labels (Passonneau 2006)."
)
INCOMPLETE = (
    "Not all annotators have every text: pairs are compared on what both have, Fleiss' kappa on what all have, "
    "Krippendorff's alpha on what two or more have."
)


# ---- answers


def _tally_words(alignment: Alignment[Spans]) -> Tally:
    tally: Counter[Answers] = Counter()
    for unit in alignment.units:
        if any(unit.answers):
            columns = [_word_labels(spans, n_words=len(unit.words)) for spans in unit.answers]
            tally.update(zip(*columns, strict=True))
        else:
            tally[tuple(None if spans is None else NOTHING for spans in unit.answers)] += len(unit.words)
    return tally


def _word_labels(spans: Spans | None, *, n_words: int) -> Sequence[Labels | None]:
    if spans is None:
        return [None] * n_words
    words = [NOTHING] * n_words
    for span in spans:
        for word in range(span.start, span.end):
            words[word] = tuple(sorted({*words[word], span.label})) if words[word] else (span.label,)
    return words


def _only_marked(tally: Tally) -> Tally:
    return {answers: n for answers, n in tally.items() if any(answers)}


def _labels_of_spans(spans: Iterable[Span]) -> tuple[str, ...]:
    return tuple(span.label for span in spans)


def _count_shared(first: Iterable[str], second: Iterable[str]) -> Counter[str]:
    return Counter(set(first) & set(second))


def _holds(label: str) -> Callable[[Hashable], bool]:
    return lambda labels: isinstance(labels, tuple) and label in labels


# ---- comparing


@dataclass(frozen=True)
class _Compared:
    """An alignment with its tally, and how marks of one unit are counted.

    exact, overlapping  two answers -> label -> marks that match; labels_of: the label of each mark of an answer
    outside             the name of the category without a label
    """

    alignment: Alignment[Any]
    tally: Tally
    exact: Callable[[Any, Any], Counter[str]]
    overlapping: Callable[[Any, Any], Counter[str]] | None
    labels_of: Callable[[Any], tuple[str, ...]]
    outside: str

    def agreement(
        self,
        task: str,
        *,
        marked: Coefficients | None,
        disagreements: Iterable[Disagreement],
        notes: tuple[str, ...],
    ) -> Agreement:
        pairs = tuple(self._pair(*numbers) for numbers in combinations(range(len(self.alignment.annotators)), 2))
        found = tuple(disagreements)
        return Agreement(
            task=task,
            annotators=self.alignment.annotators,
            paired_by=self.alignment.paired_by,
            units=len(self.alignment.units),
            gaps=self.alignment.gaps,
            f1_strict=_mean(pair.overall.strict.f1 for pair in pairs),
            f1_partial=_mean(pair.overall.partial.f1 for pair in pairs if pair.overall.partial),
            items=self.coefficients(self.tally, is_multi=self.is_multi),
            marked=marked,
            outside=self._share_outside(),
            labels=self._labels(pairs),
            pairs=pairs,
            confusion=_both_ways(pair.confusion for pair in pairs),
            kinds=dict(Counter(kind for one in found for kind in one.kinds)),
            disagreements=found,
            notes=notes,
        )

    @property
    def is_multi(self) -> bool:
        return any(answer is not None and _size(answer) > 1 for answers in self.tally for answer in answers)

    def coefficients(self, tally: Tally, *, is_multi: bool = False) -> Coefficients:
        numbers = range(len(self.alignment.annotators))
        return Coefficients(
            items=sum(n for answers, n in tally.items() if len(answers) - answers.count(None) > 1),
            observed=observed_agreement(tally),
            cohen=_mean(cohen_kappa(choose(tally, pair)) for pair in combinations(numbers, 2)),
            fleiss=fleiss_kappa(tally),
            alpha=krippendorff_alpha(tally),
            masi=krippendorff_alpha(tally, distance=masi_distance) if is_multi else None,
        )

    def _pair(self, one: int, other: int) -> PairAgreement:
        units = [
            unit for unit in self.alignment.units if unit.answers[one] is not None and unit.answers[other] is not None
        ]
        tally = choose(self.tally, (one, other))
        overall, labels = self._matches(units, one, other)
        return PairAgreement(
            first=self.alignment.annotators[one],
            second=self.alignment.annotators[other],
            units=len(units),
            items=sum(tally.values()),
            overall=overall,
            labels=labels,
            cohen=cohen_kappa(tally),
            cohen_marked=cohen_kappa(_only_marked(tally)),
            confusion=_confusion(tally, outside=self.outside),
        )

    def _matches(self, units: Sequence[Unit[Any]], one: int, other: int) -> tuple[Matches, dict[str, Matches]]:
        strict, partial, first, second = (Counter[str]() for _ in range(4))
        for unit in units:
            ours, theirs = unit.answers[one], unit.answers[other]
            first.update(self.labels_of(ours))
            second.update(self.labels_of(theirs))
            if ours and theirs:
                strict.update(self.exact(ours, theirs))
                partial.update(self.overlapping(ours, theirs) if self.overlapping else ())

        def rated(*labels: str) -> Matches:
            marks = {"first": sum(first[label] for label in labels), "second": sum(second[label] for label in labels)}
            loose = _rated(sum(partial[label] for label in labels), **marks) if self.overlapping else None
            return Matches(_rated(sum(strict[label] for label in labels), **marks), loose)

        labels = sorted({*first, *second})
        return rated(*labels), {label: rated(label) for label in labels}

    def _labels(self, pairs: Sequence[PairAgreement]) -> dict[str, LabelAgreement]:
        names = self.alignment.annotators
        marks: dict[str, Counter[str]] = {name: Counter() for name in names}
        for unit in self.alignment.units:
            for name, answer in zip(names, unit.answers, strict=True):
                marks[name].update(() if answer is None else self.labels_of(answer))
        labels = sorted({label for counts in marks.values() for label in counts})
        return {
            label: self._label(label, pairs, marks={name: marks[name][label] for name in names}) for label in labels
        }

    def _label(self, label: str, pairs: Sequence[PairAgreement], *, marks: Mapping[str, int]) -> LabelAgreement:
        matches = [pair.labels[label] for pair in pairs if label in pair.labels]
        return LabelAgreement(
            marks=marks,
            f1_strict=_mean(one.strict.f1 for one in matches),
            f1_partial=_mean(one.partial.f1 for one in matches if one.partial),
            coefficients=self.coefficients(regroup(self.tally, _holds(label))),
        )

    def _share_outside(self) -> float:
        given = sum(n * (len(answers) - answers.count(None)) for answers, n in self.tally.items())
        return sum(n * answers.count(NOTHING) for answers, n in self.tally.items()) / given


def _rated(matched: int, *, first: int, second: int) -> MatchRates:
    if not first and not second:
        return MatchRates(None, None, None, 0, 0, 0)
    found = rates(matched, found=second, real=first)
    return MatchRates(found.precision, found.recall, found.f1, matched, first, second)


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are defined."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _size(labels: Hashable) -> int:
    return len(labels) if isinstance(labels, tuple) else 1


def _confusion(tally: Tally, *, outside: str) -> dict[str, dict[str, int]]:
    cells: dict[str, dict[str, int]] = {}
    for (one, other), n in tally.items():
        row = cells.setdefault(_category_name(one, outside=outside), {})
        column = _category_name(other, outside=outside)
        row[column] = row.get(column, 0) + n
    return cells


def _category_name(labels: Hashable, *, outside: str) -> str:
    return " + ".join(labels) if isinstance(labels, tuple) and labels else outside


def _both_ways(confusions: Iterable[Confusion]) -> dict[str, dict[str, int]]:
    """The sum of the tables with rows and columns exchangeable; what both call x counts once."""
    cells: dict[str, dict[str, int]] = {}
    for confusion in confusions:
        for row, columns in confusion.items():
            for column, n in columns.items():
                for x, y in {(row, column), (column, row)}:
                    told = cells.setdefault(x, {})
                    told[y] = told.get(y, 0) + n
    return cells


def _notes(tally: Tally, alignment: Alignment[Any], *, compared: _Compared) -> tuple[str, ...]:
    is_incomplete = len(alignment.annotators) > 2 and any(None in answers for answers in tally)
    notes = {MULTI: compared.is_multi, INCOMPLETE: is_incomplete}
    return tuple(note for note, is_so in notes.items() if is_so)
