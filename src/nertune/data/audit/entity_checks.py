"""Entities by themselves: odd borders, too long ones, and those that a scheme cannot part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nertune.data.audit.findings import Finding, Scope, Tallies, plain
from nertune.data.examples import Example, Span, TokenExample
from nertune.data.source import quoted

LONG_ENTITY = 20  # words
WHOLE_SENTENCE = 8  # words; shorter ones can be a name: a headline, a list item
NO_BEGINNING = frozenset(".,;:!?)]}…»”")
NO_END = frozenset(",;:([{«“„")
PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))
ABBREVIATION = 4  # letters before a full stop that may be one ("Corp .")


class EntityCheck:
    """The borders and lengths of entities."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tallies = Tallies(scope)

    def look(self, example: Example, *, split: str) -> None:
        assert isinstance(example, TokenExample)
        for span in example.spans:
            words = example.words[span.start : span.end]
            for kind, detail in _odd_about(span, words=words, sentence=example.words):
                where = self._scope.where(example, span.start, split=split)
                at = self._scope.at(span.start, split=split)
                self._tallies.add(kind, split=split, where=where, detail=f"{_shown(span, words)}{at}: {detail}")

    def findings(self) -> Iterator[Finding]:
        return self._tallies.findings()


def _odd_about(span: Span, *, words: Sequence[str], sentence: Sequence[str]) -> Iterator[tuple[str, str]]:
    border = odd_border(words, is_last=span.end == len(sentence))
    if border:
        yield "odd-borders", border
    if len(words) == len(sentence) >= WHOLE_SENTENCE:
        yield "whole-sentences", f"all {len(words)} words"
    elif len(words) > LONG_ENTITY:
        yield "long-entities", f"{len(words)} words"


def odd_border(words: Sequence[str], *, is_last: bool) -> str:
    """What is odd about the first and last word of an entity; empty if nothing is.

    is_last  the entity's last word is the sentence's
    """
    if not words:
        return "it has no word"
    if words[0] in NO_BEGINNING:
        return f"begins with {words[0]}"
    if words[-1] in NO_END:
        return f"ends with {words[-1]}"
    if words[0] != words[0].strip() or words[-1] != words[-1].strip():
        return "white space at its border"
    if is_last and words[-1] == "." and len(words) > 1 and len(words[-2]) > ABBREVIATION and "." not in words[-2]:
        return "takes in the full stop"
    text = " ".join(words)
    for opening, closing in PAIRS:
        if text.count(opening) != text.count(closing):
            return f"has {opening} or {closing} without the other"
    return ""


def _shown(span: Span, words: Sequence[str]) -> str:
    return f"{plain(span.label)} {quoted(' '.join(words))}"
