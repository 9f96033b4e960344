"""brat standoff: a text (`.txt`) and beside it its annotations (`.ann`), with offsets that count characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from nertune.data.documents import Document, Entity, Relation
from nertune.data.source import Source, quoted
from nertune.data.standoff import keep_known, place_entities

TEXT, ANNOTATIONS = ".txt", ".ann"
TRIGGER = "trigger"  # role of the entity that an event hangs on, which is its first argument
EQUIVALENT = "*"  # id of relations that brat writes without one: their arguments mean the same, and have no role

ENTITY = re.compile(r"(\S+) ([0-9]{1,15} [0-9]{1,15}(?:;[0-9]{1,15} [0-9]{1,15})*) *")
ARGUMENT = re.compile(r"([^\s:]+):(\S+)")
NORMALISATION = re.compile(r"\S+ (\S+) (\S+) *")
ANY = re.compile(r"(?:[TREAMN]\S+|#\S*|\*)\t")


@dataclass
class _Annotations:
    """What has been read of an `.ann` file.

    notes  of each annotation that has some: line and concept of each normalisation
    lines  of each entity, event and relation
    """

    source: Source
    entities: list[Entity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    notes: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Line:
    number: int
    id: str
    rest: str  # after the first tab


def read_brat(source: Source) -> Iterator[Document]:
    """The one document of a text and the annotations beside it; the path may be that of either.

    Relations, events (see `TRIGGER`) and equivalences (see `EQUIVALENT`) become relations, normalisations notes of
    their entities. Attributes and annotators' notes are counted.

    Raises  DataError where there is no text
    """
    if source.path.suffix == ANNOTATIONS:
        source = _text_of(source)
    text = source.text() if source.head else ""
    if not text:
        source.notice("empty-texts", line=1)
    found = _Annotations(source.beside(source.path.with_suffix(ANNOTATIONS)))
    if not found.source.path.is_file():
        source.notice("documents-without-annotation", line=1)
    elif found.source.head:  # in an empty file somebody said that there is nothing
        _read_annotations(found)
    entities = place_entities(found.entities, text=text, source=found.source)
    ids = [entity.id for entity in entities if entity.id is not None]
    relations = keep_known(found.relations, ids=ids, source=found.source)
    yield Document(source.path.stem, text, tuple(entities), source.where(1), relations, is_plain=True)


def looks_like_brat(source: Source) -> bool:
    """Whether it is a text in a folder where this or another text has annotations beside it, or such annotations."""
    if source.path.suffix == ANNOTATIONS:
        return any(ANY.match(line) for line in source.head_lines)
    if source.path.suffix != TEXT:
        return False
    beside = source.path.parent.glob(f"*{ANNOTATIONS}")
    return source.path.with_suffix(ANNOTATIONS).is_file() or any(path.with_suffix(TEXT).is_file() for path in beside)


def _text_of(source: Source) -> Source:
    path = source.path.with_suffix(TEXT)
    if not path.is_file():
        fix = f"Add {path.name} beside it, or take the annotations away."
        raise source.problem(f"the text of these annotations, {path.name}, is not there", fix=fix)
    return source.beside(path)


# ---- lines of annotations


def _read_annotations(found: _Annotations) -> None:
    for number, text in enumerate(found.source.lines(), 1):
        if not text.strip():
            continue
        id_, tab, rest = text.partition("\t")
        kind = KINDS.get(text[0])
        if kind is None or not tab or not kind.read(found, _Line(number, id_.strip(), rest)):
            fix = f"Write for example: {(kind or KINDS['T']).example}"
            found.source.fault(f"is no line as brat writes it: {quoted(text, limit=60)}", line=number, fix=fix)
    found.entities = [_with_note(entity, found=found) for entity in found.entities]
    for id_, notes in found.notes.items():  # of events, or of what is not there
        for number, concept in notes:
            found.source.notice("unread-annotations", line=number, detail=f"{id_} {quoted(concept)}")


def _entity(found: _Annotations, line: _Line) -> bool:
    head, _, mention = line.rest.partition("\t")
    match = ENTITY.fullmatch(head)
    if match is None:
        return False
    numbers = [int(number) for number in re.split("[ ;]", match[2])]
    parts = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if any(start > end for start, end in parts):
        message = f"{line.id} ends before it begins: {match[2]}"
        found.source.fault(message, line=line.number, fix="Write the smaller offset first.")
    elif _is_new(found, line):
        where = found.source.where(line.number)
        found.entities.append(Entity(match[1], parts, where, id=line.id, text=mention or None))
    return True


def _relation(found: _Annotations, line: _Line) -> bool:
    label, *arguments = line.rest.split() or [""]
    matches = [ARGUMENT.fullmatch(argument) for argument in arguments]
    pairs = tuple((match[1], match[2]) for match in matches if match is not None)
    return bool(pairs) and len(pairs) == len(matches) and _keep(found, line, label=label, arguments=pairs)


def _event(found: _Annotations, line: _Line) -> bool:
    matches = [ARGUMENT.fullmatch(argument) for argument in line.rest.split()]
    pairs = [(match[1], match[2]) for match in matches if match is not None]
    if not pairs or len(pairs) < len(matches):
        return False
    (label, trigger), *others = pairs
    return _keep(found, line, label=label, arguments=((TRIGGER, trigger), *others))


def _equivalence(found: _Annotations, line: _Line) -> bool:
    label, *ids = line.rest.split() or [""]
    if len(ids) < 2 or line.id != EQUIVALENT:
        return False
    return _keep(found, line, label=label, arguments=tuple(("", id_) for id_ in ids))


def _keep(found: _Annotations, line: _Line, *, label: str, arguments: tuple[tuple[str, str], ...]) -> bool:
    if line.id == EQUIVALENT or _is_new(found, line):
        found.relations.append(Relation(label, arguments, found.source.where(line.number), id=line.id))
    return True


def _normalisation(found: _Annotations, line: _Line) -> bool:
    match = NORMALISATION.fullmatch(line.rest.partition("\t")[0])
    if match is not None:
        found.notes.setdefault(match[1], []).append((line.number, match[2]))
    return match is not None


def _unread(found: _Annotations, line: _Line) -> bool:
    found.source.notice("unread-annotations", line=line.number, detail=f"{line.id} {quoted(line.rest)}")
    return True


def _is_new(found: _Annotations, line: _Line) -> bool:
    first = found.lines.setdefault(line.id, line.number)
    if first != line.number:
        message = f"the id {quoted(line.id)} is taken: line {first} has it, too"
        found.source.fault(message, line=line.number, fix="Give one of the two another number.")
    return first == line.number


def _with_note(entity: Entity, *, found: _Annotations) -> Entity:
    notes = found.notes.pop(entity.id or "", [])
    return replace(entity, note="; ".join(concept for _, concept in notes)) if notes else entity


@dataclass(frozen=True)
class _Kind:
    """A kind of line: what reads it, and says whether it is as it should be; and what one looks like."""

    read: Callable[[_Annotations, _Line], bool]
    example: str


KINDS = {
    "T": _Kind(_entity, "T1<TAB>Drug 10 17<TAB>aspirin"),
    "R": _Kind(_relation, "R1<TAB>Treats Arg1:T1 Arg2:T2"),
    "E": _Kind(_event, "E1<TAB>Treats:T1 Drug:T2 Disease:T3"),
    "*": _Kind(_equivalence, "*<TAB>Equiv T1 T2"),
    "N": _Kind(_normalisation, "N1<TAB>Reference T1 Wikipedia:534366<TAB>Barack Obama"),
    "A": _Kind(_unread, "A1<TAB>Negation E1"),
    "M": _Kind(_unread, "M1<TAB>Negation E1"),
    "#": _Kind(_unread, "#1<TAB>AnnotatorNotes T1<TAB>look again"),
}
