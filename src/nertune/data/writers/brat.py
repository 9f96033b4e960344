"""brat standoff: a folder with a text (`.txt`) and its annotations (`.ann`) for each document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nertune.data.documents import Document, Entity, Part, Relation
from nertune.data.notices import Notices
from nertune.data.readers.brat import ANNOTATIONS, EQUIVALENT, TEXT, TRIGGER
from nertune.data.source import quoted
from nertune.data.writers.drafts import open_draft, open_folder
from nertune.data.writers.names import UniqueNames
from nertune.data.writers.unheld import count_split_words

UNSAFE = re.compile(r"[^\w.-]|^[.-]")  # in names of files: what a shell or another system minds
WHITE_SPACE = re.compile(r"\s")
NOT_IN_ROLE = re.compile(r"[\s:]")
LINES = re.compile(r"[^\r\n]+")


def write_brat(documents: Iterable[Document], *, target: Path, losses: Notices) -> None:
    """Write `ID.txt` and `ID.ann` of each document into a new folder.

    Texts stand as they are, so that offsets hold. An entity that goes on over the end of a line has a part on each
    line, as brat has it; relations, events and equivalences are written again, concepts as normalisations.
    """
    names = UniqueNames(forbidden=UNSAFE, losses=losses)
    with open_folder(target) as folder:
        for document in documents:
            name = names.make(document.id, where=document.where)
            count_split_words(document, losses=losses)
            with open_draft(folder / f"{name}{TEXT}") as draft:
                draft.write(document.text, where=document.where)
            with open_draft(folder / f"{name}{ANNOTATIONS}") as draft:
                draft.write(
                    "".join(f"{line}\n" for line in _annotations(document, losses=losses)), where=document.where
                )


def _annotations(document: Document, *, losses: Notices) -> Iterator[str]:
    ids = _ids([entity.id for entity in document.entities], letter="T")
    for id_, entity in zip(ids, document.entities, strict=True):
        head = f"{_label(entity, losses=losses)} {_offsets(entity, text=document.text)}"
        yield f"{id_}\t{head}\t{_mention(entity, document)}"
    yield from _relations(document, entity_ids=ids, losses=losses)
    yield from _normalisations(document, entity_ids=ids, losses=losses)


def _ids(ids: Sequence[str | None], *, letter: str) -> list[str]:
    """The ids as they are if brat can have them, else new ones."""
    usual = [id_ for id_ in ids if id_ is not None and re.fullmatch(rf"{letter}[0-9]+", id_)]
    return usual if len(set(usual)) == len(ids) else [f"{letter}{number}" for number in range(1, len(ids) + 1)]


# ---- entities


def _label(item: Entity | Relation, *, losses: Notices, forbidden: re.Pattern[str] = WHITE_SPACE) -> str:
    clean = forbidden.sub("_", item.label) or "_"
    if clean != item.label:
        losses.add("changed-labels", item.where, f"{quoted(item.label)} → {quoted(clean)}")
    return clean


def _offsets(entity: Entity, *, text: str) -> str:
    return ";".join(f"{start} {end}" for start, end in _parts(entity, text=text))


def _mention(entity: Entity, document: Document) -> str:
    parts = _parts(entity, text=document.text)
    return WHITE_SPACE.sub(" ", " ".join(document.text[start:end] for start, end in parts))


def _parts(entity: Entity, *, text: str) -> list[Part]:
    """The parts, cut at the ends of lines; one that has nothing else is left as it is."""
    lines = [match.span() for start, end in entity.parts for match in LINES.finditer(text, start, end)]
    return lines or list(entity.parts)


def _normalisations(document: Document, *, entity_ids: Sequence[str], losses: Notices) -> Iterator[str]:
    number = 0
    for id_, entity in zip(entity_ids, document.entities, strict=True):
        for concept in entity.note.split("; ") if entity.note else ():
            number += 1
            clean = WHITE_SPACE.sub("_", concept) or "_"
            if clean != concept:
                losses.add("changed-notes", entity.where, f"{quoted(concept)} → {quoted(clean)}")
            yield f"N{number}\tReference {id_} {clean}\t{_mention(entity, document)}"


# ---- relations, events, equivalences


def _relations(document: Document, *, entity_ids: Sequence[str], losses: Notices) -> Iterator[str]:
    """The lines of all relations whose arguments are written, too; the others are counted."""
    kinds = [_letter(relation) for relation in document.relations]
    new = {letter: iter(_ids(_of_kind(document, kinds, letter), letter=letter)) for letter in "ER"}
    own = ["" if kind == EQUIVALENT else next(new[kind]) for kind in kinds]
    known = {one.id: id_ for one, id_ in zip(document.relations, own, strict=True) if one.id is not None and id_}
    known |= {one.id: id_ for one, id_ in zip(document.entities, entity_ids, strict=True) if one.id is not None}
    written = _written(document)
    for number, relation in enumerate(document.relations):
        if number in written:
            yield _relation(relation, kind=kinds[number], id=own[number], known=known, losses=losses)
        else:
            losses.add("lost-relations", relation.where, relation.label)


def _letter(relation: Relation) -> str:
    """How brat's line begins: E for events, which hang on a trigger, `*` for relations without roles, else R."""
    roles = [role for role, _ in relation.arguments]
    if roles[:1] == [TRIGGER]:
        return "E"
    return EQUIVALENT if len(roles) > 1 and not any(roles) else "R"


def _of_kind(document: Document, kinds: Sequence[str], letter: str) -> list[str | None]:
    return [relation.id for relation, kind in zip(document.relations, kinds, strict=True) if kind == letter]


def _written(document: Document) -> set[int]:
    """The numbers of the relations whose arguments are all there: entities, or other relations that are written."""
    entity_ids = {entity.id for entity in document.entities}
    kept = [number for number, relation in enumerate(document.relations) if relation.arguments]
    while True:
        known = entity_ids | {document.relations[number].id for number in kept} - {EQUIVALENT}
        whole = [number for number in kept if all(id_ in known for _, id_ in document.relations[number].arguments)]
        if len(whole) == len(kept):
            return set(kept)
        kept = whole


def _relation(relation: Relation, *, kind: str, id: str, known: Mapping[str, str], losses: Notices) -> str:
    if kind == EQUIVALENT:
        ids = " ".join(known[id_] for _, id_ in relation.arguments)
        return f"{EQUIVALENT}\t{_label(relation, losses=losses)} {ids}"
    label = _label(relation, losses=losses, forbidden=NOT_IN_ROLE if kind == "E" else WHITE_SPACE)
    arguments = [
        f"{NOT_IN_ROLE.sub('_', role) or f'Arg{number}'}:{known[id_]}"
        for number, (role, id_) in enumerate(relation.arguments, 1)
    ]
    if kind == "E":
        _, trigger = relation.arguments[0]
        return " ".join([f"{id}\t{label}:{known[trigger]}", *arguments[1:]])
    return " ".join([f"{id}\t{label}", *arguments])
