"""Words, sentences and texts by themselves: empty, giant, of odd characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from nertune.data.audit.findings import Finding, Scope, Tallies, make_finding
from nertune.data.characters import compose, find_oddities, is_invisible
from nertune.data.examples import Example, SequenceExample, TokenExample
from nertune.data.notices import Place
from nertune.data.source import quoted
from nertune.errors import Where

LONG_WORD = 100  # characters
ADDRESSES = ("http://", "https://", "ftp://", "www.")
LONG_SENTENCE = 250  # words
FEW_SENTENCES = 20  # of which it means nothing that most have one word
READ_ALREADY = ("empty-sentences", "empty-words", "empty-texts")  # kinds of reading, told by it if it met any


class WordCheck:
    """The words of sentences. Each word is looked at once, however often it stands there."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tallies = Tallies(scope)
        self._plain: set[str] = set()
        self._odd: dict[str, Mapping[str, str]] = {}
        self._sentences: Counter[str] = Counter()
        self._single: Counter[str] = Counter()
        self._first_single: dict[str, Where] = {}

    def look(self, example: Example, *, split: str) -> None:
        assert isinstance(example, TokenExample)
        self._look_at_length(example, split=split)
        if self._plain.issuperset(example.words):  # nearly always
            return
        for position, word in enumerate(example.words):
            if word not in self._plain:
                self._look_at_word(word, example=example, position=position, split=split)

    def findings(self) -> Iterator[Finding]:
        for finding in self._tallies.findings():
            yield self._with_composed(finding) if finding.kind == "not-composed" else finding
        for split, n in self._single.items():
            if n * 2 > self._sentences[split] >= FEW_SENTENCES:
                message = f"{split}: {n} of {self._sentences[split]} sentences have one word"
                place = Place(self._first_single[split], "the first")
                yield make_finding("one-word-sentences", split=split, count=n, message=message, places=[place])

    def _look_at_length(self, example: TokenExample, *, split: str) -> None:
        n_words = len(example.words)
        self._sentences[split] += 1
        if n_words == 1:
            self._single[split] += 1
            self._first_single.setdefault(split, example.where)
        elif n_words == 0:
            self._tallies.add("empty-sentences", split=split, where=example.where)
        elif n_words > LONG_SENTENCE:
            self._tallies.add("long-sentences", split=split, where=example.where, detail=f"{n_words} words")

    def _look_at_word(self, word: str, *, example: TokenExample, position: int, split: str) -> None:
        odd = self._odd.get(word)
        if odd is None:
            odd = _look_at(word)
            if not odd:
                self._plain.add(word)
                return
            self._odd[word] = odd
        where, at = self._scope.where(example, position, split=split), self._scope.at(position, split=split)
        for kind, detail in odd.items():
            self._tallies.add(kind, split=split, where=where, detail=f"{quoted(word)}{at}: {detail}")

    def _with_composed(self, finding: Finding) -> Finding:
        """A warning, if words stand there in both forms: to most models they are two."""
        both = sorted(word for word, odd in self._odd.items() if "not-composed" in odd and compose(word) in self._plain)
        if not both:
            return finding
        message = f"{finding.message}; {quoted(compose(both[0]))} and {len(both) - 1} others stand there in both forms"
        return replace(finding, severity="warning", message=message)


class TextCheck:
    """The characters of texts."""

    def __init__(self, scope: Scope) -> None:
        self._tallies = Tallies(scope)

    def look(self, example: Example, *, split: str) -> None:
        assert isinstance(example, SequenceExample)
        for text in (example.text,) if example.pair is None else (example.text, example.pair):
            if is_invisible(text):
                self._tallies.add("empty-texts", split=split, where=example.where, detail=quoted(text))
                continue
            for kind, detail in find_oddities(text).items():
                self._tallies.add(kind, split=split, where=example.where, detail=f"{detail} in {quoted(text)}")

    def findings(self) -> Iterator[Finding]:
        return self._tallies.findings()


def _look_at(word: str) -> dict[str, str]:
    """What is odd about a word: kinds, and what to say of each."""
    if is_invisible(word):
        return {"empty-words": "nothing to be seen"}
    odd = find_oddities(word)
    if len(word) > LONG_WORD:
        odd["long-addresses" if word.startswith(ADDRESSES) else "giant-words"] = f"{len(word)} characters"
    return odd
