"""BioC in XML or JSON: documents in passages or sentences, with annotations located by offset and length."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from nertune.data.documents import Document, Entity, Part, Relation
from nertune.data.readers.bioc_json import looks_like_bioc_json, read_elements
from nertune.data.source import Source, check_column_keys, listed, quoted
from nertune.data.standoff import keep_known, place_entities
from nertune.data.xml import Node, outline, read_nodes

LABEL = "type"  # the infon that is the label, unless `data.columns` names another one
CONCEPT = "identifier"  # the infon that becomes the note; without it all others do
WIDEST_GAP = 1000  # characters between pieces of text that blanks may fill; wider ones are not believed
NUMBER = re.compile(r"\s*([0-9]{1,15})\s*")


@dataclass(frozen=True)
class _Piece:
    """The text of a passage, or of a sentence where passages have none of their own.

    owner  the element that holds it, and annotations of it
    first  offset of its first character, as the file counts; `last` is where it ends even if that counts bytes
    start  of its first character, as the document's text counts
    glue   what stands before it
    """

    owner: Node
    text: str
    line: int
    first: int
    last: int
    glue: str = ""
    start: int = 0


@dataclass
class _Found:
    """The annotations of a document.

    entities  by the number of the piece that their offsets count from; None: the document's text
    facts     relations between concepts, not annotations
    """

    label_key: str
    source: Source
    entities: dict[int | None, list[Entity]] = field(default_factory=lambda: defaultdict(list))
    relations: list[Relation] = field(default_factory=list)
    facts: list[Relation] = field(default_factory=list)


def read_bioc(source: Source) -> Iterator[Document]:
    """The documents of a collection.

    Their text are the passages, each on a line of its own, at their offsets as far as these leave room. The label is
    the infon `type`, or the one that `data.columns` names (`{label: KEY}`); the infon `identifier` becomes the note.

    Raises  DataError for what is neither XML nor JSON, and no collection with documents
    """
    label_key = _label_key(source)
    ids: set[str] = set()
    for node in read_elements(source) if source.head.lstrip()[:1] in ("{", "[") else _documents(source):
        id_ = _content(node, "id").strip() or str(len(ids) + 1)
        if id_ in ids:
            source.notice("duplicate-documents", line=node.line, detail=id_)
        ids.add(id_)
        yield _document(node, id_=id_, label_key=label_key, source=source)
    if not ids:
        raise source.problem("holds no document", fix="A collection of BioC holds documents with passages.")


def looks_like_bioc(source: Source) -> bool:
    """Whether it is XML that begins with a collection and a document in it, or JSON with passages."""
    inside = ("collection", "document")
    is_xml = any(path[:2] == inside and path[2:] in (("id",), ("passage",)) for path in outline(source))
    return is_xml or looks_like_bioc_json(source)


def _documents(source: Source) -> Iterator[Node]:
    nodes = read_nodes(source)
    root = next(nodes)
    if root.name != "collection":
        raise source.problem(f"begins with <{root.name}>, but BioC with <collection>", line=root.line)
    yield from (node for node in nodes if node.name == "document")


def _label_key(source: Source) -> str:
    for problem in check_column_keys(source, known=("label",)):
        raise problem
    key = source.columns.get("label", LABEL)
    if not isinstance(key, str):
        fix = f"Write for example: data: {{columns: {{label: {LABEL}}}}}"
        raise source.problem(f"data.columns.label is {key}, but BioC has names of infons", fix=fix)
    return key


def _document(node: Node, *, id_: str, label_key: str, source: Source) -> Document:
    pieces = _laid_out(_pieces(node, source=source))
    text = "".join(piece.glue + piece.text for piece in pieces)
    if not text.strip():
        source.notice("empty-texts", line=node.line, detail=id_)
    found = _Found(label_key, source)
    numbers = {id(piece.owner): number for number, piece in enumerate(pieces)}
    for owner, told in _annotated(node):
        KINDS[told.name](told, own=numbers.get(id(owner)), pieces=pieces, found=found)
    entities = sorted(_placed(found, text=text, pieces=pieces), key=lambda entity: entity.where.line or 0)
    ids = [entity.id for entity in entities if entity.id is not None]
    relations = (*keep_known(found.relations, ids=ids, source=source), *found.facts)
    where = source.where(pieces[0].line if pieces else node.line)
    return Document(id_, text, tuple(entities), where, relations)


def _placed(found: _Found, *, text: str, pieces: Sequence[_Piece]) -> list[Entity]:
    """The entities with offsets in the document's text, each checked where the file counts from."""
    entities: list[Entity] = []
    for number, group in found.entities.items():
        piece = pieces[number] if number is not None else None
        placed = place_entities(group, text=piece.text if piece else text, source=found.source)
        entities += [_moved(entity, by=piece.start if piece else 0) for entity in placed]
    return entities


def _moved(entity: Entity, *, by: int) -> Entity:
    return replace(entity, parts=tuple((start + by, end + by) for start, end in entity.parts))


# ---- text


def _pieces(document: Node, *, source: Source) -> Iterator[_Piece]:
    for passage in document.all("passage"):
        owners = [passage] if passage.find("text") else passage.all("sentence")
        for number, owner in enumerate(owners):
            node, offset = owner.find("text"), _number(_content(owner, "offset"))
            if offset is None:
                fix = "Write where it begins in the document, for example: <offset>0</offset>"
                source.fault(f"the {owner.name} has no offset", line=owner.line, fix=fix)
            elif node is not None:
                n_bytes = len(node.text.encode())
                yield _Piece(owner, node.text, node.line, offset, offset + n_bytes, " " if number else "\n")


def _laid_out(pieces: Iterator[_Piece]) -> list[_Piece]:
    """The pieces with what stands before each of them: as much as their offsets say, at least a line end or blank."""
    placed: list[_Piece] = []
    for piece in pieces:
        if not placed:
            placed.append(replace(piece, glue=""))
            continue
        before = placed[-1]
        end = before.start + len(before.text)
        gap = piece.first - before.first - len(before.text)
        if gap == 0 and (piece.glue == " " or before.text[-1:].isspace()):
            placed.append(replace(piece, glue="", start=end))
        else:
            glue = piece.glue + " " * (gap - 1 if 0 < gap <= WIDEST_GAP else 0)
            placed.append(replace(piece, glue=glue, start=end + len(glue)))
    return placed


# ---- annotations


def _annotated(owner: Node) -> Iterator[tuple[Node, Node]]:
    """Annotations and relations in the order of the file, each after the element that holds it."""
    for child in owner.children:
        if child.name in KINDS:
            yield owner, child
        elif child.name in ("passage", "sentence"):
            yield from _annotated(child)


def _read_annotation(node: Node, *, own: int | None, pieces: Sequence[_Piece], found: _Found) -> None:
    entity = _entity(node, found=found)
    if entity is not None:
        home = _home(entity, own=own, pieces=pieces)
        found.entities[home].append(_counted_from(entity, home=home, pieces=pieces))


def _entity(node: Node, *, found: _Found) -> Entity | None:
    """The annotation with offsets as the file counts; None, with a fault or a notice, where that is not possible."""
    infons, source = _infons(node), found.source
    label = infons.get(found.label_key, "").strip()
    if not label:
        message = f"the annotation has no infon {quoted(found.label_key)}; it has {listed(list(infons)) or 'none'}"
        key = next(iter(infons), "KEY")
        source.fault(message, line=node.line, fix=f"Say which one is the label: data: {{columns: {{label: {key}}}}}")
        return None
    parts = _parts(node, label=label, source=source)
    if not parts:
        return None
    others = "; ".join(f"{key}:{value}" for key, value in infons.items() if key != found.label_key)
    id_, mention = node.attributes.get("id"), _content(node, "text")
    note = infons.get(CONCEPT) or others
    return Entity(label, parts, source.where(node.line), id=id_, text=mention or None, note=note or None)


def _parts(node: Node, *, label: str, source: Source) -> tuple[Part, ...]:
    """The locations; none, with a fault or a notice, where one is wrong or there are none."""
    locations = node.all("location")
    numbers = [(_number(at.attributes.get("offset")), _number(at.attributes.get("length"))) for at in locations]
    parts = tuple((offset, offset + length) for offset, length in numbers if offset is not None and length is not None)
    if not locations:
        source.notice("textless-tags", line=node.line, detail=label)
    elif len(parts) < len(locations):
        fix = 'Write for example: <location offset="10" length="7"/>'
        source.fault(
            f"the annotation {quoted(label)} has a location without offset and length", line=node.line, fix=fix
        )
        return ()
    return parts


def _home(entity: Entity, *, own: int | None, pieces: Sequence[_Piece]) -> int | None:
    """The number of the piece that the entity lies in, first of all that of its owner; None where it lies in none."""
    numbers = chain([] if own is None else [own], range(len(pieces)))
    first, last = min(entity.parts)[0], max(end for _, end in entity.parts)
    return next((number for number in numbers if pieces[number].first <= first and last <= pieces[number].last), None)


def _counted_from(entity: Entity, *, home: int | None, pieces: Sequence[_Piece]) -> Entity:
    """The entity with offsets from the start of its piece; one that lies in several, from that of the text."""
    if home is not None:
        return _moved(entity, by=-pieces[home].first)

    def in_text(offset: int) -> int:
        piece = next((piece for piece in reversed(pieces) if piece.first <= offset), None)
        return offset + piece.start - piece.first if piece else offset

    return replace(entity, parts=tuple((in_text(start), in_text(end - 1) + 1) for start, end in entity.parts))


def _read_relation(node: Node, *, found: _Found, **_: object) -> None:
    """Between annotations (its nodes); without nodes it is a fact about what its infons name, mostly concepts."""
    infons, where, id_ = _infons(node), found.source.where(node.line), node.attributes.get("id")
    label = infons.pop(found.label_key, "") or infons.pop("relation", "") or "relation"
    nodes = tuple((at.attributes.get("role", ""), at.attributes.get("refid", "")) for at in node.all("node"))
    if nodes:
        found.relations.append(Relation(label, nodes, where, id=id_))
    else:
        found.facts.append(Relation(label, tuple(infons.items()), where, id=id_))


KINDS: dict[str, Callable[..., None]] = {"annotation": _read_annotation, "relation": _read_relation}


def _infons(node: Node) -> dict[str, str]:
    return {infon.attributes.get("key", ""): infon.text for infon in node.all("infon")}


def _content(node: Node, name: str) -> str:
    child = node.find(name)
    return child.text if child else ""


def _number(text: str | None) -> int | None:
    match = NUMBER.fullmatch(text or "")
    return int(match[1]) if match else None
