"""Input without labels: plain text, a word a line, or JSON with texts or words; as it streams in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from nertune.data.examples import Task
from nertune.data.json_lines import BLANK, Json, key_names, parse, shown
from nertune.data.readers.json_texts import PAIR_KEYS, TEXT_KEYS
from nertune.data.readers.json_tokens import WORD_KEYS, is_words
from nertune.data.source import Source, listed
from nertune.predict.given import Given, given_lines, given_sentence, given_text

COLUMNS, LABEL_COLUMNS = ("text", "pair", "word"), ("label", "tag")  # of `data.columns`

Keys = Mapping[str, tuple[str, ...]]  # what is read -> names of the keys
Line = tuple[int, str]  # its number from 1, and what stands in it
Read = Callable[[Line], list[Given]]  # what is complete with this line


@dataclass(frozen=True)
class Plain:
    """One member of PLAIN: how lines without labels become sentences or texts.

    start   (source, task) -> a function that is given each line, and at the end an empty one
    holds   what stands in such input, in a few words
    """

    start: Callable[[Source, Task], Read]
    holds: str


def read_plain(lines: Iterable[str], *, form: str, source: Source, task: Task) -> Iterator[Given]:
    """The sentences or texts of lines in this form of PLAIN; `source.faults` gets the lines of JSON that are none.

    Raises  DataError at a line of words that has no such column
    """
    read = PLAIN[form].start(source, task)
    number = 0
    for number, line in enumerate(lines, 1):
        yield from read((number, line))
    yield from read((number + 1, ""))


# ---- text


def _start_texts(source: Source, task: Task) -> Read:
    return partial(_read_text, source=source, task=task)


def _read_text(line: Line, *, source: Source, task: Task) -> list[Given]:
    """The sentence or text of a line; none where it is blank."""
    number, text = line
    if not text.strip():
        return []
    where = source.where(number)
    if task == "sequence":
        return [given_text(text, where=where)]
    return given_lines(text, where=where, data=source.data)


# ---- a word a line


@dataclass
class _Words:
    """Takes a word from each line, and makes a sentence of them at an empty one."""

    source: Source
    task: Task
    column: int = 0
    words: list[str] = field(default_factory=list)
    first: int = 1

    def __call__(self, line: Line) -> list[Given]:
        number, text = line
        if text.strip():
            cells = text.split("\t") if "\t" in text else text.split()
            if not -len(cells) <= self.column < len(cells):
                message = f"there is no column {self.column}; the line has {len(cells)}, and the first one is 0"
                raise self.source.problem(message, line=number, fix="data.columns: {word: 0}")
            self.first = self.first if self.words else number
            self.words.append(cells[self.column])
            return []
        words, self.words = self.words, []
        where = self.source.where(self.first)
        if not words:
            return []
        return [given_sentence(words, where=where, task=self.task)]


def _start_words(source: Source, task: Task) -> Read:
    column = source.columns.get("word", 0)
    if not isinstance(column, int):
        raise source.problem(f"data.columns: word is {column}, but lines have numbers", fix="data.columns: {word: 0}")
    return _Words(source, task, column)


# ---- JSON Lines


def _start_json(source: Source, task: Task) -> Read:
    return partial(_read_json, source=source, task=task, keys=keys_of(source))


def _read_json(line: Line, *, source: Source, task: Task, keys: Keys) -> list[Given]:
    number, text = line
    if not text.strip(BLANK):
        return []
    try:
        item = parse(text.strip(BLANK))
    except (ValueError, RecursionError) as error:
        fix = "One object a line, without a comma after it; plain text that begins so: --format text"
        source.fault(f"not JSON: {error}", line=number, fix=fix)
        return []
    return given_json(item, line=number, source=source, task=task, keys=keys)


def keys_of(source: Source) -> Keys:
    """The names of keys that `data.columns` gives; those of labels do not matter.

    Raises  DataError for numbers
    """
    return key_names(source, known=(*COLUMNS, *LABEL_COLUMNS))


def given_json(item: Json, *, line: int, source: Source, task: Task, keys: Keys) -> list[Given]:
    """The sentences or text of a JSON object; its labels, if it has any, do not count.

    One with neither text nor words is a fault of the source, and nothing.
    """
    found = find_text(item, keys=keys, task=task)
    if found is None:
        what = f"the keys are {listed(list(item))}" if isinstance(item, dict) else f"it is {shown(item)}"
        source.fault(
            f"no text and no list of words is found here; {what}",
            line=line,
            fix='Write for example: {"text": "Ada met Bo."}, or say which key: --text-column KEY',
        )
        return []
    text, pair = found
    where, id = source.where(line), _id_of(item)
    if not isinstance(text, str):
        return [given_sentence(text, where=where, task=task, id=id)]
    if task == "sequence":
        return [given_text(text, where=where, pair=pair, id=id)]
    return given_lines(text, where=where, data=source.data, id=id)


def find_text(item: Json, *, keys: Keys, task: Task) -> tuple[str | list[str], str | None] | None:
    """The text of an object, or its words; and the second text of a pair. None where there is neither.

    Of both, a token task takes the words, a sequence task the text.
    """
    if not isinstance(item, dict):
        return None
    is_told = bool(keys.keys() & {*COLUMNS})
    words = _words_of(item, names=keys.get("word", () if is_told else WORD_KEYS))
    text = _pair_of(item, keys=keys) if "text" in keys or not is_told else None
    return (words or text) if task == "token" else (text or words)


def _words_of(item: dict[str, Json], *, names: Sequence[str]) -> tuple[list[str], None] | None:
    return next(((item[name], None) for name in names if is_words(item.get(name))), None)


def _pair_of(item: dict[str, Json], *, keys: Keys) -> tuple[str, str | None] | None:
    """The text of an object, and the second one of a pair."""
    for first, seconds in () if keys else PAIR_KEYS.items():
        second = next((item[name] for name in seconds if isinstance(item.get(name), str)), None)
        if second is not None and isinstance(item.get(first), str):
            return item[first], second
    text = next((item[name] for name in keys.get("text", TEXT_KEYS) if isinstance(item.get(name), str)), None)
    pair = next((item[name] for name in keys.get("pair", ()) if isinstance(item.get(name), str)), None)
    return None if text is None else (text, pair)


def _id_of(item: Json) -> str | int | None:
    id = item.get("id") if isinstance(item, dict) else None
    return id if isinstance(id, (str, int)) and not isinstance(id, bool) else None


PLAIN: dict[str, Plain] = {
    "text": Plain(_start_texts, "a sentence or text a line"),
    "words": Plain(_start_words, "a word a line, an empty line after each sentence"),
    "json": Plain(_start_json, "JSON Lines with a text, or a list of words, in each"),
}
