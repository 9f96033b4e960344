"""Entities, relations and words of a text as JSON values, in the terms of all annotation tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from nertune.data.documents import Entity, Part, Relation
from nertune.data.json_lines import Json, shown
from nertune.data.source import Source
from nertune.data.standoff import COUNTINGS
from nertune.errors import Where

START_KEYS = (
    "start_char",
    "start",
    "start_offset",
    "begin",
)  # where `start` counts words, `start_char` stands beside it
END_KEYS = ("end_char", "end", "end_offset")
LABEL_KEYS = ("label", "labels", "type", "entity_type", "entity", "tag")
MENTION_KEYS = ("text", "value")
ROLES = ("Arg1", "Arg2")  # of relations between two entities, as brat names them
UTF16 = COUNTINGS[0]
FIX = "Correct the item, or delete it."
EXAMPLE = 'Write for example: {"text": "Ada met Bo.", "entities": [{"label": "PER", "start": 0, "end": 3}]}'

Object = dict[str, Json]
Arguments = tuple[tuple[str, str], ...]


def is_span(value: Json) -> bool:
    """Whether a value has the form of an entity: `[0, 3, "PER"]`, or an object with offsets."""
    if isinstance(value, list):
        return len(value) >= 3 and None not in map(_number, value[:2])
    return isinstance(value, dict) and ("parts" in value or _first(value, START_KEYS) is not None)


def read_entities(source: Source, value: Json, *, text: str, line: int) -> Iterator[Entity]:
    """The entity of a span, one for each of its labels; none, and a fault, where it is not one."""
    span = dict(zip(("start", "end", "label", "note"), value, strict=False)) if isinstance(value, list) else value
    if not isinstance(span, dict):
        source.fault(f"{shown(span)} where an entity is needed", line=line, fix=EXAMPLE)
        return
    parts = _parts(source, span, line=line)
    labels = _labels(source, span, line=line)
    mention, note = _first(span, MENTION_KEYS), span.get("note")
    if isinstance(mention, str) and "\\n" not in text:
        mention = mention.replace("\\n", "\n")  # Label Studio writes line ends so
    for label in labels if parts else ():
        yield Entity(
            label,
            parts,
            source.where(line),
            id=id_of(span),
            text=mention if isinstance(mention, str) and mention else None,
            note=note if isinstance(note, str) and note else None,
        )


def _parts(source: Source, span: Object, *, line: int) -> tuple[Part, ...]:
    """The parts of a span, which may be outside of the text; none, and a fault, where they are no offsets."""
    given = span.get("parts")
    pairs = given if isinstance(given, list) and given else [[_first(span, START_KEYS), _first(span, END_KEYS)]]
    parts: list[Part] = []
    for pair in pairs:
        start, end = map(_number, pair) if isinstance(pair, list) and len(pair) == 2 else (None, None)
        if start is None or end is None:
            told = " to ".join(map(_shown, pair)) if isinstance(pair, list) else shown(pair)
            source.fault(f"an entity's offsets are {told}, not two whole numbers", line=line, fix=EXAMPLE)
            return ()
        if end < start:
            source.fault(
                f"an entity ends before it begins: {start} to {end}", line=line, fix="Write the smaller one first."
            )
            return ()
        parts.append((start, end))
    return tuple(parts)


def _labels(source: Source, span: Object, *, line: int) -> list[str]:
    given = _first(span, LABEL_KEYS)
    if given == []:
        source.notice("unread-annotations", line=line, detail="a span without a label")
        return []
    labels = [str(label) for label in (given if isinstance(given, list) else [given]) if type(label) in (str, int)]
    if "" in labels or len(labels) != (len(given) if isinstance(given, list) else 1):
        source.fault(f"an entity's label is {_shown(given)}, not a text", line=line, fix=EXAMPLE)
        return []
    return labels


def _number(value: Json) -> int | None:
    """An offset: a whole number, also when it is written as a text or with a decimal point."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value if type(value) is int else None


def _first(value: Object, names: Sequence[str]) -> Json:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _shown(value: Json) -> str:
    return "missing" if value is None else shown(value)


# ---- what offsets count, where nothing is written beside them


def count_characters(source: Source, entities: Sequence[Entity], *, text: str) -> list[Entity]:
    """The entities by characters. Offsets are taken for UTF-16 units only where all entities then are whole words,
    and otherwise not; with the mention beside them, `place_entities` knows more."""
    if text.isascii() or not UTF16.occurs_in(text) or any(entity.text for entity in entities):
        return list(entities)
    places = {offset: place for place, offset in enumerate(UTF16.positions(text))}
    converted = [
        replace(entity, parts=tuple((places.get(start, -1), places.get(end, -1)) for start, end in entity.parts))
        for entity in entities
    ]
    moved = [(old, new) for old, new in zip(entities, converted, strict=True) if old != new]
    if all(_is_words(new, text=text) for _, new in moved) and not all(_is_words(old, text=text) for old, _ in moved):
        detail = f"they count {UTF16.says}, as only so all entities are whole words"
        source.notice("converted-offsets", line=entities[0].where.line, detail=detail)
        return converted
    return list(entities)


def _is_words(entity: Entity, *, text: str) -> bool:
    """Whether an entity begins and ends where words do."""
    return all(
        0 <= start < end <= len(text)
        and not (text[start].isspace() or text[end - 1].isspace())
        and not (start > 0 and text[start - 1 : start + 1].isalnum())
        and not (end < len(text) and text[end - 1 : end + 1].isalnum())
        for start, end in entity.parts
    )


# ---- relations and words


def read_relation(value: Json, *, entities: Sequence[Entity], name: str, where: Where) -> Relation | None:
    """The relation that a value describes; None where it is none between entities.

    name  its id where the value has none
    """
    found = value if isinstance(value, dict) else {}
    arguments = _own_arguments(found) or _arguments_by_id(found) or _arguments_by_span(found, entities=entities)
    label = _first(found, ("label", "type"))
    if isinstance(label, list):  # Label Studio's, which may be empty
        label = label[0] if label else "relation"
    if arguments is None or not isinstance(label, str) or not label:
        return None
    return Relation(label, arguments, where, id=id_of(found) or name)


def id_of(value: Mapping[str, Json]) -> str | None:
    return str(value["id"]) if type(value.get("id")) in (str, int) else None


def _own_arguments(found: Object) -> Arguments | None:
    given = found.get("arguments")
    if not isinstance(given, list) or not all(isinstance(one, list) and len(one) == 2 for one in given):
        return None
    return tuple((str(role), str(id_)) for role, id_ in given if isinstance(role, str) and type(id_) in (str, int))


def _arguments_by_id(found: Object) -> Arguments | None:
    ids = [found.get(key) for key in ("from_id", "to_id")]
    is_known = all(type(id_) in (str, int) for id_ in ids)
    return tuple(zip(ROLES, map(str, ids), strict=True)) if is_known else None


def _arguments_by_span(found: Object, *, entities: Sequence[Entity]) -> Arguments | None:
    """Prodigy's, which repeats the entities' offsets."""
    ids = {entity.parts[0]: entity.id for entity in entities}
    spans = [found.get(key) for key in ("head_span", "child_span")]
    offsets = [(span.get("start"), span.get("end")) for span in spans if isinstance(span, dict)]
    known = [ids[part] for part in offsets if all(type(offset) is int for offset in part) and part in ids]
    return tuple(zip(ROLES, map(str, known), strict=True)) if len(known) == 2 else None


def read_words(source: Source, value: Sequence[Json], *, text: str, line: int) -> tuple[Part, ...] | None:
    """Our own `words`; None, and a fault, where they are none."""
    words = _word_parts([tuple(word) if isinstance(word, list) else () for word in value], text=text)
    if words is None:
        source.fault("words are no pairs of offsets in the order of the text", line=line, fix=FIX)
    return words


def read_tokens(source: Source, tokens: Sequence[Object], *, text: str, line: int) -> tuple[Part, ...] | None:
    """Prodigy's tokens but for white space; None, and a notice, where they are a model's pieces (`##ing`, `[CLS]`)."""
    words = _word_parts([(token.get("start"), token.get("end")) for token in tokens], text=text)
    texts = [token.get("text") for token in tokens]
    if words is None or [text[start:end] for start, end in words] != texts:
        source.notice("unused-tokens", line=line)
        return None
    return tuple((start, end) for start, end in words if text[start:end].strip())


def _word_parts(pairs: Sequence[tuple[Json, ...]], *, text: str) -> tuple[Part, ...] | None:
    """The pairs, if they are (start, end) inside the text, none empty, in order and without overlap."""
    if not all(len(pair) == 2 and type(pair[0]) is type(pair[1]) is int for pair in pairs):
        return None
    offsets = [0, *chain.from_iterable(pairs), len(text)]
    is_ordered = all(before <= after for before, after in pairwise(offsets))
    words = tuple((start, end) for start, end in pairs if start < end)
    return words if is_ordered and len(words) == len(pairs) else None
