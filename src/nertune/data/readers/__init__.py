"""Readers: an annotated file -> tagged sentences, documents or texts, as they stream in. One module for each format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nertune.data.characters import REPLACEMENT
from nertune.data.documents import Document
from nertune.data.examples import Task
from nertune.data.json_lines import is_json
from nertune.data.readers.bioc import looks_like_bioc, read_bioc
from nertune.data.readers.brat import looks_like_brat, read_brat
from nertune.data.readers.cerebras import looks_like_cerebras, read_cerebras
from nertune.data.readers.conll import ENDINGS, has_other_border, looks_like_conll, read_conll
from nertune.data.readers.hub import looks_like_hub, read_hub
from nertune.data.readers.json_spans import looks_like_json_spans, read_json_spans
from nertune.data.readers.json_texts import looks_like_json_texts, read_json_texts
from nertune.data.readers.json_tokens import looks_like_json_tokens, read_json_tokens
from nertune.data.readers.kaggle import looks_like_kaggle, read_kaggle
from nertune.data.readers.mae import looks_like_mae, read_mae
from nertune.data.readers.own import find_own_reader
from nertune.data.readers.parallel import looks_like_parallel, read_parallel
from nertune.data.readers.pubtator import holds_abstracts, looks_like_pubtator, read_pubtator
from nertune.data.readers.slots import looks_like_slots, read_slots
from nertune.data.readers.tables import looks_like_csv, looks_like_tsv, read_csv, read_tsv
from nertune.data.source import LabelledText, Source, TaggedSentence, listed, quoted
from nertune.data.xml import is_xml, outline
from nertune.errors import closest
from nertune.hooks import is_hook

Item = TaggedSentence | Document | LabelledText
Reader = Callable[[Source], Iterator[Item]]


@dataclass(frozen=True)
class Format:
    """One member of READERS.

    read        the items of a file, in its order
    tasks       what it can be read for
    holds       what stands in such a file, in a few words
    recognise   whether a file looks like it; asked in the order of READERS
    encodings   tried in this order where nothing says which
    is_certain  False: it is recognised in many files that are something else
    is_table    `data.columns` says what is read of it
    """

    read: Reader
    tasks: tuple[Task, ...]
    holds: str
    recognise: Callable[[Source], bool]
    encodings: tuple[str, ...] = ("utf-8",)
    is_certain: bool = True
    is_table: bool = True


READERS: dict[str, Format] = {
    "datasets": Format(
        read_hub, ("token", "sequence"), "a folder that `datasets` saved, or a name on the hub", looks_like_hub
    ),
    "slots": Format(read_slots, ("token",), "words and tags of a sentence in two columns", looks_like_slots),
    "kaggle": Format(
        read_kaggle, ("token",), "CSV of Sentence #, Word, POS, Tag", looks_like_kaggle, encodings=("utf-8", "latin-1")
    ),
    "cerebras": Format(
        read_cerebras, ("token",), "CSV of words and label ids, as Cerebras has it", looks_like_cerebras
    ),
    "brat": Format(
        read_brat, ("token",), "a text (.txt) with annotations (.ann) beside it", looks_like_brat, is_table=False
    ),
    "pubtator": Format(
        read_pubtator, ("token",), "titles, abstracts and mentions", looks_like_pubtator, is_table=False
    ),
    "bioc": Format(read_bioc, ("token",), "BioC XML or JSON", looks_like_bioc),
    "mae": Format(read_mae, ("token",), "MAE XML: a text and tags", looks_like_mae, is_table=False),
    "spans": Format(read_json_spans, ("token",), "JSON of texts and entities by characters", looks_like_json_spans),
    "jsonl": Format(read_json_tokens, ("token",), "JSON of words and tags", looks_like_json_tokens),
    "jsonl-texts": Format(read_json_texts, ("sequence",), "JSON of texts and classes", looks_like_json_texts),
    "parallel": Format(read_parallel, ("token",), "words in one file, tags in another", looks_like_parallel),
    "conll": Format(read_conll, ("token",), "a word a line", looks_like_conll),
    "tsv": Format(read_tsv, ("sequence",), "a text, a tab and its label a line", looks_like_tsv, is_certain=False),
    "csv": Format(
        read_csv,
        ("sequence",),
        "texts and labels with commas, semicolons or bars between",
        looks_like_csv,
        is_certain=False,
    ),
}

USUAL: dict[Task, str] = {"token": "conll", "sequence": "tsv"}  # whose messages tell what is missing
XML = {"collection": "bioc", "TEXT": "mae", "TAGS": "mae"}  # an element that only one kind of it has
TOKEN_COLUMNS = {"word", "tag"}  # keys of `data.columns` that only entities have
JSON: dict[Task, str] = {"token": "jsonl", "sequence": "jsonl-texts"}  # the same of JSON in no known form


def recognised(source: Source) -> list[str]:
    """The formats that a file looks like, the most special first."""
    if looks_like_hub(source):  # a folder or a name, which no other reader can open
        return ["datasets"]
    return [name for name, form in READERS.items() if form.recognise(source)]


def named_format(name: str) -> Format:
    """The member of READERS with this name; of `package.module:name`, the user's own reader.

    Raises  HookError for code of the user's own that cannot be used
    """
    if not is_hook(name):
        return READERS[name]
    return Format(find_own_reader(name), ("token", "sequence"), "as your own reader has it", recognise=lambda _: True)


def find_format(name: str, *, source: Source, task: Task | None) -> str:
    """The format to read a file with: the one that is named, or for `auto` the one its content shows.

    Raises   DataError if no format has that name, or if it does not fit the task
    """
    if is_hook(name):
        return name
    if name != "auto" and name not in READERS:
        near = closest(name, [*READERS, "auto"])
        raise source.problem(
            f"no format is named {quoted(name)}; there are {listed(['auto', *READERS])}",
            fix=f"Write for example: data: {{format: {near or 'auto'}}}",
        )
    if task is None and source.columns.keys() & TOKEN_COLUMNS:
        task = "token"
    found = [name] if name != "auto" else recognised(source)
    certain = [one for one in found if READERS[one].is_certain or name != "auto"]
    fitting = [one for one in certain or found if task is None or task in READERS[one].tasks]
    if fitting:
        return fitting[0]
    if certain:
        form = READERS[certain[0]]
        raise source.problem(
            f"the {'file looks like' if name == 'auto' else 'format is'} {certain[0]} ({form.holds}), "
            f"but the task is {task}",
            fix=f"Write task: {form.tasks[0]}, or name the right format, for example: format: {USUAL[task or 'token']}",
        )
    return _meant(source, task=task)


def _meant(source: Source, *, task: Task | None) -> str:
    """The format whose reader can tell best what is wrong with a file that looks like none.

    Raises   DataError for a file without text, and where nothing shows what it was meant to be
    """
    source.check_is_text()
    if not source.head.strip():
        raise source.problem("the file holds nothing but white space", fix="Name the file that holds the text.")
    if REPLACEMENT in source.head:
        source.text()  # which tells the wrong byte
    if is_json(source):
        return JSON[task or "token"]
    if is_xml(source):
        return _meant_xml(source, task=task)
    if task != "sequence" and holds_abstracts(source):
        return "pubtator"
    is_conll = source.path.suffix.casefold() in ENDINGS or has_other_border(source)
    if task is None and (is_conll or source.columns.keys() & TOKEN_COLUMNS):
        return USUAL["token"]
    if task is None:
        raise source.problem(
            "the format is not recognised", fix=f"Say what it is: --format NAME, one of {', '.join(READERS)}"
        )
    return USUAL[task]


def _meant_xml(source: Source, *, task: Task | None) -> str:
    """bioc or mae, whose reader tells what is wrong.

    Raises   DataError for XML of another kind, and where the task is about classes
    """
    meant = next((form for element, form in XML.items() if f"<{element}" in source.head), None)
    if meant is not None and task != "sequence":
        return meant
    message = "the file is XML, but no texts with classes are read from XML"
    if task != "sequence":
        root = next((path[0] for path in outline(source)), "…")
        message = (
            f"the file is XML that begins with <{root}>, but BioC has <collection> there, and MAE <TEXT> in its root"
        )
    forms = "a table or JSON Lines" if task == "sequence" else "one of these two, or as CoNLL or JSON Lines"
    raise source.problem(message, line=1, fix=f"Export it as {forms}.")
