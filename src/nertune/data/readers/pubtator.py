"""PubTator: a title, an abstract and its mentions, one document after the other; offsets run through both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from nertune.data.documents import Document, Entity, Relation
from nertune.data.source import Source, quoted
from nertune.data.standoff import place_entities

TITLE = "t"
PASSAGE = re.compile(r"([^|\t]{1,200})\|([A-Za-z])\|(.*)")
OFFSET = re.compile(r" *([0-9]{1,15}) *")
EXAMPLE = "Write for example: 8808605<TAB>10<TAB>17<TAB>aspirin<TAB>Chemical<TAB>D001241"
LOOKED_AT_LINES = 3  # to recognise the format
NOT_FIRST = "{[<"  # JSON and XML may hold such a text, too
N_COLUMNS = 6  # id, start, end, mention, type, concept (may be missing)


@dataclass
class _Block:
    """What has been read of one document. `letters`, `texts` and `lines` are those of its passages."""

    id: str
    letters: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)

    def ends_before(self, id_: str, letter: str) -> bool:
        """Whether a passage with this id and letter begins the next document."""
        has_annotations = bool(self.entities or self.relations)
        return id_ != self.id or (letter in self.letters and (letter == TITLE or has_annotations))


def read_pubtator(source: Source) -> Iterator[Document]:
    """The documents of a file: passages (title `ID|t|…`, abstract `ID|a|…`), the lines of one text, and mentions.

    A document ends where the next one begins; blank lines mean nothing. The concept of a mention becomes its note.
    Relations are between concepts: their arguments are no ids of entities, which have none.
    """
    ids: set[str] = set()
    for block in _blocks(source):
        if block.id in ids:
            source.notice("duplicate-documents", line=block.lines[0], detail=block.id)
        ids.add(block.id)
        text = "\n".join(block.texts)
        entities = place_entities(block.entities, text=text, source=source)
        is_plain = block.lines == list(range(block.lines[0], block.lines[0] + len(block.lines)))
        where = source.where(block.lines[0])
        yield Document(block.id, text, tuple(entities), where, tuple(block.relations), is_plain=is_plain)


def looks_like_pubtator(source: Source) -> bool:
    """Whether the file begins with a title or abstract, and goes on with other passages or with its id and a tab."""
    lines = [line for line in source.head_lines if line.strip()][:LOOKED_AT_LINES]
    passages = [PASSAGE.fullmatch(line) for line in lines]
    first = passages[0] if passages else None
    if first is None or first[2] not in "ta" or first[1][0] in NOT_FIRST:
        return False
    heads = [match.groups()[:2] for match in passages if match is not None]
    is_repeated = len(set(heads)) < len(heads)  # words such as `a|t|b`, one a line
    return not is_repeated and all(
        line.startswith(f"{first[1]}\t") or (match is not None and "\t" not in line)
        for line, match in zip(lines, passages, strict=True)
    )


def holds_abstracts(source: Source) -> bool:
    """Whether somewhere in the first lines an abstract follows its title, whatever stands before them."""
    passages = [match.groups()[:2] if (match := PASSAGE.fullmatch(line)) else None for line in source.head_lines]
    return any(
        before is not None and after is not None and before[0] == after[0] and before[1] + after[1] == "ta"
        for before, after in pairwise(passages)
    )


def _blocks(source: Source) -> Iterator[_Block]:
    block: _Block | None = None
    for number, line in enumerate(source.lines(), 1):
        passage = PASSAGE.fullmatch(line)
        if passage is not None:
            id_, letter, text = passage.groups()
            if block is None or block.ends_before(id_, letter):
                yield from [block] if block is not None else []
                block = _Block(id_)
            block.letters.append(letter)
            block.texts.append(text)
            block.lines.append(number)
        elif line.strip():
            _read_annotation(line, number=number, block=block, source=source)
    if block is not None:
        yield block
    else:
        fix = "Each begins so: 8808605|t|Its title, and on the next line 8808605|a|Its abstract"
        raise source.problem("holds no document", fix=fix)


def _read_annotation(line: str, *, number: int, block: _Block | None, source: Source) -> None:
    cells = line.split("\t")
    offsets = [OFFSET.fullmatch(cell) for cell in cells[1:3]]
    if block is None or cells[0] != block.id:
        under = f"under the document {quoted(block.id)}" if block else "before the first document"
        fix = "Each line begins with the id of its document and a tab, or is a passage: 8808605|a|Its abstract"
        source.fault(f"the line begins with {quoted(cells[0])}, but stands {under}", line=number, fix=fix)
    elif len(cells) >= 5 and all(offsets) and cells[4].strip():
        start, end = (int(offset[1]) for offset in offsets if offset is not None)
        _add_mention(cells, start=start, end=end, number=number, block=block, source=source)
    elif len(cells) >= 4 and not any(offsets) and all(cell.strip() for cell in cells[1:4]):
        arguments = (("Arg1", cells[2].strip()), ("Arg2", cells[3].strip()))
        block.relations.append(Relation(cells[1].strip(), arguments, source.where(number)))
        _count_more(cells[4:], number=number, source=source)
    else:
        shown = quoted("\t".join(cells[1:]), limit=60)
        message = f"is neither a mention (id, start, end, text, type, concept) nor a relation: {shown}"
        source.fault(message, line=number, fix=EXAMPLE)


def _add_mention(cells: Sequence[str], *, start: int, end: int, number: int, block: _Block, source: Source) -> None:
    if start > end:
        source.fault(
            f"the mention ends before it begins: {start} {end}", line=number, fix="Write the smaller one first."
        )
        return
    mention, label, *concept = cells[3:N_COLUMNS]
    note = concept[0].strip() if concept else ""
    where = source.where(number)
    block.entities.append(Entity(label.strip(), ((start, end),), where, text=mention or None, note=note or None))
    _count_more(cells[N_COLUMNS:], number=number, source=source)


def _count_more(cells: Sequence[str], *, number: int, source: Source) -> None:
    """Count what stands in further columns: the single mentions in a composite one, scores, whether it is new."""
    if any(cell.strip() for cell in cells):
        source.notice("unread-annotations", line=number, detail=quoted(" ".join(cells)))
