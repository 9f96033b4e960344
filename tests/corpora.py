"""Small corpora written as text: `sentence("{Ada|PER} lives in {New York|LOC} .")`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from nertune.data.examples import Corpus, Example, Problem, SequenceExample, Span, Split, Task, TokenExample
from nertune.data.labels import labels_of
from nertune.data.notices import Notices
from nertune.errors import Where

PART = re.compile(r"\{(?P<words>[^|{}]+)\|(?P<label>[^|{}]+)\}|(?P<word>[^ ]+)")


def sentence(text: str, *, line: int = 1, path: str = "train.txt", document: str | None = None) -> TokenExample:
    """Words parted by single blanks; entities in braces with their label."""
    words: list[str] = []
    spans: list[Span] = []
    for part in PART.finditer(text):
        found = (part["words"] or part["word"]).split(" ")
        if part["label"]:
            spans.append(Span(part["label"], len(words), len(words) + len(found)))
        words.extend(found)
    return TokenExample(tuple(words), tuple(spans), Where(Path(path), line), document)


def token_corpus(
    splits: Mapping[str, Sequence[str | TokenExample]], *, form: str = "slots", scheme: str | None = "iob2"
) -> Corpus:
    """A sentence a line (`form` slots), in the files train.txt, dev.txt, …"""
    made = {
        name: [
            sentence(text, line=line, path=f"{name}.txt") if isinstance(text, str) else text
            for line, text in enumerate(texts, start=1)
        ]
        for name, texts in splits.items()
    }
    return _corpus("token", made, form=form, scheme=scheme, problem="single_label")


def text_corpus(splits: Mapping[str, Sequence[tuple[str, str]]], *, problem: Problem = "single_label") -> Corpus:
    """(text, labels parted by commas), a line each; of a pair, the texts are parted by a tab."""
    made = {
        name: [
            text_example(text, label, Where(Path(f"{name}.tsv"), line)) for line, (text, label) in enumerate(rows, 1)
        ]
        for name, rows in splits.items()
    }
    return _corpus("sequence", made, form="tsv", scheme=None, problem=problem)


def text_example(text: str, label: str, where: Where) -> SequenceExample:
    first, tab, second = text.partition("\t")
    return SequenceExample(first, tuple(label.split(",")) if label else (), where, second if tab else None)


def _corpus(
    task: Task, made: Mapping[str, Sequence[Example]], *, form: str, scheme: str | None, problem: Problem
) -> Corpus:
    splits = {name: Split(name, tuple(examples), "f" * 64, Notices()) for name, examples in made.items()}
    labels = tuple(sorted(labels_of(next(iter(made.values())))))
    return Corpus(task, splits, labels, scheme=scheme, format=form, problem=problem)


def labelled_texts(
    labels: Sequence[str], *, words: Sequence[str] | None = None, documents: Sequence[str] | None = None
) -> list[SequenceExample]:
    """A text for each label; `words` are the texts."""
    return [
        SequenceExample(
            words[i] if words else f"text {i}",
            (label,),
            Where(Path("x"), i + 1),
            None,
            documents[i] if documents else None,
        )
        for i, label in enumerate(labels)
    ]
