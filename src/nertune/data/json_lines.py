"""JSON as annotation tools write it: a value a line, one array, one object that holds the array, or values in a row."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from nertune.data.source import Column, Source, check_column_keys, quoted
from nertune.errors import DataError

Json = Any  # what `json` makes of a value: dict, list, str, int, float, bool, None

BLANK = " \t\r\n\ufeff"  # JSON's white space, and the byte order marks of files that were put together
HOLDERS = ("data", "examples", "items", "records", "documents", "annotations")  # keys of an object that holds the items
ITEM_KEYS = {"text", "tokens", "words", "sentence", "tokenized_text", "content", "sentences", "paragraphs"}
NAME_KEYS = ("document", "document_id", "doc_id", "doc_key", "doc", "id")
SUFFIXES = {".json", ".jsonl", ".ndjson"}
LONG_HEAD = 1 << 20  # characters that are looked at where the first item is longer than `Source.head`
LOOKED_AT_ITEMS = 50

KINDS = {
    dict: "an object",
    list: "a list",
    bool: "true or false",
    type(None): "null",
    int: "a number",
    float: "a number",
}
BLANKS = re.compile(f"[{BLANK}]*")
SURROGATE = re.compile("[\ud800-\udfff]")
STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],:]', re.DOTALL)

# How json's message begins -> what to do. Python's own notation is met often.
HINTS = {
    "Expecting property name": "Names stand in double quotation marks (\"text\", not 'text'), and no comma before }.",
    "Illegal trailing comma": "Delete the comma before ] or }.",
    "Expecting value": "Look for a comma too many, or for None, True and 'single quotes', which are Python, not JSON.",
    "Extra data": "One value a line, without a comma after it; or all of them between [ and ], with commas.",
    "Invalid control character": r"Inside a text, line breaks and tabs are written \n and \t.",
    "Invalid \\escape": r"A backslash is written twice: \\",
}
CUT_OFF = "The file was cut off: copy or export it again."


class Malformed(ValueError):
    """JSON that `json` would read without a word, though something is lost or wrong."""


class Item(NamedTuple):
    """A value and the line (from 1) on which it begins."""

    line: int
    value: Json


@dataclass(frozen=True)
class JsonFile:
    """The items of a file as they stream in, and what stands beside them in the object that holds them."""

    items: Iterator[Item]
    header: Mapping[str, Json] = field(default_factory=dict)


def open_json(source: Source) -> JsonFile:
    """The items of a file in JSON Lines, or in JSON: the elements of its array, or the values that it holds in a row.

    An object whose `data` (see HOLDERS) is a list of objects holds the items; its other members are the header.
    What is wrong with one line of JSON Lines is kept in `source.faults`. JSON Lines are streamed; other files lie in
    memory as text, and an object that holds the items as a whole.
    Raises   DataError where JSON that is no JSON Lines cannot be read further
    """
    lines = source.lines()
    first = list(_up_to_second(lines))
    visible = [line for line in first if line.strip(BLANK)]
    if len(visible) == 2 and _are_json_lines(*visible):
        return JsonFile(_read_lines(source, chain(first, lines)))
    return _Text(source, "\n".join(chain(first, lines))).open()


def read_value(source: Source) -> Json:
    """The one value that a file holds.

    Raises   DataError if it holds no JSON, or several values
    """
    text = source.text()
    try:
        return parse(text.strip("\ufeff"))
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise _problem(source, error, text=text, line=line, is_last=True) from None


def key_names(source: Source, *, known: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The names of keys that `data.columns` gives for some of `known`.

    Raises   DataError for another key, or a number
    """
    for problem in check_column_keys(source, known=known):
        raise problem
    for key, column in source.columns.items():
        if not all(isinstance(name, str) for name in _as_tuple(column)):
            message = f"data.columns: {key} is {column}, but JSON has names, not numbers"
            raise source.problem(message, fix=f"Write for example: data: {{columns: {{{key}: {known[0]}}}}}")
    return column_keys(source, known=known)


def column_keys(source: Source, *, known: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The same, for a look at a file that may be of another format."""
    found = {key: _as_tuple(column) for key, column in source.columns.items() if key in known}
    named = {key: tuple(name for name in names if isinstance(name, str)) for key, names in found.items()}
    return {key: names for key, names in named.items() if names}


def _as_tuple(column: Column | tuple[Column, ...]) -> tuple[Column, ...]:
    return column if isinstance(column, tuple) else (column,)


def name_of(value: Mapping[str, Json], *, source: Source, number: int) -> str:
    """The name of an item as a document: its own, or that of its file with its number."""
    named = (value.get(key) for key in NAME_KEYS)
    name = next(
        (name for name in named if isinstance(name, str | int) and not isinstance(name, bool) and name != ""), None
    )
    return f"{source.path.stem}-{number}" if name is None else str(name)


def shown(value: Json) -> str:
    """A value for a message, in a few words."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)[:40]
    return KINDS[type(value)]


# ---- JSON Lines


def _up_to_second(lines: Iterator[str]) -> Iterator[str]:
    n_visible = 0
    for line in lines:
        yield line
        n_visible += bool(line.strip(BLANK))
        if n_visible == 2:
            return


def _are_json_lines(first: str, second: str) -> bool:
    """Whether one of the lines is a value, and the other one, too, or a broken one, not one that goes on."""
    return (_is_line(first) and not _goes_on(second)) or (_is_line(second) and not _goes_on(first))


def _is_line(line: str) -> bool:
    """Whether a line is an array or object; one with a comma after it is a mistake that is told later."""
    line = line.strip(BLANK)
    if line[:1] not in ("{", "["):
        return False
    try:
        parse(line.removesuffix(",") if line[0] == "{" else line)
    except (ValueError, RecursionError) as error:
        return isinstance(error, Malformed)
    return True


def _goes_on(line: str) -> bool:
    return line.rstrip(BLANK).endswith(("[", "{", ",", ":")) and not _is_line(line)


def _read_lines(source: Source, lines: Iterator[str]) -> Iterator[Item]:
    before: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        line = line.strip(BLANK)
        if not line:
            continue
        if before is not None:
            yield from _read_line(source, *before)
        before = number, line
    if before is not None:
        yield from _read_line(source, *before, is_last=True)


def _read_line(source: Source, number: int, line: str, *, is_last: bool = False) -> Iterator[Item]:
    try:
        yield Item(number, parse(line))
    except (ValueError, RecursionError) as error:
        source.faults.add(_problem(source, error, text=line, line=number, is_last=is_last))


def parse(text: str) -> Json:
    """The value of a text.

    Raises   ValueError, or RecursionError where values stand too deep inside one another
    """
    value = DECODER.decode(text)
    _check_surrogates(text, value=value)
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"the key {quoted(twice)} stands twice in one object")
    return members


DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _check_surrogates(text: str, *, value: Json, start: int = 0, end: int | None = None) -> None:
    """Refuse half a character, which no UTF-8 file could hold: only an escape can write it."""
    stop = len(text) if end is None else end
    if text.find("\\ud", start, stop) < 0 and text.find("\\uD", start, stop) < 0:
        return
    found = SURROGATE.search(json.dumps(value, ensure_ascii=False))
    if found:
        raise Malformed(f"\\u{ord(found[0]):04x} is half a character: the other half of its UTF-16 pair is missing")


def _problem(source: Source, error: Exception, *, text: str, line: int, is_last: bool) -> DataError:
    if isinstance(error, RecursionError):
        return source.problem("lists or objects stand too deep inside one another", line=line, fix="Flatten them.")
    if isinstance(error, Malformed):
        return source.problem(str(error), line=line, fix="Correct the file, or what wrote it.")
    if not isinstance(error, json.JSONDecodeError):
        return source.problem("a number has thousands of digits", line=line, fix="Correct or delete it.")
    if is_last and _is_cut(text, error):
        return source.problem("the file ends in the middle of a JSON value", line=line, fix=CUT_OFF)
    fix = next(
        (hint for start, hint in HINTS.items() if error.msg.startswith(start)), "Correct it, or delete the line."
    )
    return source.problem(f"not JSON: {error.msg.lower()} (character {error.colno} of the line)", line=line, fix=fix)


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """Whether a text is no JSON because it ends too early: in a string, a literal, or where something is expected."""
    rest = text[error.pos :].strip(BLANK)
    return not rest or error.msg.startswith(("Unterminated string", "Invalid \\u")) or rest.lstrip("-").isalpha()


# ---- JSON that is no JSON Lines


class _Text:
    """A JSON text, and where in it we are; positions are characters from 0."""

    def __init__(self, source: Source, text: str) -> None:
        self.source, self.text = source, text
        self._line, self._counted = 1, 0

    def open(self) -> JsonFile:
        start = self.skip(0)
        if self.text[start : start + 1] != "{":
            return JsonFile(self.values(start))
        value, end = self.decode(start)
        holder = holder_of(value)
        if holder is None:
            return JsonFile(chain(self._good(start, end, value), self.values(end)))
        header = {key: member for key, member in value.items() if key != holder}
        return JsonFile(chain(self.elements(self._place_of(holder, start=start)), self.values(end)), header)

    def skip(self, start: int) -> int:
        """The next position that is not blank."""
        match = BLANKS.match(self.text, start)
        return match.end() if match else start

    def line_of(self, position: int) -> int:
        if position < self._counted:
            self._line, self._counted = 1, 0
        self._line += self.text.count("\n", self._counted, position)
        self._counted = position
        return self._line

    def decode(self, start: int) -> tuple[Json, int]:
        """The value at a position, and where it ends; half characters are not looked for."""
        try:
            return DECODER.raw_decode(self.text, start)
        except (ValueError, RecursionError) as error:
            position = error.pos if isinstance(error, json.JSONDecodeError) else start
            line = self.line_of(min(position, len(self.text.rstrip(BLANK))))
            raise _problem(self.source, error, text=self.text, line=line, is_last=True) from None

    def values(self, start: int) -> Iterator[Item]:
        """The values in a row from here on; of an array its elements, unless it is a pair such as `["text", {…}]`."""
        start = self.skip(start)
        while start < len(self.text):
            inside = self.skip(start + 1)
            if self.text[start] == "[" and self.text[inside : inside + 1] != '"':
                start = yield from self.elements(start)
            else:
                value, end = self.decode(start)
                yield from self._good(start, end, value)
                start = end
            start = self.skip(start)

    def elements(self, start: int) -> Generator[Item, None, int]:
        """The elements of the array at a position; returns where it ends."""
        start = self.skip(start + 1)
        if self.text[start : start + 1] == "]":
            return start + 1
        while True:
            value, end = self.decode(start)
            yield from self._good(start, end, value)
            end = self.skip(end)
            if self.text[end : end + 1] == "]":
                return end + 1
            if self.text[end : end + 1] != ",":
                raise self._no_comma(end)
            start = self.skip(end + 1)

    def _good(self, start: int, end: int, value: Json) -> Iterator[Item]:
        line = self.line_of(start)
        try:
            _check_surrogates(self.text, value=value, start=start, end=end)
        except (Malformed, RecursionError) as error:
            self.source.faults.add(_problem(self.source, error, text="", line=line, is_last=False))
            return
        yield Item(line, value)

    def _no_comma(self, position: int) -> DataError:
        if position == len(self.text):
            line = self.line_of(len(self.text.rstrip(BLANK)))
            return self.source.problem("the file ends before the list does: ] is missing", line=line, fix=CUT_OFF)
        message = (
            f"not JSON: , or ] is needed between or after the items, not {quoted(self.text[position : position + 10])}"
        )
        return self.source.problem(message, line=self.line_of(position), fix="Correct it.")

    def _place_of(self, key: str, *, start: int) -> int:
        """Where the value of a member of the object at `start` begins; the object is known to be whole."""
        name, end = DECODER.raw_decode(self.text, self.skip(start + 1))
        while name != key:
            _, end = DECODER.raw_decode(self.text, self.skip(self.skip(end) + 1))  # its value, after the colon
            name, end = DECODER.raw_decode(self.text, self.skip(self.skip(end) + 1))  # the next name, after the comma
        return self.skip(self.skip(end) + 1)


def holder_of(value: Json) -> str | None:
    """The key whose list holds the items of a file that is one object; None where the object is an item itself."""
    if not isinstance(value, dict) or ITEM_KEYS & value.keys():
        return None
    return next((key for key in HOLDERS if _holds_items(value.get(key), is_pairs=key == "annotations")), None)


def _holds_items(value: Json, *, is_pairs: bool) -> bool:
    """Whether a value is a list of items. Objects in `annotations` belong to one text; pairs in it are items."""
    if not isinstance(value, list):
        return False
    first = next((element for element in value if element is not None), None)
    return isinstance(first, list) or (not is_pairs and (first is None or isinstance(first, dict)))


# ---- the beginning of a file, to recognise what it holds


def is_json(source: Source) -> bool:
    """Whether a file is named and begins as JSON, whole or broken: what is wrong is then told in terms of JSON."""
    return source.path.suffix.lower() in SUFFIXES and source.head.lstrip(BLANK)[:1] in ("{", "[")


def first_items(source: Source) -> tuple[Mapping[str, Json], list[Json]]:
    """Header and first items of a file; none if it is no JSON. The last one may lack what stands beyond the head."""
    text = source.head.lstrip(BLANK)
    if text[:1] not in ("{", "["):
        return {}, []
    header, items, is_whole = _items_of_head(text)
    if not is_whole:
        header, items, _ = _items_of_head(_longer_head(source))
    return header, items


def _longer_head(source: Source) -> str:
    lines, n_characters = [], 0
    apart = Source(source.path, source.data, encodings=source.encodings)  # what is noticed here is noticed again later
    try:
        for line in apart.lines():
            lines.append(line)
            n_characters += len(line)
            if n_characters > LONG_HEAD:
                break
    except DataError:
        pass
    return "\n".join(lines).strip(BLANK)[:LONG_HEAD]


def _items_of_head(text: str) -> tuple[Mapping[str, Json], list[Json], bool]:
    """Header, first items, and whether the first item is there as a whole."""
    lines = [line for line in text.split("\n") if line.strip(BLANK)][:LOOKED_AT_ITEMS]
    if len(lines) > 1 and _are_json_lines(*lines[:2]):
        values = [_parsed(line) for line in lines]
        return {}, [value for value in values if value is not None], True
    value, is_whole = _parsed(text), True
    if value is None:
        value, is_whole = _parsed(_closed(text)), False
    holder = holder_of(value)
    if holder is not None:
        header = {key: member for key, member in value.items() if key != holder}
        return header, value[holder][:LOOKED_AT_ITEMS], is_whole or len(value[holder]) > 1
    if isinstance(value, list) and not isinstance(next(iter(value), None), str):
        return {}, value[:LOOKED_AT_ITEMS], is_whole or len(value) > 1
    return {}, [] if value is None else [value], is_whole


def _parsed(text: str) -> Json:
    """The first value of a text, None where there is none."""
    try:
        return DECODER.raw_decode(text.strip(BLANK))[0]
    except (ValueError, RecursionError):
        return None


def _closed(text: str) -> str:
    """A JSON text that was cut somewhere, ended where it makes sense: what was cut is left out, or empty."""
    closing: list[str] = []
    end, filler = 0, ""
    for match in STRUCTURE.finditer(text):
        mark = match[0]
        if mark[0] == '"':
            continue
        filler = ""
        end = match.start() if mark == "," else match.end()
        if mark in "{[":
            closing.append("}" if mark == "{" else "]")
        elif mark in "}]" and closing:
            closing.pop()
        elif mark == ":":
            filler = '""' if text[end:].lstrip(BLANK)[:1] == '"' else "null"
    return text[:end] + filler + "".join(reversed(closing))
