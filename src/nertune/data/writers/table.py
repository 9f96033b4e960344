"""Tab-separated texts: a header, then a text (or two) and its class a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from nertune.data.examples import SequenceExample
from nertune.data.notices import Notices
from nertune.data.source import quoted
from nertune.data.writers.drafts import Spool, open_draft, open_spool
from nertune.data.writers.unheld import count_documents
from nertune.errors import Where

MARKS = ("|", ";", ",")  # between labels, in the order in which the reader asks for them
HEADERS = {False: ("text",), True: ("text1", "text2")}
NEEDS_MARKS = re.compile(
    r' *"|[^\t\n\r]*[\t\n\r]'
)  # at the beginning of a cell: it cannot stand without marks around it


def write_table(examples: Iterable[SequenceExample], *, target: Path, losses: Notices) -> None:
    """Write `text<TAB>label`; `text1<TAB>text2<TAB>label` if any text has a second one.

    Where a text has several classes, or none, the column is `labels`, and the first of `|`, `;` and `,` that no class
    has in its name stands between them. If one cell needs quotation marks, for a tab or a line break in it, all cells
    below the header have them (inner ones doubled), so that no reader needs to guess; otherwise none has.
    """
    with open_draft(target) as draft, open_spool() as spool:
        layout = _Layout(losses)
        for example in count_documents(examples, losses=losses):
            layout.add(example, spool=spool)
        draft.write("\t".join([*HEADERS[layout.has_pair], "labels" if layout.is_multi else "label"]) + "\n")
        for text, pair, labels in spool:
            cells = [text, *([pair or ""] if layout.has_pair else []), layout.cell(labels)]
            draft.write("\t".join(map(_enclosed, cells) if layout.has_marks else cells) + "\n")


class _Layout:
    """What all rows together need."""

    def __init__(self, losses: Notices) -> None:
        self._losses = losses
        self._classes: dict[str, Where] = {}  # with the place where each was met first
        self.has_pair = self.is_multi = self.has_marks = False

    def add(self, example: SequenceExample, *, spool: Spool) -> None:
        labels = [self._label(label, where=example.where) for label in example.labels]
        texts = [self._text(text, where=example.where) for text in (example.text, example.pair or "")]
        if not labels and not "".join(texts).strip():
            self._losses.add("lost-texts", example.where)
            return
        self.has_pair = self.has_pair or example.pair is not None
        self.is_multi = self.is_multi or len(labels) != 1
        self.has_marks = self.has_marks or any(map(NEEDS_MARKS.match, (*texts, *labels)))
        spool.add((*texts, labels))

    def cell(self, labels: Sequence[str]) -> str:
        """The labels of a row; of a text without any, nothing."""
        if not self.is_multi:
            return labels[0]
        cell = self.mark.join(label.replace(self.mark, "_") for label in labels)
        return f"{cell}{self.mark}" if cell[:1] == "[" else cell  # else `[a]` would be read as a list

    @cached_property
    def mark(self) -> str:
        """What stands between the labels of a text: something that no label has in it, if there is such a mark."""
        free = [mark for mark in MARKS if not any(mark in label for label in self._classes)]
        if not free:
            for label, where in self._classes.items():
                if MARKS[0] in label:
                    self._losses.add("changed-labels", where, quoted(label))
        return free[0] if free else MARKS[0]

    def _label(self, label: str, *, where: Where) -> str:
        clean = label.strip()
        if clean != label:
            self._losses.add("changed-labels", where, f"{quoted(label)} → {quoted(clean)}")
        self._classes.setdefault(clean, where)
        return clean

    def _text(self, text: str, *, where: Where) -> str:
        """The text with LF as line ends, and without tabs if it has such: else its lines could pass for rows."""
        clean = text.replace("\r\n", "\n")
        clean = clean.replace("\t", " ") if "\n" in clean else clean
        if clean != text:
            self._losses.add(
                "lost-line-breaks", where, quoted(text), n=text.count("\r\n") + text.count("\t") - clean.count("\t")
            )
        return clean


def _enclosed(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
