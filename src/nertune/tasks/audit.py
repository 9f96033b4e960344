"""What a tokenizer and its windows would do to a corpus: cut, lost and unknown words, before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from nertune.data.audit.findings import (
    Finding,
    Scope,
    Tallies,
    counted,
    make_finding,
    percent,
    plain,
    scope_of,
    sort_findings,
)
from nertune.data.characters import is_invisible, name_of
from nertune.data.examples import Corpus, Example, SequenceExample, Span, Split, TokenExample
from nertune.data.notices import KEPT_PLACES, Severity
from nertune.data.source import quoted
from nertune.errors import Where
from nertune.spec.study import TrainSpec
from nertune.tasks.align import AT_ONCE, Pieces, split_texts, split_words
from nertune.tasks.encoded import Ints
from nertune.tasks.windows import Frame, cut_windows, find_pair_frame

MUCH = 0.01  # share of words or texts that makes an unknown or cut one a warning
SHOWN_WORDS = 5

LENGTHS, DOCUMENTS, CUTS, LOST = "beyond-length", "beyond-length-documents", "window-cuts", "lost-entities"
VANISHED, UNKNOWN, LONG_WORDS, CUT_TEXTS = "vanished-words", "unknown-pieces", "cut-words", "cut-texts"


@dataclass(frozen=True)
class SplitPieces:
    """One split in pieces, special ones left out.

    lengths           pieces of an example: `mean`, `median`, `p95`, `p99`, `max`
    pieces_per_word   mean; of texts, words are parted by white space
    beyond            examples with more pieces than a window holds
    documents_beyond  documents of which that is true; None where the format knows none
    words_outside     words that a single window (plain truncation) would leave out
    entities_outside  entities of which it would leave out a word, by label; so for the others
    entities_cut      whose words are at home in different windows
    entities_lost     with a word that has no piece
    vanished          words that have no piece; of texts, whole texts
    unknown           words with an unknown piece
    cut_words         words with more pieces than a window holds
    pieces_lost       pieces of texts that are cut, see `train.truncate`
    """

    name: str
    examples: int
    words: int
    pieces: int
    pieces_per_word: float
    lengths: Mapping[str, float]
    beyond: int
    documents_beyond: int | None
    words_outside: int
    entities_outside: Mapping[str, int]
    entities_cut: Mapping[str, int]
    entities_lost: Mapping[str, int]
    vanished: int
    unknown: int
    cut_words: int
    pieces_lost: int


@dataclass(frozen=True)
class PieceSummary:
    """A corpus in pieces. `capacity`: pieces of words that a window holds; `overlap`: those that windows share."""

    tokenizer: str
    capacity: int
    overlap: int
    splits: tuple[SplitPieces, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def audit_pieces(
    corpus: Corpus,
    *,
    tokenizer: PreTrainedTokenizerBase,
    frame: Frame,
    train: TrainSpec,
    limit: int | None = KEPT_PLACES,
) -> tuple[list[Finding], PieceSummary]:
    """Findings about pieces and windows, the gravest first, and the numbers of each split.

    limit  places kept of each kind and split; None: all
    """
    scope = scope_of(corpus, limit=limit)
    findings: list[Finding] = []
    splits: list[SplitPieces] = []
    for split in corpus.splits.values():
        look = _look_at_sentences if scope.is_token else _look_at_texts
        count = look(split, tokenizer=tokenizer, frame=frame, scope=scope)
        splits.append(count.summary(split.name, is_token=scope.is_token))
        findings += _findings(count, split=split.name, frame=frame, train=train)
    name = str(getattr(tokenizer, "name_or_path", "") or "")
    return list(sort_findings(findings)), PieceSummary(name, frame.capacity, frame.overlap, tuple(splits))


@dataclass
class _Count:
    """What was counted in one split so far; `what` vanishes, words or texts."""

    tallies: Tallies
    what: str
    lengths: list[int] = field(default_factory=list)
    documents: dict[str, int] = field(default_factory=dict)
    starts: dict[str, Where] = field(default_factory=dict)
    words: int = 0
    beyond: int = 0
    words_outside: int = 0
    pieces_lost: int = 0
    outside: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    strings: dict[str, Counter[str]] = field(default_factory=dict)

    def add_string(self, kind: str, word: str) -> None:
        self.strings.setdefault(kind, Counter())[word] += 1

    def add_length(self, example: Example, *, n_pieces: int) -> None:
        self.lengths.append(n_pieces)
        if example.document is not None:
            self.documents[example.document] = self.documents.get(example.document, 0) + n_pieces
            self.starts.setdefault(example.document, example.where)

    def total(self, kind: str) -> int:
        return self.strings.get(kind, Counter()).total()

    def summary(self, name: str, *, is_token: bool) -> SplitPieces:
        pieces = sum(self.lengths)
        return SplitPieces(
            name=name,
            examples=len(self.lengths),
            words=self.words,
            pieces=pieces,
            pieces_per_word=pieces / self.words if self.words else 0.0,
            lengths=_spread(self.lengths),
            beyond=self.beyond,
            documents_beyond=self.tallies.of(DOCUMENTS, split=name).count if self.documents else None,
            words_outside=self.words_outside,
            entities_outside=dict(self.outside),
            entities_cut=dict(self.cut),
            entities_lost=dict(self.lost),
            vanished=self.total(VANISHED),
            unknown=self.total(UNKNOWN),
            cut_words=self.total(LONG_WORDS),
            pieces_lost=0 if is_token else self.pieces_lost,
        )


def _spread(lengths: Sequence[int]) -> dict[str, float]:
    if not lengths:
        return dict.fromkeys(("mean", "median", "p95", "p99", "max"), 0.0)
    values = np.array(lengths)
    median, p95, p99 = np.percentile(values, [50, 95, 99])
    return {
        "mean": float(values.mean()),
        "median": float(median),
        "p95": float(p95),
        "p99": float(p99),
        "max": float(values.max()),
    }


# ---- sentences


def _look_at_sentences(split: Split, *, tokenizer: PreTrainedTokenizerBase, frame: Frame, scope: Scope) -> _Count:
    count = _Count(Tallies(scope), "words")
    look = _SentenceLook(count, split=split.name, frame=frame, scope=scope, unknown_id=tokenizer.unk_token_id)
    for examples in _batches(split.examples):
        sentences = [example for example in examples if isinstance(example, TokenExample)]
        all_pieces = split_words([sentence.words for sentence in sentences], tokenizer=tokenizer)
        for sentence, pieces in zip(sentences, all_pieces, strict=True):
            look.at(sentence, pieces)
    _tell_documents(count, split=split.name, frame=frame)
    return count


class _SentenceLook:
    """Counts what becomes of the words and entities of each sentence."""

    def __init__(self, count: _Count, *, split: str, frame: Frame, scope: Scope, unknown_id: int | None) -> None:
        self._count, self._split, self._frame, self._scope = count, split, frame, scope
        self._unknown_id = unknown_id

    def at(self, sentence: TokenExample, pieces: Pieces) -> None:
        n_pieces = len(pieces.ids)
        self._count.words += len(sentence.words)
        self._count.add_length(sentence, n_pieces=n_pieces)
        if self._unknown_id is not None and self._unknown_id in pieces.ids:
            self._tell_words(UNKNOWN, _words_with(self._unknown_id, pieces), sentence=sentence)
        if not pieces.sizes.all():
            vanished = np.flatnonzero(pieces.sizes == 0).tolist()
            self._tell_words(VANISHED, vanished, sentence=sentence)
            self._tell_entities(LOST, self._count.lost, _spans_with(sentence.spans, vanished), sentence=sentence)
        if n_pieces > self._frame.capacity:
            self._look_at_windows(sentence, pieces)

    def _look_at_windows(self, sentence: TokenExample, pieces: Pieces) -> None:
        capacity = self._frame.capacity
        long_words = np.flatnonzero(pieces.sizes > capacity).tolist()
        self._tell_words(LONG_WORDS, long_words, sentence=sentence)
        starts = np.cumsum(pieces.sizes) - pieces.sizes
        first_outside = int(np.searchsorted(starts, capacity, side="left"))
        outside = [span for span in sentence.spans if span.end > first_outside]
        n_outside = len(sentence.words) - first_outside
        lost = f"{counted(n_outside, 'words')} and {counted(len(outside), 'entities')} outside"
        detail = f"{len(pieces.ids)} pieces, {lost}"
        self._count.beyond += 1
        self._count.words_outside += n_outside
        self._count.outside.update(span.label for span in outside)
        self._count.tallies.add(LENGTHS, split=self._split, where=sentence.where, detail=detail)
        homes = word_homes(pieces.sizes, frame=self._frame)
        cut = [span for span in sentence.spans if len({homes[word] for word in _words_of(span)} - {None}) > 1]
        self._tell_entities(CUTS, self._count.cut, cut, sentence=sentence)

    def _tell_words(self, kind: str, words: Iterable[int], *, sentence: TokenExample) -> None:
        for word in words:
            self._count.add_string(kind, sentence.words[word])
            where = self._scope.where(sentence, word, split=self._split)
            detail = _shown_word(sentence.words[word]) + self._scope.at(word, split=self._split)
            self._count.tallies.add(kind, split=self._split, where=where, detail=detail)

    def _tell_entities(self, kind: str, counts: Counter[str], spans: Iterable[Span], *, sentence: TokenExample) -> None:
        for span in spans:
            counts[span.label] += 1
            detail = f"{plain(span.label)} {quoted(' '.join(sentence.words[span.start : span.end]))}"
            where = self._scope.where(sentence, span.start, split=self._split)
            self._count.tallies.add(kind, split=self._split, where=where, detail=detail)


def word_homes(sizes: Ints, *, frame: Frame) -> list[int | None]:
    """The window in which each word is predicted; None for a word without a piece."""
    homes: list[int | None] = [None] * len(sizes)
    kept = np.minimum(sizes, frame.capacity).tolist()
    for number, window in enumerate(cut_windows(kept, capacity=frame.capacity, overlap=frame.overlap)):
        for word in window.homes:
            homes[word] = number
    return homes


def _words_with(piece: int, pieces: Pieces) -> list[int]:
    """The words that have this piece."""
    words = np.repeat(np.arange(len(pieces.sizes)), pieces.sizes)
    found: list[int] = np.unique(words[np.asarray(pieces.ids) == piece]).tolist()
    return found


def _spans_with(spans: Iterable[Span], words: Iterable[int]) -> list[Span]:
    wanted = set(words)
    return [span for span in spans if not wanted.isdisjoint(_words_of(span))]


def _words_of(span: Span) -> range:
    return range(span.start, span.end)


# ---- texts


def _look_at_texts(split: Split, *, tokenizer: PreTrainedTokenizerBase, frame: Frame, scope: Scope) -> _Count:
    count = _Count(Tallies(scope), "texts")
    capacities = _Capacities(tokenizer, frame)
    for examples in _batches(split.examples):
        texts = [example for example in examples if isinstance(example, SequenceExample)]
        first = split_texts([text.text for text in texts], tokenizer=tokenizer)
        second = split_texts([text.pair or "" for text in texts], tokenizer=tokenizer)
        for text, own, other in zip(texts, first, second, strict=True):
            count.words += len(text.text.split()) + len((text.pair or "").split())
            capacity = frame.capacity if text.pair is None else capacities.of_pairs
            _look_at_length(count, text, n_pieces=len(own) + len(other), capacity=capacity, split=split.name)
            if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in (*own, *other):
                _look_for_unknown(count, text, tokenizer=tokenizer, split=split.name)
    _tell_documents(count, split=split.name, frame=frame)
    return count


class _Capacities:
    """Pieces that a window holds; of pairs only if there is one, as a short window may have no room for two texts."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, frame: Frame) -> None:
        self._tokenizer, self._frame = tokenizer, frame

    @cached_property
    def of_pairs(self) -> int:
        return find_pair_frame(self._tokenizer, length=self._frame.length).capacity


def _look_at_length(count: _Count, text: SequenceExample, *, n_pieces: int, capacity: int, split: str) -> None:
    count.add_length(text, n_pieces=n_pieces)
    if not n_pieces:
        count.add_string(VANISHED, text.text)
        count.tallies.add(VANISHED, split=split, where=text.where, detail=quoted(text.text))
    if n_pieces > capacity:
        count.beyond += 1
        count.pieces_lost += n_pieces - capacity
        detail = f"{n_pieces} pieces: {quoted(text.text)}"
        count.tallies.add(CUT_TEXTS, split=split, where=text.where, detail=detail)


def _look_for_unknown(count: _Count, text: SequenceExample, *, tokenizer: PreTrainedTokenizerBase, split: str) -> None:
    words = [*text.text.split(), *(text.pair or "").split()]
    (pieces,) = split_words([words], tokenizer=tokenizer)
    for word in _words_with(tokenizer.unk_token_id, pieces):
        count.add_string(UNKNOWN, words[word])
        count.tallies.add(UNKNOWN, split=split, where=text.where, detail=quoted(words[word]))


# ---- both


def _batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
    remaining = iter(examples)
    while batch := list(islice(remaining, AT_ONCE)):
        yield batch


def _tell_documents(count: _Count, *, split: str, frame: Frame) -> None:
    for document, n_pieces in count.documents.items():
        if n_pieces > frame.capacity:
            detail = f"document {quoted(document)}: {n_pieces} pieces"
            count.tallies.add(DOCUMENTS, split=split, where=count.starts[document], detail=detail)


@dataclass(frozen=True)
class _Told:
    """What a message is about: `n` occurrences in a split."""

    n: int
    split: str
    count: _Count
    capacity: int
    train: TrainSpec


def _findings(count: _Count, *, split: str, frame: Frame, train: TrainSpec) -> Iterator[Finding]:
    for kind, message in MESSAGES.items():
        tally = count.tallies.of(kind, split=split)
        if tally.count:
            told = _Told(tally.count, split, count, frame.capacity, train)
            severity = _severity(kind, n=tally.count, count=count)
            yield make_finding(
                kind, split=split, count=tally.count, message=message(told), places=tally.places, severity=severity
            )


def _long_sentences(told: _Told) -> str:
    n_entities = told.count.outside.total()
    return (
        f"{_long(told, len(told.count.lengths), 'sentences')}, up to {max(told.count.lengths)}; a single window would "
        f"lose {counted(told.count.words_outside, 'words')} and {counted(n_entities, 'entities')}"
        f"{_by_label(told.count.outside)}"
    )


def _long_documents(told: _Told) -> str:
    return f"{_long(told, len(told.count.documents), 'documents')}, up to {max(told.count.documents.values())}"


def _cut_texts(told: _Told) -> str:
    share = percent(told.count.pieces_lost, sum(told.count.lengths))
    return (
        f"{_long(told, len(told.count.lengths), 'texts')}, up to {max(told.count.lengths)}; {share} of all pieces "
        f"are cut (train.truncate: {told.train.truncate})"
    )


MESSAGES: dict[str, Callable[[_Told], str]] = {
    LOST: lambda told: f"{_in(told, 'entities')} with a word that has no piece{_by_label(told.count.lost)}",
    VANISHED: lambda told: f"{_in(told, told.count.what)} without a piece{_most(told.count, VANISHED)}",
    LONG_WORDS: lambda told: (
        f"{_in(told, 'words')} with more than {told.capacity} pieces{_most(told.count, LONG_WORDS)}"
    ),
    CUT_TEXTS: _cut_texts,
    CUTS: lambda told: (
        f"{_in(told, 'entities')} with words that are predicted in two windows{_by_label(told.count.cut)}"
    ),
    UNKNOWN: lambda told: (
        f"{_in(told, 'words')} ({percent(told.n, told.count.words)}) with an unknown piece{_most(told.count, UNKNOWN)}"
    ),
    LENGTHS: _long_sentences,
    DOCUMENTS: _long_documents,
}


def _in(told: _Told, what: str) -> str:
    """`dev: 3 words`."""
    return f"{told.split}: {counted(told.n, what)}"


def _long(told: _Told, total: int, what: str) -> str:
    """`3 of the 500 sentences of dev (0.6 %) with more than 510 pieces`."""
    share = f"{told.n} of the {total} {what} of {told.split} ({percent(told.n, total)})"
    return f"{share} with more than {told.capacity} pieces"


def _severity(kind: str, *, n: int, count: _Count) -> Severity | None:
    """That of the kind, but that many unknown words are a warning, and few cut texts none."""
    if kind == UNKNOWN:
        return "warning" if n > MUCH * count.words else "notice"
    if kind == CUT_TEXTS:
        return "warning" if n > MUCH * len(count.lengths) else "notice"
    return None


def _by_label(counts: Mapping[str, int]) -> str:
    shown = ", ".join(
        f"{plain(label)} {n}" for label, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    return f" ({shown})" if shown else ""


def _shown_word(word: str) -> str:
    """The word, with the names of its characters where nothing of it can be seen."""
    return quoted(word) + (f" {', '.join(map(name_of, word))}" if len(word) < 3 and is_invisible(word) else "")


def _most(count: _Count, kind: str) -> str:
    """The most frequent strings of a kind."""
    strings = count.strings.get(kind, Counter())
    shown = ", ".join(f"{_shown_word(word)} ({n})" for word, n in strings.most_common(SHOWN_WORDS))
    more = f" and {len(strings) - SHOWN_WORDS} others" if len(strings) > SHOWN_WORDS else ""
    return f": {shown}{more}"
