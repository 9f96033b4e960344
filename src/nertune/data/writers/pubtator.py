"""PubTator: a title line, an abstract line, and a line for each mention; a blank line after each document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from nertune.data.documents import Document, Entity
from nertune.data.notices import Notices
from nertune.data.source import quoted
from nertune.data.writers.drafts import open_draft
from nertune.data.writers.names import UniqueNames
from nertune.data.writers.unheld import count_split_words

LINE_BREAKS = re.compile(r"[\n\r\t]")  # each becomes one blank, so that all offsets hold
ROLES = ("Arg1", "Arg2")
CONCEPT = re.compile(r"(?!\d+$)\S(?:[^\t\n\r]*\S)?")  # no number: that would be an offset
NOT_IN_ID = re.compile(r"[\s|]")


def write_pubtator(documents: Iterable[Document], *, target: Path, losses: Notices) -> None:
    """Write the documents: the first line of a text is the title, the rest the abstract, in one line.

    An entity in several parts goes from its first character to its last. The note of an entity is its concept id.
    """
    names = UniqueNames(forbidden=NOT_IN_ID, losses=losses)
    with open_draft(target) as draft:
        for document in documents:
            name = names.make(document.id, where=document.where)
            count_split_words(document, losses=losses)
            draft.write(_document(document, name=name, losses=losses), where=document.where)


def _document(document: Document, *, name: str, losses: Notices) -> str:
    title, _, abstract = document.text.partition("\n")
    if n_lost := len(LINE_BREAKS.findall(title)) + len(LINE_BREAKS.findall(abstract)):
        losses.add("lost-line-breaks", document.where, quoted(document.id), n=n_lost)
    text = LINE_BREAKS.sub(" ", document.text)
    lines = [f"{name}|t|{text[: len(title)]}", f"{name}|a|{text[len(title) + 1 :]}"]
    lines += [_mention(entity, name=name, text=text, losses=losses) for entity in document.entities]
    lines += _relations(document, name=name, losses=losses)
    return "\n".join([*lines, "", ""])


def _mention(entity: Entity, *, name: str, text: str, losses: Notices) -> str:
    mention = text[entity.start : entity.end]
    if any(text[before[1] : after[0]].strip() for before, after in pairwise(entity.parts)):
        losses.add("joined-parts", entity.where, f"{entity.label} {quoted(mention)}")
    label = LINE_BREAKS.sub("_", entity.label.strip()) or "_"
    if label != entity.label:
        losses.add("changed-labels", entity.where, f"{quoted(entity.label)} → {quoted(label)}")
    cells = [name, str(entity.start), str(entity.end), mention, label]
    if entity.note is not None:
        note = LINE_BREAKS.sub(" ", entity.note).strip()
        cells.append(note)
        if note != entity.note:
            losses.add("changed-notes", entity.where, f"{quoted(entity.note)} → {quoted(note)}")
    return "\t".join(cells)


def _relations(document: Document, *, name: str, losses: Notices) -> Iterator[str]:
    """The relations between two concepts; those between mentions have no place here."""
    mentions = {entity.id for entity in document.entities}
    for relation in document.relations:
        cells = [relation.label, *(id_ for _, id_ in relation.arguments)]
        roles = tuple(role for role, _ in relation.arguments)
        if roles == ROLES and not mentions.intersection(cells[1:]) and all(map(CONCEPT.fullmatch, cells)):
            yield "\t".join([name, *cells])
        else:
            losses.add("lost-relations", relation.where, relation.label)
