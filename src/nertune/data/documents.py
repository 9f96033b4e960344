"""Documents: text annotated by characters, as brat, PubTator, BioC, MAE and JSON exports have it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from nertune.errors import Where

Part = tuple[int, int]  # characters `start` (included) to `end` (excluded) of the document's text


@dataclass(frozen=True, slots=True)
class Entity:
    """One annotated mention.

    parts  in the order of the text, never empty; more than one: discontinuous
    where  where the annotation stands
    id     as the file names it
    text   the mention as the file writes it beside the offsets, to be compared; None where it writes none
    note   what else the file says of it: a concept id (PubTator), a normalisation
    """

    label: str
    parts: tuple[Part, ...]
    where: Where
    id: str | None = None
    text: str | None = None
    note: str | None = None

    @property
    def start(self) -> int:
        return self.parts[0][0]

    @property
    def end(self) -> int:
        return self.parts[-1][1]


@dataclass(frozen=True, slots=True)
class Relation:
    """What connects entities: a relation, an event, a link. `arguments` are (role, entity id)."""

    label: str
    arguments: tuple[tuple[str, str], ...]
    where: Where
    id: str | None = None


@dataclass(frozen=True)
class Document:
    """One annotated text.

    text      as annotated; offsets count its characters (code points)
    entities  in the order of the file
    where     the line of the text's first character
    is_plain  the text stands in the file as it is, so that its third line is the third one after `where`
    words     (start, end) of each word, where the file says what the words are
    """

    id: str
    text: str
    entities: tuple[Entity, ...]
    where: Where
    relations: tuple[Relation, ...] = ()
    is_plain: bool = False
    words: tuple[Part, ...] | None = None

    def where_of(self, offset: int) -> Where:
        """The place in the file of a character of the text."""
        if not self.is_plain or self.where.line is None:
            return self.where
        return Where(self.where.path, self.where.line + bisect_right(self._line_starts, offset) - 1)

    @cached_property
    def line_end(self) -> str:
        """What ends the lines of the text: LF, or CR where there is no LF."""
        return "\r" if "\r" in self.text and "\n" not in self.text else "\n"

    @cached_property
    def _line_starts(self) -> list[int]:
        line_end = self.line_end
        return [0, *(i + 1 for i, char in enumerate(self.text) if char == line_end)]
