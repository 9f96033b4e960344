"""The same text of several annotators side by side: what two or more of them have alike, and what some of them lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from typing import Generic, TypeVar

from nertune.data.examples import SequenceExample, Span, TokenExample
from nertune.data.source import quoted
from nertune.errors import DataError, Where

Answer = TypeVar("Answer")
Item = TypeVar("Item", TokenExample, SequenceExample)
Labels = tuple[str, ...]
Spans = tuple[Span, ...]

KEPT_PLACES = 100  # of each gap; the rest is counted only
NEEDED = 2  # annotators of one text, for anything to be compared


@dataclass(frozen=True, slots=True)
class Unit(Generic[Answer]):
    """A sentence or text that two annotators or more have.

    words    of a sentence; of a text the text itself, and the second one of a pair
    answers  of each annotator, what she marked; None where she lacks it
    places   of each annotator, where it stands in her files; None where she lacks it
    """

    words: tuple[str, ...]
    answers: tuple[Answer | None, ...]
    places: tuple[Where | None, ...]
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Texts that some annotators lack, or have in other words.

    what     "documents", "sentences" (of a document that they have) or "texts"
    lacking  the annotators without them
    is_used  two others have them, and are compared on them
    places   the first ones, `file:line: words`
    """

    what: str
    lacking: tuple[str, ...]
    count: int
    is_used: bool
    places: tuple[str, ...]


@dataclass(frozen=True)
class Alignment(Generic[Answer]):
    """Annotators in the order given, the units they can be compared on, and what some of them lack.

    paired_by  "names" of documents, "words" of documents (no name is shared), or "order" (as one running text)
    """

    annotators: tuple[str, ...]
    units: tuple[Unit[Answer], ...]
    gaps: tuple[Gap, ...]
    paired_by: str


def align_examples(annotators: Sequence[tuple[str, Sequence[TokenExample]]]) -> Alignment[Spans]:
    """The sentences of each annotator (name, sentences) side by side.

    Documents are paired by their names, or by their words where names do not pair them. A document with equal words is
    cut at the sentence borders that all have, so that it does not matter how each tool parted it. In a document with
    other words here and there, equal sentences are paired, the first of equal ones with the first.

    Raises   DataError if there are fewer than two annotators, or they have no sentence in common
    """
    names = _names(annotators)
    annotated = [[sentence for sentence in sentences if sentence.words] for _, sentences in annotators]
    found = _align_grouped(names, [_by_name(sentences) for sentences in annotated], paired_by="names")
    if found.gaps:  # names that pair little are numbers that each tool gave: see whether the words pair more
        others = (
            _align_grouped(names, [_by_words(sentences) for sentences in annotated], paired_by="words"),
            _align_grouped(names, [{None: sentences} for sentences in annotated], paired_by="order"),
        )
        better = max(others, key=_n_compared)
        found = better if _n_compared(found) < _n_compared(better) / 2 else found
    return _checked(found, annotators, what="sentence")


def align_texts(annotators: Sequence[tuple[str, Sequence[SequenceExample]]]) -> Alignment[Labels]:
    """The texts of each annotator (name, texts) side by side, paired by their words; white space may differ.

    Of texts that stand there several times the first is paired with the first.

    Raises   DataError if there are fewer than two annotators, or they have no text in common
    """
    names = _names(annotators)
    gaps = _Gaps(names)
    units = []
    owners = {number: texts for number, (_, texts) in enumerate(annotators)}
    for parts, texts in _pair(owners, key=_text_of).items():
        gaps.note("texts", owners=texts, among=owners)
        if len(texts) >= NEEDED:
            labels = {number: tuple(sorted(set(text.labels))) for number, text in texts.items()}
            units.append(_unit(parts[0], labels, texts, n=len(names)))
    return _checked(Alignment(names, tuple(units), gaps.told(), "words"), annotators, what="text")


# ---- documents


def _by_name(sentences: Iterable[TokenExample]) -> dict[Hashable, list[TokenExample]]:
    documents: dict[Hashable, list[TokenExample]] = {}
    for sentence in sentences:
        documents.setdefault(sentence.document, []).append(sentence)
    return documents


def _by_words(sentences: Iterable[TokenExample]) -> dict[Hashable, list[TokenExample]]:
    """Documents by their words; of equal ones the first is 0, the second 1."""
    found: dict[Hashable, list[TokenExample]] = {}
    seen: Counter[Hashable] = Counter()
    for document in _by_name(sentences).values():
        words = _words_of(document)
        found[words, seen[words]] = document
        seen[words] += 1
    return found


def _align_grouped(
    names: tuple[str, ...], annotated: Sequence[Mapping[Hashable, list[TokenExample]]], *, paired_by: str
) -> Alignment[Spans]:
    gaps = _Gaps(names)
    units: list[Unit[Spans]] = []
    everyone = range(len(names))
    for key in dict.fromkeys(chain.from_iterable(annotated)):
        owners = {number: documents[key] for number, documents in enumerate(annotated) if key in documents}
        gaps.note("documents", owners={number: document[0] for number, document in owners.items()}, among=everyone)
        if len(owners) >= NEEDED:
            units += _align_document(owners, n=len(names), gaps=gaps)
    return Alignment(names, tuple(units), gaps.told(), paired_by)


def _align_document(owners: Mapping[int, list[TokenExample]], *, n: int, gaps: _Gaps) -> Iterator[Unit[Spans]]:
    if len({_words_of(document) for document in owners.values()}) == 1:
        owners = _cut_at_common_borders(owners)
    for (words, _), sentences in _pair(owners, key=_sentence_of).items():
        gaps.note("sentences", owners=sentences, among=owners)
        if len(sentences) >= NEEDED:
            yield _unit(words, {number: sentence.spans for number, sentence in sentences.items()}, sentences, n=n)


def _cut_at_common_borders(owners: Mapping[int, list[TokenExample]]) -> dict[int, list[TokenExample]]:
    """The documents of equal words with sentences that end where the sentences of everyone end."""
    ends = [set(accumulate(len(sentence.words) for sentence in document)) for document in owners.values()]
    common = set.intersection(*ends)
    return {number: list(_join_until(document, common)) for number, document in owners.items()}


def _join_until(document: Iterable[TokenExample], borders: set[int]) -> Iterator[TokenExample]:
    joined: TokenExample | None = None
    end = 0
    for sentence in document:
        end += len(sentence.words)
        joined = sentence if joined is None else _joined(joined, sentence)
        if end in borders:
            yield joined
            joined = None


def _joined(one: TokenExample, other: TokenExample) -> TokenExample:
    n = len(one.words)
    moved = (replace(span, start=span.start + n, end=span.end + n) for span in other.spans)
    return replace(one, words=one.words + other.words, spans=(*one.spans, *moved))


def _words_of(document: Iterable[TokenExample]) -> tuple[str, ...]:
    return tuple(chain.from_iterable(sentence.words for sentence in document))


# ---- sentences and texts


def _pair(
    owners: Mapping[int, Sequence[Item]], *, key: Callable[[Item], tuple[str, ...]]
) -> dict[tuple[tuple[str, ...], int], dict[int, Item]]:
    """(words, how many equal ones stand before) -> annotator -> the sentence or text."""
    found: dict[tuple[tuple[str, ...], int], dict[int, Item]] = {}
    for number, items in owners.items():
        seen: Counter[tuple[str, ...]] = Counter()
        for item in items:
            words = key(item)
            found.setdefault((words, seen[words]), {})[number] = item
            seen[words] += 1
    return found


def _sentence_of(sentence: TokenExample) -> tuple[str, ...]:
    return sentence.words


def _text_of(text: SequenceExample) -> tuple[str, ...]:
    """The text and its pair, white space aside."""
    return tuple(" ".join(part.split()) for part in (text.text, text.pair) if part is not None)


def _unit(words: tuple[str, ...], answers: Mapping[int, Answer], items: Mapping[int, Item], *, n: int) -> Unit[Answer]:
    return Unit(
        words=words,
        answers=tuple(answers.get(number) for number in range(n)),
        places=tuple(items[number].where if number in items else None for number in range(n)),
        document=next(iter(items.values())).document,
    )


# ---- what is lacking


@dataclass
class _Gaps:
    """Counts what some annotators lack, by what it is and who lacks it."""

    names: tuple[str, ...]
    counts: Counter[tuple[str, tuple[str, ...], bool]] = field(default_factory=Counter)
    places: dict[tuple[str, tuple[str, ...], bool], list[str]] = field(default_factory=dict)

    def note(self, what: str, *, owners: Mapping[int, Item], among: Iterable[int]) -> None:
        lacking = tuple(self.names[number] for number in among if number not in owners)
        if not lacking:
            return
        key = (what, lacking, len(owners) >= NEEDED)
        self.counts[key] += 1
        places = self.places.setdefault(key, [])
        if len(places) < KEPT_PLACES:
            first = next(iter(owners.values()))
            text = " ".join(first.words[:20]) if isinstance(first, TokenExample) else first.text
            places.append(f"{first.where}: {quoted(text)}")

    def told(self) -> tuple[Gap, ...]:
        return tuple(Gap(*key[:2], n, key[2], tuple(self.places[key])) for key, n in self.counts.items())


def _n_compared(alignment: Alignment[Spans]) -> int:
    """Words, each as often as it was annotated."""
    return sum(len(unit.words) * sum(answer is not None for answer in unit.answers) for unit in alignment.units)


def _names(annotators: Sequence[tuple[str, Sequence[Item]]]) -> tuple[str, ...]:
    """The annotators' names; a second one of a name is `name (2)`."""
    if len(annotators) < NEEDED:
        raise DataError(
            "agreement needs two annotators or more", fix="Write for example: nertune data agreement A.conll B.conll"
        )
    seen: Counter[str] = Counter()
    names = []
    for name, _ in annotators:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)


def _checked(
    alignment: Alignment[Answer], annotators: Sequence[tuple[str, Sequence[Item]]], *, what: str
) -> Alignment[Answer]:
    if alignment.units:
        return alignment
    firsts = ", ".join(f"{name} begins at {items[0].where}" for name, items in annotators if items)
    raise DataError(
        f"the annotators have no {what} in common, so that nothing can be compared ({firsts or 'all are empty'})",
        fix="Give files of the same text, parted into the same words.",
    )
