"""CoNLL columns: a word, a tab and its IOB2 tag a line, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from nertune.data.examples import TokenExample
from nertune.data.notices import Notices
from nertune.data.source import quoted
from nertune.data.writers.drafts import open_draft
from nertune.data.writers.tags import Tagger

BORDERS = re.compile(r"[\t\n ]")  # inside a word they end the column or the line
TAKEN_OTHERWISE = re.compile(r"^(?:-(?=DOCSTART-$)|#(?=global\.columns=))")  # at its beginning: a border, a header


def write_conll(examples: Iterable[TokenExample], *, target: Path, losses: Notices) -> None:
    """Write the sentences, and `# newdoc id = …` where a document begins."""
    tagger = Tagger(losses=losses)
    document: str | None = None
    with open_draft(target) as draft:
        for example in examples:
            if example.document != document:
                document = example.document
                draft.write(_border(example, losses=losses), where=example.where)
            words = [_clean(word, example=example, losses=losses) for word in example.words]
            rows = zip(words, tagger.tags(example), strict=True)
            draft.write("".join([*(f"{word}\t{tag}\n" for word, tag in rows), "\n"]), where=example.where)


def _border(example: TokenExample, *, losses: Notices) -> str:
    if example.document is None:
        return "# newdoc\n"
    name = " ".join(example.document.split())
    if name != example.document:
        losses.add("changed-names", example.where, f"{quoted(example.document)} → {quoted(name)}")
    return f"# newdoc id = {name}\n"


def _clean(word: str, *, example: TokenExample, losses: Notices) -> str:
    clean = TAKEN_OTHERWISE.sub("_", BORDERS.sub("_", word), count=1) or "_"
    if clean != word:
        losses.add("changed-words", example.where, f"{quoted(word)} → {quoted(clean)}")
    return clean
