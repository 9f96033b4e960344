"""Texts that stand in the data twice: equal ones, and nearly equal ones, without comparing each with each.

Nearly equal are two texts (a) with the same letters, whatever their case, numbers, punctuation and white space, or
(b) of 8 words or more whose sets of three words in a row have a Jaccard similarity of 0.8 or more. Numbers are words
of digits alone: `CD4` is not `CD8`.

(b) is a set-similarity join by prefix filtering: two sets can only be that similar if they share one of the first few
elements in an order that all sets agree on; with the rarest first, few sets meet there.
Source   Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search", WWW '07 (AllPairs)
"""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from math import ceil

import numpy as np
import numpy.typing as npt

SIMILAR = 0.8  # Jaccard similarity of nearly equal texts
RUN = 3  # words in a row
FEWEST_WORDS = 8  # of a text that is compared by its runs; shorter ones share too much by chance
FEWEST_LETTERS = 12  # of texts that are compared by their letters: "Fig. 1" and "Fig. 2" are no duplicates
MOST_MET = 300  # texts with a run of the prefix, each counted for every such run, that are looked at
MOST_COMPARED = 30  # of them, those that are compared: the ones with most of the prefix
MOST_BUCKETS = 1 << 22  # counters of how often runs occur; a shared one makes a run look more frequent, no more
AT_ONCE = 1 << 18  # runs that are sorted at a time

Ints = npt.NDArray[np.int64]


class _Letters(dict[int, str | None]):
    """What becomes of each character: letters, marks and digits in one case, white space a blank, all else nothing."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        kept = char.casefold() if unicodedata.category(char)[0] in "LMN" else " " if char.isspace() else None
        self[code] = kept
        return kept


_LETTERS = _Letters()


def letters_of(text: str) -> list[str]:
    """The words of a text without case and punctuation; what has no letter is left out."""
    return [word for word in text.translate(_LETTERS).split() if not word.isnumeric()]


@dataclass(frozen=True, slots=True)
class Match:
    """A text that nearly equals an earlier one; both are numbers in the order in which they were added."""

    later: int
    earlier: int


@dataclass
class TextPrints:
    """The fingerprints of texts, 64 bits for each, and for each run of three words.

    Shapes  N texts, R runs
        exact   [N]    of the text as it stands
        form    [N]    of its letters; 0 where they are too few to mean anything
        groups  [N]    the split that it stands in
        runs    [R]    the runs of each text, none twice, text after text
        starts  [N+1]  text n has runs[starts[n]:starts[n + 1]]
    """

    exact: array[int] = field(default_factory=lambda: array("q"))
    form: array[int] = field(default_factory=lambda: array("q"))
    groups: array[int] = field(default_factory=lambda: array("i"))
    runs: array[int] = field(default_factory=lambda: array("q"))
    starts: array[int] = field(default_factory=lambda: array("q", [0]))

    def __len__(self) -> int:
        return len(self.exact)

    def add(self, text: str, *, group: int, with_near: bool = True) -> None:
        """One more text of a split. Splits come one after another, each with a higher number than the last one's.

        with_near  whether it is to be compared by letters and runs as well
        """
        self.exact.append(hash(text))
        self.groups.append(group)
        words = letters_of(text) if with_near else []
        self.form.append(form_hash(words))
        if len(words) >= FEWEST_WORDS:
            self.runs.extend(runs_of(words))
        self.starts.append(len(self.runs))


def form_hash(words: Sequence[str]) -> int:
    """64 bits of the letters of these words; 0 where they are too few."""
    form = "".join(words)
    return hash(form) if len(form) >= FEWEST_LETTERS else 0


def runs_of(words: Sequence[str]) -> set[int]:
    """64 bits of each three words in a row."""
    return set(map(hash, zip(words, words[1:], words[2:], strict=False)))


def find_repeated(hashes: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Whether each hash occurs more than once; 0 never does."""
    values = np.asarray(hashes, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    equal = ordered[1:] == ordered[:-1]
    repeated = np.zeros(len(values), dtype=bool)
    repeated[order[1:][equal]] = True
    repeated[order[:-1][equal]] = True
    repeated[values == 0] = False
    return repeated


@dataclass
class SimilarTexts:
    """The pairs of a join.

    matches       for each text, and each split up to its own, one text there that it nearly equals
    n_given_up    texts that had more look-alikes than were compared, so that they may be in more pairs
    """

    matches: list[Match]
    n_given_up: int


def join_similar(prints: TextPrints) -> SimilarTexts:
    """One similar earlier text for each text in each split, where there is one.

    Texts with the letters of a text there already are not compared with that split: they have their partner.
    Cost  a text is compared with at most MOST_COMPARED others that fall short, so that no data make it quadratic
    """
    prefixes, first = _prefixes(prints)
    index = _Index(prints)
    matches: list[Match] = []
    for number in range(len(prints)):
        if prints.starts[number] == prints.starts[number + 1] and not prints.form[number]:
            continue
        prefix = prefixes[first[number] : first[number + 1]].tolist()
        matches.extend(Match(number, earlier) for earlier in index.partners(number, prefix=prefix))
        index.add(number, prefix=prefix)
    return SimilarTexts(matches, index.n_given_up)


class _Index:
    """The texts so far, by split and by the runs of their prefixes."""

    def __init__(self, prints: TextPrints) -> None:
        self._prints = prints
        self._texts: dict[int, dict[int, list[int]]] = {}  # split -> run -> texts with it in their prefix
        self._forms: dict[int, set[int]] = {}  # split -> letters of its texts
        self._sets: dict[int, set[int]] = {}  # split -> sets of runs that are in the index already
        self.n_given_up = 0

    def add(self, number: int, *, prefix: Sequence[int]) -> None:
        """One more text. Of texts with the same runs, only the first is kept: it stands for all."""
        group = self._prints.groups[number]
        self._forms.setdefault(group, set()).add(self._prints.form[number])
        texts = self._texts.setdefault(group, {})
        if prefix:
            whole = hash(frozenset(self._runs(number)))
            known = self._sets.setdefault(group, set())
            if whole not in known:
                known.add(whole)
                for run in prefix:
                    texts.setdefault(run, []).append(number)

    def partners(self, number: int, *, prefix: Sequence[int]) -> Iterator[int]:
        """A similar text in each split so far, its own included."""
        runs: set[int] | None = None
        form = self._prints.form[number]
        for group, texts in self._texts.items():
            if not prefix or (form and form in self._forms[group]) or not any(run in texts for run in prefix):
                continue
            runs = runs or set(self._runs(number))
            partner = self._partner(runs, texts=texts, prefix=prefix)
            if partner is not None:
                yield partner

    def _partner(self, runs: set[int], *, texts: dict[int, list[int]], prefix: Sequence[int]) -> int | None:
        """The first similar text among those that share most of the prefix."""
        met = Counter(islice(chain.from_iterable(texts.get(run, ()) for run in prefix), MOST_MET))
        for other, _ in met.most_common(MOST_COMPARED):
            if self._is_similar(runs, other):
                return other
        self.n_given_up += met.total() >= MOST_MET or len(met) > MOST_COMPARED
        return None

    def _is_similar(self, runs: set[int], other: int) -> bool:
        start, end = self._prints.starts[other], self._prints.starts[other + 1]
        n_runs, n_other = len(runs), end - start
        if n_other < SIMILAR * n_runs or n_runs < SIMILAR * n_other:
            return False
        shared = len(runs.intersection(self._prints.runs[start:end]))
        return shared >= SIMILAR * (n_runs + n_other - shared)

    def _runs(self, number: int) -> array[int]:
        return self._prints.runs[self._prints.starts[number] : self._prints.starts[number + 1]]


def prefix_size(n_runs: int) -> int:
    """How many first runs two similar sets must share one of: the others could not make them similar enough."""
    return n_runs - ceil(SIMILAR * n_runs - 1e-9) + 1 if n_runs else 0


def _prefixes(prints: TextPrints) -> tuple[Ints, Ints]:
    """The runs of each text's prefix that occur more than once, rarest first, and where each text's begin.

    Runs are ordered by how often their bucket occurs, then by value: all texts agree on that.
    """
    runs = np.frombuffer(prints.runs, dtype=np.int64) if len(prints.runs) else np.zeros(0, dtype=np.int64)
    starts = np.asarray(prints.starts, dtype=np.int64)
    frequency = _frequencies(runs)
    kept_runs, kept_owners = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for begin, end in _text_batches(starts):
        part = runs[starts[begin] : starts[end]]
        sizes = np.diff(starts[begin : end + 1])
        owner = np.repeat(np.arange(begin, end), sizes)
        often = frequency[part & (len(frequency) - 1)]
        order = np.lexsort((part, often, owner))
        part, often, owner = part[order], often[order], owner[order]
        rank = np.arange(len(part)) - np.repeat(starts[begin:end] - starts[begin], sizes)
        longest = np.repeat([prefix_size(size) for size in sizes.tolist()], sizes) if len(sizes) else rank
        is_kept = (rank < longest) & (often > 1)
        kept_runs.append(part[is_kept])
        kept_owners.append(owner[is_kept])
    counts = np.bincount(np.concatenate(kept_owners), minlength=len(prints))
    return np.concatenate(kept_runs), np.concatenate([[0], np.cumsum(counts)])


def _text_batches(starts: Ints) -> Iterator[tuple[int, int]]:
    """First and last text (excluded) of parts with about AT_ONCE runs each."""
    begin = 0
    while begin < len(starts) - 1:
        end = int(np.searchsorted(starts, starts[begin] + AT_ONCE, side="right")) - 1
        end = max(begin + 1, end)
        yield begin, end
        begin = end


def _frequencies(runs: Ints) -> npt.NDArray[np.int32]:
    """How often the runs of each bucket occur; a run's bucket are its last bits."""
    n_buckets = min(MOST_BUCKETS, 1 << (4 * len(runs)).bit_length())
    frequency = np.zeros(n_buckets, dtype=np.int32)
    for begin in range(0, len(runs), AT_ONCE):
        buckets = runs[begin : begin + AT_ONCE] & (n_buckets - 1)
        frequency += np.bincount(buckets, minlength=n_buckets).astype(np.int32)
    return frequency
