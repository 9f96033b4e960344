"""What is worth telling about annotated data: kinds of notices, how often each was met, and where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from nertune.errors import Where

Severity = Literal["error", "warning", "notice"]
KEPT_PLACES = 1000  # of each kind; the rest is counted only


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of notice.

    severity  error: some of the data is lost or wrong; warning: a score or a model may suffer; notice: good to know
    says      what follows the number, for example "words without a tag"
    advice    what to do about it, or to look at
    """

    severity: Severity
    says: str
    advice: str


@dataclass(frozen=True, slots=True)
class Place:
    """One occurrence. `detail` is what stands there, in a few words."""

    where: Where
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}" if self.detail else str(self.where)


@dataclass
class Notices:
    """Occurrences by kind (a key of KINDS): all are counted, the places of the first ones kept.

    limit  places kept of each kind; None: all
    """

    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[Place]] = field(default_factory=dict)
    limit: int | None = KEPT_PLACES

    def add(self, kind: str, where: Where, detail: str = "", *, n: int = 1) -> None:
        """One occurrence (or `n` at one place)."""
        self.counts[kind] += n
        kept = self.places.setdefault(kind, [])
        if self.limit is None or len(kept) < self.limit:
            kept.append(Place(where, detail))

    def merge(self, other: Notices) -> None:
        """The other's occurrences after these."""
        self.counts.update(other.counts)
        for kind, places in other.places.items():
            kept = self.places.setdefault(kind, [])
            kept.extend(places if self.limit is None else places[: max(0, self.limit - len(kept))])


# What reading can meet. The audit's own kinds (leakage, rare labels, …) stand in `data.audit`.
KINDS: dict[str, Kind] = {
    "comment-lines": Kind("notice", "comment lines", "Nothing to do, if they are comments."),
    "unusual-columns": Kind(
        "warning", "lines with an unusual number of columns", "Look whether a blank or tab stands inside a word."
    ),
    "other-tag-columns": Kind(
        "notice", "columns of tags that are not read", "data.columns chooses: {tag: 3}, or several: {tag: [2, 3]}."
    ),
    "rows-between-words": Kind(
        "notice", "multiword tokens and empty nodes", "They are left out; their words are read."
    ),
    "lost-tags": Kind(
        "error",
        "multiword tokens and empty nodes with a tag, left out",
        "Give the tag to the words that they stand for.",
    ),
    "unknown-words": Kind(
        "warning", "words that were written as [UNK]", "Their text is lost: read the files that this one was made from."
    ),
    "extra-columns": Kind(
        "warning", "lines with more columns than the header", "Look whether a tab stands inside a text."
    ),
    "repaired-tags": Kind(
        "warning",
        "tags that the scheme forbids there",
        "Read by conlleval's rules: an I- without a B- begins an entity.",
    ),
    "respelt-tags": Kind(
        "warning",
        "words whose tags are spelt otherwise than B-TYPE and I-TYPE",
        "Look whether they are read as they were meant; nertune writes B-TYPE, I-TYPE and O.",
    ),
    "empty-texts": Kind("warning", "texts without a visible character", "Delete them, or add the text."),
    "guessed-columns": Kind(
        "notice", "tables whose columns were told from their cells", "Say it in the study file: data.columns."
    ),
    "unread-columns": Kind("notice", "columns that are not read", "Nothing to do, if they hold no text or label."),
    "lacking-headers": Kind(
        "warning",
        "tables without the header that the first one has, read by the same columns",
        "Look at their first row, and write the header above it.",
    ),
    "repeated-headers": Kind("warning", "rows that repeat the header, left out", "Were several files joined there?"),
    "empty-rows": Kind("notice", "table rows without content, left out", "Nothing to do."),
    "enclosed-cells": Kind(
        "notice", "tables with tabs in which quotation marks enclose cells", "data: {quoting: none} keeps them as text."
    ),
    "kept-quotes": Kind(
        "notice", "cells in quotation marks, kept as text", "If they only enclose the cell: data: {quoting: csv}."
    ),
    "rows-in-quotes": Kind(
        "warning",
        "quoted cells over several lines that seem to hold whole rows",
        "Look for a missing quotation mark; data: {quoting: none} reads all marks as ordinary characters.",
    ),
    "empty-sentences": Kind("notice", "sentences without a word", "They are left out."),
    "empty-words": Kind("warning", "words without a visible character", "Look for a lost word in that line."),
    "blanks-in-words": Kind("notice", "words with white space inside", "Fine for training; few formats can hold them."),
    "decoded-otherwise": Kind(
        "warning",
        "files that are not UTF-8 and were read as Latin-1",
        "Say it in the study file: data: {encoding: latin-1}.",
    ),
    "cr-line-ends": Kind(
        "notice", "lines, or whole files, in which CR alone ends lines", "Read as lines all the same."
    ),
    "text-differs": Kind(
        "error",
        "entities whose text is not the text at their offsets",
        "The offsets are believed. Look whether the text was changed, or offsets count bytes instead of characters.",
    ),
    "outside-text": Kind("error", "entities outside the text, left out", "Correct their offsets."),
    "empty-entities": Kind(
        "warning", "entities without a character, left out", "Delete them, or correct their offsets."
    ),
    "widened-entities": Kind(
        "warning",
        "entities widened to whole words",
        "data.misaligned: drop leaves them out; data.words says what a word is.",
    ),
    "misaligned-entities": Kind(
        "warning", "entities left out because they begin or end inside a word", "data.misaligned: widen keeps them."
    ),
    "wordless-entities": Kind("warning", "entities without a word, left out", "They cover white space only."),
    "overlapping-entities": Kind(
        "warning", "entities left out because they overlap another one", "data.nested says which one is kept."
    ),
    "discontinuous-entities": Kind(
        "warning", "entities in several parts", "data.discontinuous says what becomes of them."
    ),
    "duplicate-entities": Kind("notice", "entities annotated twice alike, kept once", "Nothing to do."),
    "unread-annotations": Kind(
        "notice", "annotations of other kinds than entities, not used for training", "Nothing to do."
    ),
    "converted-offsets": Kind(
        "warning",
        "texts whose offsets count something else than characters, converted",
        "Only so do their mentions agree with the text. Look at some of them.",
    ),
    "broken-relations": Kind(
        "warning", "relations that name an annotation that is not there, left out", "Correct their ids, or delete them."
    ),
    "duplicate-documents": Kind(
        "warning",
        "documents with the id of another one, read all the same",
        "Delete one of the two, if they are alike.",
    ),
    "textless-tags": Kind("notice", "tags without a place in the text, not used", "Nothing to do, if that is meant."),
    "missing-attributes": Kind(
        "warning",
        "tags without the attribute that data.tags asks for, labelled with their name alone",
        "Add the attribute, or give it a default in that file.",
    ),
    "unlisted-tags": Kind(
        "warning",
        "tags that the file of data.tags does not name, left out",
        "Name them there, with false to leave them out.",
    ),
    "documents-without-annotation": Kind(
        "warning",
        "documents without an annotation file",
        "They are read as having no entity; delete those not annotated.",
    ),
    "unread-files": Kind(
        "warning",
        "files of the folder that are not read",
        "Correct what keeps them from being recognised, or move them.",
    ),
    "left-out-entities": Kind("notice", "entities left out by data.keep", "As the study file says."),
    "left-out-texts": Kind("notice", "texts left out by data.keep", "As the study file says."),
    "unseen-labels": Kind(
        "warning",
        "labels that train lacks",
        "No model can find them: they count as missed. Annotate some in train, or data: {rename: …}.",
    ),
    "items-without-annotation": Kind(
        "warning", "items without annotations, read as having no entity", "Delete those that nobody annotated."
    ),
    "other-annotators": Kind(
        "warning",
        "items that several people annotated, of which one is read",
        "Mark the right annotation as ground truth.",
    ),
    "unused-tokens": Kind(
        "notice", "items whose tokens are no words of their text", "Their text is cut into words as data.words says."
    ),
    "skipped-items": Kind(
        "warning", "items that were rejected or not annotated, left out", "Annotate them, or delete them."
    ),
}
