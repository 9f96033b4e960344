"""The CSV of the Cerebras token classifier: a sentence a row, its words and its labels each separated by blanks.

Layout, from Cerebras' model zoo (`write_csv_ner.py`, `ner_data_processor.py`): header `tokens,labels`; both cells begin
with `[CLS]` and end with `[SEP]`; the labels are the names `B I O`, and `X` for what follows the first piece of a word.
Beside the rows lie `label2id.json`, the vocabulary `[PAD] B I O X [CLS] [SEP]` with its ids, and `meta.dat`, the number
of rows of each file. There, the words are cut into pieces of one model's vocabulary; here, they stay words.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from nertune.data import labels
from nertune.data.examples import Span, TokenExample
from nertune.data.notices import Notices
from nertune.data.source import quoted
from nertune.data.writers.drafts import open_draft, open_folder, open_spool
from nertune.data.writers.tags import clean_label
from nertune.data.writers.unheld import count_documents
from nertune.errors import Where

START, END = "[CLS]", "[SEP]"
BEFORE, AFTER = ("[PAD]",), ("O", "X", START, END)  # of the labels in the vocabulary; the id of [PAD] is 0
WHITE_SPACE = re.compile(r"\s")


def write_cerebras(examples: Iterable[TokenExample], *, target: Path, losses: Notices) -> None:
    """Write one CSV file if the target is called so, else a folder with `NAME-1.csv`, `label2id.json` and `meta.dat`.

    Entities of one type have the labels B and I, of several types `B-TYPE` and `I-TYPE`.
    """
    if target.suffix.casefold() == ".csv":
        _write_rows(examples, target=target, losses=losses)
        return
    with open_folder(target) as folder:
        name = f"{target.name}-1.csv"
        n_rows, tags = _write_rows(examples, target=folder / name, losses=losses)
        ids = {label: number for number, label in enumerate((*BEFORE, *tags, *AFTER))}
        with open_draft(folder / "label2id.json") as draft:
            draft.write(json.dumps(ids, ensure_ascii=False))
        with open_draft(folder / "meta.dat") as draft:
            draft.write(f"{name} {n_rows}\n")


def _write_rows(examples: Iterable[TokenExample], *, target: Path, losses: Notices) -> tuple[int, list[str]]:
    """The number of rows and the labels of entities that were written."""
    rows = _Rows(losses)
    with open_draft(target) as draft, open_spool() as spool:
        draft.write("tokens,labels\n")
        for example in count_documents(examples, losses=losses):
            spool.add(rows.make(example))
        is_bare = rows.is_bare()
        for words, tags in spool:
            shown = [tag.partition("-")[0] for tag in tags] if is_bare else tags
            draft.write(_line([START, *words, END], [START, *shown, END]))
    prefixes = ("B", "I")
    return rows.n, [*prefixes] if is_bare else [
        f"{prefix}-{label}" for label in sorted(rows.types) for prefix in prefixes
    ]


def _line(*cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([" ".join(cell) for cell in cells])
    return line.getvalue()


class _Rows:
    """Makes the rows, and remembers what all of them together need."""

    def __init__(self, losses: Notices) -> None:
        self._losses = losses
        self._first: Where | None = None
        self.types: Counter[str] = Counter()
        self.n = 0

    def make(self, example: TokenExample) -> tuple[list[str], list[str]]:
        """The words and tags of a sentence as they can be written."""
        self.n += 1
        spans = [Span(self._label(span.label, example=example), span.start, span.end) for span in self._apart(example)]
        if spans and self._first is None:
            self._first = example.where
        self.types.update(span.label for span in spans)
        words = [self._word(word, example=example) for word in example.words]
        return words, labels.spans_to_tags(spans, len(words))

    def is_bare(self) -> bool:
        """Whether the labels are B and I; the one type that they stand for is then lost, which is counted."""
        if len(self.types) > 1:
            return False
        for label, n in self.types.items():
            if label != labels.NAMELESS and self._first is not None:
                detail = f"{quoted(label)} is written as B and I, which are read as {quoted(labels.NAMELESS)}"
                self._losses.add("lost-types", self._first, detail, n=n)
        return True

    def _word(self, word: str, *, example: TokenExample) -> str:
        clean = WHITE_SPACE.sub("_", word) or "_"
        if clean != word:
            self._losses.add("changed-words", example.where, f"{quoted(word)} → {quoted(clean)}")
        return clean

    def _label(self, label: str, *, example: TokenExample) -> str:
        clean = clean_label(label)
        if clean != label:
            self._losses.add("changed-labels", example.where, f"{quoted(label)} → {quoted(clean)}")
        return clean

    def _apart(self, example: TokenExample) -> list[Span]:
        """The entities without those that overlap a longer one."""
        kept: list[Span] = []
        for span in sorted(example.spans, key=lambda span: (span.start - span.end, span.start)):
            if any(one.start < span.end and span.start < one.end for one in kept):
                mention = " ".join(example.words[span.start : span.end])
                self._losses.add("lost-overlaps", example.where, f"{span.label} {quoted(mention)}")
            else:
                kept.append(span)
        return kept
