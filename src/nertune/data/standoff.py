"""What standoff formats share: mentions tell what offsets count, and a relation holds between what is there."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from nertune.data.documents import Entity, Part, Relation
from nertune.data.source import Source, quoted

JOINTS = (" ", "", " ... ", "...")  # what tools write between the parts of a mention: brat a blank, MAE dots
TRUSTED = 0.9  # least share of mentions that must agree with the text before offsets are taken for something else


@dataclass(frozen=True)
class Counting:
    """Something else than characters from 0 that offsets may count.

    says        what it is, for a message
    occurs_in   whether it makes a difference on this text
    widths      how much each character of a text adds to the offset
    begin       the offset of the first character
    n_mentions  how many mentions it must mend at least, so that one that was moved by hand is none
    """

    says: str
    occurs_in: Callable[[str], bool]
    widths: Callable[[str], Iterable[int]]
    begin: int = 0
    n_mentions: int = 1

    def positions(self, text: str) -> list[int]:
        """The offset of each character and of the end, ascending."""
        return list(accumulate(self.widths(text), initial=self.begin))


# Java and JavaScript count UTF-16; BioC's definition asks for bytes; line ends and byte order marks get lost.
COUNTINGS = (
    Counting("UTF-16 units", lambda text: max(text) > "\uffff", lambda text: (1 + (c > "\uffff") for c in text)),
    Counting(
        "UTF-8 bytes", lambda text: not text.isascii(), lambda text: (len(c.encode("utf-8", "replace")) for c in text)
    ),
    Counting(
        "CRLF as one character",
        lambda text: "\r\n" in text,
        lambda text: (not (c == "\r" and after == "\n") for c, after in zip(text, f"{text[1:]} ", strict=True)),
    ),
    Counting(
        "a line end as two characters",
        lambda text: "\n" in text and "\r" not in text,
        lambda text: (1 + (c == "\n") for c in text),
    ),
    Counting("from 1, or a byte order mark, too", bool, lambda text: (1 for _ in text), begin=1, n_mentions=2),
)


def place_entities(entities: Iterable[Entity], *, text: str, source: Source) -> list[Entity]:
    """The entities with parts that count characters of the text, in the order of the file.

    Offsets are believed: an entity whose mention differs from the text is kept, one outside the text or without a
    character is left out, and each is noticed. Only where nearly all mentions agree with the text when the offsets
    count something else (`COUNTINGS`), and none that agreed differs then, are all converted, with one notice.

    source  the file in which the annotations stand
    """
    given = list(entities)
    counting = _find_counting([entity for entity in given if entity.text], text=text)
    if counting is not None:
        given = _converted(given, positions=counting.positions(text))
        source.notice("converted-offsets", line=given[0].where.line, detail=f"they count {counting.says}")
    return [_ordered(entity) for entity in given if _is_in_text(entity, text=text, source=source)]


def keep_known(relations: Iterable[Relation], *, ids: Iterable[str], source: Source) -> tuple[Relation, ...]:
    """The relations whose arguments are all there: entities with these ids, or other relations that are kept.

    Cost  linear in the number of arguments
    """
    given, entities = list(relations), set(ids)
    known = entities | {relation.id for relation in given if relation.id is not None}
    users = defaultdict(list)
    for number, relation in enumerate(given):
        for _, id_ in relation.arguments:
            users[id_].append(number)
    missing = [id_ for id_ in users if id_ not in known]
    lost: dict[int, str] = {}
    for id_ in missing:  # grows: what names a lost relation is lost, too
        for number in users.get(id_, []):
            name = given[number].id
            if number not in lost and name is not None and name not in entities:
                missing.append(name)
            lost.setdefault(number, id_)
    for number, id_ in sorted(lost.items()):
        detail = f"{given[number].label} names {quoted(id_)}"
        source.notice("broken-relations", line=given[number].where.line, detail=detail)
    return tuple(relation for number, relation in enumerate(given) if number not in lost)


# ---- what offsets count


def _find_counting(told: Sequence[Entity], *, text: str) -> Counting | None:
    """What the offsets of entities with mentions count, if not characters."""
    agreeing = _agreeing(told, text=text)
    if len(agreeing) == len(told) or not text:
        return None
    for counting in COUNTINGS:
        if not counting.occurs_in(text):
            continue
        mended = _agreeing(_converted(told, positions=counting.positions(text)), text=text)
        is_enough = len(mended - agreeing) >= counting.n_mentions and len(mended) >= TRUSTED * len(told)
        if agreeing <= mended and is_enough:
            return counting
    return None


def _agreeing(entities: Sequence[Entity], *, text: str) -> set[int]:
    return {number for number, entity in enumerate(entities) if _agrees(entity, text=text)}


def _agrees(entity: Entity, *, text: str) -> bool:
    """Whether the mention is the text at its offsets, but for white space and for what is written between parts."""
    if not _is_inside(entity.parts, text=text):
        return False
    pieces = [text[start:end] for start, end in entity.parts]
    if len(pieces) == 1 and pieces[0] == entity.text:
        return True
    mention = _squeezed(entity.text or "")
    if len(pieces) == 1:
        return _squeezed(pieces[0]) == mention
    whole = text[min(entity.parts)[0] : max(end for _, end in entity.parts)]
    return any(_squeezed(found) == mention for found in (*(joint.join(pieces) for joint in JOINTS), whole))


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _is_inside(parts: Sequence[Part], *, text: str) -> bool:
    return all(0 <= start <= end <= len(text) for start, end in parts)


def _converted(entities: Iterable[Entity], *, positions: Sequence[int]) -> list[Entity]:
    def place(offset: int) -> int:
        """The character that begins at an offset; where none does, -1, which is outside of every text."""
        found = bisect_left(positions, offset)
        return found if found < len(positions) and positions[found] == offset else -1

    return [
        replace(entity, parts=tuple((place(start), place(end)) for start, end in entity.parts)) for entity in entities
    ]


# ---- what is kept


def _is_in_text(entity: Entity, *, text: str, source: Source) -> bool:
    if not _is_inside(entity.parts, text=text):
        detail = f"{_shown(entity)}; the text has {len(text)} characters"
        source.notice("outside-text", line=entity.where.line, detail=detail)
        return False
    if all(start == end for start, end in entity.parts):
        source.notice("empty-entities", line=entity.where.line, detail=_shown(entity))
        return False
    if entity.text and not _agrees(entity, text=text):
        found = " … ".join(text[start:end] for start, end in entity.parts)
        detail = f"{_shown(entity)}, but the text has {quoted(found)}"
        source.notice("text-differs", line=entity.where.line, detail=detail)
    return True


def _shown(entity: Entity) -> str:
    return f"{entity.label} {quoted(entity.text)}" if entity.text else entity.label


def _ordered(entity: Entity) -> Entity:
    parts = tuple(sorted(part for part in entity.parts if part[0] < part[1]))
    return entity if parts == entity.parts else replace(entity, parts=parts)
