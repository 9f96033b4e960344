"""XML as it streams in: the children of the root one by one, each element with its line; entities are refused."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from xml.parsers import expat

from nertune.data.encodings import UTF8_MARK
from nertune.data.source import Source, quoted
from nertune.errors import DataError

MAX_DEPTH = 64  # elements within each other; annotation has five or six
LINES_AT_ONCE = 1000
OUTLINED = 200  # elements of a file's head that are looked at to recognise a format
DECLARED = re.compile(r"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")


@dataclass(frozen=True)
class Node:
    """An element.

    text       its character data without that of its children; where it has CDATA sections and nothing but white space
               around them, what stands in these
    line       of its start tag; `text_line` is where `text` begins, `end_line` that of its end tag
    """

    name: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    text_line: int = 0
    end_line: int = 0
    children: tuple[Node, ...] = ()

    def find(self, name: str) -> Node | None:
        """The first child with this name."""
        return next((child for child in self.children if child.name == name), None)

    def all(self, name: str) -> list[Node]:
        """The children with this name."""
        return [child for child in self.children if child.name == name]


def read_nodes(source: Source) -> Iterator[Node]:
    """The root without its content, then each of its children, complete.

    Raises  DataError for what is no well-formed XML, declares or needs entities, or is nested deeper than `MAX_DEPTH`
    """
    source = _as_declared(source)
    lines = enumerate(source.lines())
    n_blank, first = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    builder = _Builder(source, n_blank_lines=n_blank)
    texts = chain([first.lstrip()], (line for _, line in lines))  # before the declaration expat stands no blank
    while batch := list(islice(texts, LINES_AT_ONCE)):
        builder.feed("\n".join([*batch, ""]))
        yield from builder.take()
    builder.feed("", is_last=True)
    yield from builder.take()


def is_xml(source: Source) -> bool:
    """Whether a file begins as XML, whole or broken: what is wrong is then told in terms of XML."""
    head = source.head.lstrip()
    return head.startswith("<?xml") or (head.startswith("<") and source.path.suffix.casefold() == ".xml")


def outline(source: Source) -> list[tuple[str, ...]]:
    """The names of the first elements of a file, each after those that it stands in; none where it is no XML."""
    found: list[tuple[str, ...]] = []
    path: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        path.append(name)
        found.append(tuple(path))
        if len(found) >= OUTLINED or len(path) > MAX_DEPTH:
            raise _Enough

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: path.pop()
    parser.EntityDeclHandler = _refuse
    if source.head.lstrip()[:1] != "<":
        return []
    try:
        parser.Parse(source.head.lstrip())
    except (_Enough, expat.ExpatError, UnicodeError):
        return found
    return found


class _Enough(Exception):
    """Ends a look at a file."""


def _refuse(*_: object) -> None:
    raise _Enough


@dataclass
class _Open:
    """An element whose end tag has not been read. Of each text: whether it stands in a CDATA section."""

    name: str
    attributes: dict[str, str]
    line: int
    texts: list[tuple[bool, str]] = field(default_factory=list)
    section_line: int | None = None
    children: list[Node] = field(default_factory=list)

    def close(self, line: int) -> Node:
        around = "".join(text for is_section, text in self.texts if not is_section)
        has_sections_only = self.section_line is not None and not around.strip()
        text = "".join(text for is_section, text in self.texts if is_section or not has_sections_only)
        text_line = self.section_line if has_sections_only and self.section_line is not None else self.line
        return Node(self.name, self.attributes, self.line, text, text_line, line, tuple(self.children))


class _Builder:
    """Makes nodes of what expat tells."""

    def __init__(self, source: Source, *, n_blank_lines: int) -> None:
        self._source = source
        self._n_blank_lines = n_blank_lines
        self._open: list[_Open] = []
        self._done: list[Node] = []
        self._is_section = False
        parser = self._parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartCdataSectionHandler = self._start_section
        parser.EndCdataSectionHandler = self._end_section
        parser.EntityDeclHandler = self._declared_entity
        parser.SkippedEntityHandler = self._unknown_entity

    def feed(self, text: str, *, is_last: bool = False) -> None:
        try:
            self._parser.Parse(text, is_last)
        except expat.ExpatError as error:
            raise self._malformed(error, is_last=is_last) from None
        except UnicodeEncodeError:
            fix = "Say in what it is encoded, for example: data: {encoding: utf-8}"
            raise self._problem(
                "holds half of a UTF-16 pair, which is no character", line=self._line, fix=fix
            ) from None

    def take(self) -> list[Node]:
        """What has been finished since the last call."""
        done, self._done = self._done, []
        return done

    @property
    def _line(self) -> int:
        return self._parser.CurrentLineNumber

    def _problem(self, message: str, *, line: int, fix: str) -> DataError:
        return self._source.problem(message, line=line + self._n_blank_lines, fix=fix)

    def _malformed(self, error: expat.ExpatError, *, is_last: bool) -> DataError:
        if is_last and self._open:
            element = self._open[-1]
            message = f"the file ends before <{element.name}> does, which begins here"
            return self._source.problem(message, line=element.line, fix="Copy or export it again: its end is missing.")
        message = f"is not well-formed XML: {expat.ErrorString(error.code)}, at column {error.offset + 1}"
        fix = "Look at that place: in a text & is written &amp; and < is &lt;, and control characters are forbidden."
        is_behind = is_last and error.lineno > 1 and error.offset == 0  # the line end that every line gets here
        return self._problem(message, line=error.lineno - is_behind, fix=fix)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self._line + self._n_blank_lines
        if not self._open:
            self._done.append(Node(name, attributes, line))
        if len(self._open) >= MAX_DEPTH:
            fix = "Look whether an end tag is missing above."
            raise self._problem(f"<{name}> is nested more than {MAX_DEPTH} elements deep", line=self._line, fix=fix)
        self._open.append(_Open(name, attributes, line))

    def _end(self, _: str) -> None:
        node = self._open.pop().close(self._line + self._n_blank_lines)
        if len(self._open) > 1:
            self._open[-1].children.append(node)
        elif self._open:
            self._done.append(node)

    def _text(self, text: str) -> None:
        if len(self._open) > 1:  # that of the root is white space between its children
            self._open[-1].texts.append((self._is_section, text))

    def _start_section(self) -> None:
        self._is_section = True
        if self._open[-1].section_line is None:
            self._open[-1].section_line = self._line + self._n_blank_lines

    def _end_section(self) -> None:
        self._is_section = False

    def _declared_entity(self, name: str, *_: object) -> None:
        fix = "Write what it stands for in its place, and delete the declaration."
        raise self._problem(f"declares the entity {quoted(name)}, which is not read", line=self._line, fix=fix)

    def _unknown_entity(self, name: str, _: bool) -> None:
        fix = "Write the character itself."
        raise self._problem(f"has the entity &{quoted(name)[1:-1]};, which is not known", line=self._line, fix=fix)


def _as_declared(source: Source) -> Source:
    """The source, decoded as its XML declaration says where neither the study file nor a byte order mark says how."""
    declared = DECLARED.match(source.head[:1000])
    if declared is None or source.data.encoding is not None or source.encoding != "utf-8-sig":
        return source
    try:
        is_possible = "<?xml".encode(declared[1]) == b"<?xml"  # what could be read as UTF-8 is no UTF-16
        name = codecs.lookup(declared[1]).name
    except (LookupError, UnicodeError):
        is_possible, name = False, ""
    if not name or name.endswith("escape"):
        message = f"the XML declaration names the encoding {quoted(declared[1])}, which is not known"
        raise source.problem(message, line=1, fix="Say what it is, for example: data: {encoding: latin-1}")
    if not is_possible or name in ("utf-8", "ascii"):  # ASCII is UTF-8
        return source
    other = replace(source, data=source.data.model_copy(update={"encoding": declared[1]}))
    return source if other.head.startswith(UTF8_MARK.decode(other.encoding, errors="replace")) else other
