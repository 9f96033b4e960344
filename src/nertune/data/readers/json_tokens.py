"""JSON with a list of words an item: their tags in a second list, or entities that count words.

Forms, told by the keys of the first item:
  tags     {"tokens": ["Ada", "slept"], "ner_tags": ["B-PER", "O"]}; numbers instead of tags need a list of names
           (`label_lists`); a word may have a list of tags; `data.columns: {word: KEY, tag: KEY or [KEY, KEY]}`
  spaCy    {"paragraphs": [{"sentences": [{"tokens": [{"orth": "Ada", "ner": "U-PER"}]}]}]}, the JSON of spaCy 2
  spans    {"tokens": ["Ada", "slept"], "entities": [{"start": 0, "end": 1, "type": "PER"}]}, ends excluded (SpERT);
           an entity written as a list, [0, 0, "PER"], has its end included (GLiNER)
  DyGIE    {"sentences": [["Ada"], ["She"]], "ner": [[[0, 0, "PER"]], []]}, ends included, words counted through
In the last two, entities may nest: they become documents whose words are given, a sentence a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeGuard

from nertune.data.documents import Document, Entity, Part, Relation
from nertune.data.json_lines import Json, column_keys, first_items, key_names, name_of, open_json, shown
from nertune.data.label_lists import LIST_KEYS, LabelNames, unknown_number
from nertune.data.labels import OUTSIDE
from nertune.data.source import SEVERAL, Source, TaggedSentence, listed
from nertune.data.standoff import keep_known, place_entities
from nertune.errors import DataError

WORD_KEYS = ("tokens", "words", "tokenized_text", "token", "text", "sentence")
TAG_KEYS = ("ner_tags", "tags", "labels", "ner", "ner_labels", "label_tags", "token_labels", "bio_tags", "tag", "label")
SPAN_KEYS = ("entities", "ner", "spans", "entity_mentions")
TYPE_KEYS = ("type", "label", "entity_type", "tag")
DOCUMENT_KEYS = ("document", "document_id", "doc_id", "doc")
UNKNOWN = "-"  # spaCy: nobody said whether this word is in an entity
FIX = "Correct the item, or delete it."

Object = dict[str, Json]
ReadItem = Callable[..., Iterator[TaggedSentence | Document]]  # of a source, an item, its line and its number


@dataclass(frozen=True)
class TagForm:
    """The keys of the words and of their tags, and what numbers mean in place of tags."""

    words: str
    tags: tuple[str, ...]
    names: Mapping[str, LabelNames]


def read_json_tokens(source: Source) -> Iterator[TaggedSentence | Document]:
    """The sentences of a JSON file, one for each item; documents where entities count words."""
    columns = key_names(source, known=("word", "tag"))
    file = open_json(source)
    header = dict(file.header)
    read: ReadItem | None = None
    for number, (line, item) in enumerate(file.items, 1):
        if not isinstance(item, dict):
            source.fault(f"{shown(item)} where an object with words and tags is needed", line=line, fix=FIX)
            continue
        if read is None and _is_header(item, columns=columns):
            header |= item
            continue
        read = read or _choose(source, item=item, columns=columns, header=header)
        if read is None:
            raise _no_words(source, item=item, line=line)
        yield from read(source, item=item, line=line, number=number)


def looks_like_json_tokens(source: Source) -> bool:
    """Whether one of the first items has a list of words, and tags or entities of them."""
    columns = column_keys(source, known=("word", "tag"))
    _, items = first_items(source)
    objects = [item for item in items if isinstance(item, dict)]
    return any(_choose(source, item=item, columns=columns, header={}) is not None for item in objects)


# ---- which form it is


def _is_header(item: Object, *, columns: Mapping[str, Sequence[str]]) -> bool:
    """Whether the first line of JSON Lines is no sentence, but says what the numbers mean."""
    words = columns.get("word", (*WORD_KEYS, "sentences", "paragraphs"))
    return not any(key in item for key in words) and any(key in item for key in (*LIST_KEYS, "features"))


def _choose(
    source: Source, *, item: Object, columns: Mapping[str, tuple[str, ...]], header: Mapping[str, Json]
) -> ReadItem | None:
    """How items such as this one are read; None where it has no words with tags or entities."""
    words = next((key for key in columns.get("word", WORD_KEYS) if is_words(item.get(key))), None)
    tags = columns.get("tag") or find_tags(item, n_words=len(item[words]) if words else 0)
    if columns or (words and tags):
        names = {key: LabelNames(source, key, header) for key in tags}
        return partial(read_tagged, form=TagForm(words, tags, names)) if words and tags else None
    if _is_list_of(item.get("paragraphs"), dict):
        return _read_spacy
    if _is_list_of(item.get("sentences"), list) and isinstance(item.get("ner"), list):
        return _read_dygie
    spans = next((key for key in SPAN_KEYS if isinstance(item.get(key), list)), None)
    if words is None or spans is None or isinstance(item.get("text"), str):  # beside a text they count its characters
        return None
    return partial(_read_spans, words=words, spans=spans)


def find_tags(item: Object, *, n_words: int) -> tuple[str, ...]:
    """The key of the tags: the first with one for each word, else the first that could be tags; or none.

    An empty list may as well hold no entity, where entities may have that key.
    """
    found = [key for key in TAG_KEYS if is_tags(item.get(key)) and (item[key] or not n_words or key not in SPAN_KEYS)]
    found.sort(key=lambda key: len(item[key]) != n_words)
    return tuple(found[:1])


def is_words(value: Json) -> TypeGuard[list[str]]:
    return isinstance(value, list) and set(map(type, value)) <= {str}


def is_tags(value: Json) -> bool:
    """Whether a value could be the tags of words: texts, numbers, or a list of texts for each word."""
    if not isinstance(value, list):
        return False
    kinds = set(map(type, value))
    return kinds <= {str} or kinds == {int} or (kinds == {list} and all(map(is_words, value)))


def _is_list_of(value: Json, kind: type) -> bool:
    return isinstance(value, list) and set(map(type, value)) == {kind}


def _no_words(source: Source, *, item: Object, line: int) -> DataError:
    return source.problem(
        f"no list of words with tags or entities is found here; the keys are {listed(list(item))}",
        line=line,
        fix="Say which: data: {columns: {word: KEY, tag: KEY}}, or for entities by characters: {text: KEY, label: KEY}",
    )


# ---- words and tags


def read_tagged(source: Source, *, item: Object, line: int, form: TagForm, **_: object) -> Iterator[TaggedSentence]:
    """The sentence of an item; none, and a fault, where words and tags do not fit."""
    words = item.get(form.words)
    if not is_words(words):
        source.fault(_wrong_words(words, key=form.words), line=line, fix=FIX)
        return
    columns = [_tags(source, item.get(key), n_words=len(words), names=form.names[key], line=line) for key in form.tags]
    tags = [column for column in columns if column is not None]
    if len(tags) < len(columns):
        return
    if not words:
        source.notice("empty-sentences", line=line)
        return
    joined = tags[0] if len(tags) == 1 else map(SEVERAL.join, zip(*tags, strict=True))
    yield TaggedSentence(tuple(words), tuple(joined), (line,) * len(words), _document(item))


def _wrong_words(value: Json, *, key: str) -> str:
    if not isinstance(value, list):
        return f"{key} is no list of words, but {_shown(value)}"
    return f"{key} holds {shown(next(word for word in value if not isinstance(word, str)))} where a word is needed"


def _tags(source: Source, value: Json, *, n_words: int, names: LabelNames, line: int) -> list[str] | None:
    """A tag for each word; None, and a fault, where that fails."""
    if not isinstance(value, list):
        source.fault(f"{names.key} is {_shown(value)} where a list of tags is needed", line=line, fix=FIX)
        return None
    if len(value) != n_words:
        source.fault(
            f"{n_words} word{'s' * (n_words != 1)}, but {len(value)} tag{'s' * (len(value) != 1)} in {names.key}",
            line=line,
            fix="Look for a lost word or tag.",
        )
        return None
    if set(map(type, value)) <= {str} and "" not in value:
        return value
    tags = [_tag(source, one, names=names, line=line) for one in value]
    found = [tag for tag in tags if tag is not None]
    return found if len(found) == len(tags) else None


def _tag(source: Source, value: Json, *, names: LabelNames, line: int) -> str | None:
    if isinstance(value, list) and not any(isinstance(one, list) for one in value):
        several = [_tag(source, one, names=names, line=line) for one in value]
        return None if None in several else SEVERAL.join(map(str, several)) or OUTSIDE
    if type(value) is int:
        table = names.needed(value, line=line)
        if value not in table:
            source.faults.add(unknown_number(source, value, names=table, line=line))
        return table.get(value)
    if not isinstance(value, str) or not value:
        source.fault(f"{names.key} holds {shown(value)} where a tag is needed", line=line, fix="Write O for no entity.")
        return None
    return value


def _document(item: Object) -> str | None:
    names = (item.get(key) for key in DOCUMENT_KEYS)
    return next((str(name) for name in names if type(name) in (str, int) and name != ""), None)


def _shown(value: Json) -> str:
    return "missing" if value is None else shown(value)


# ---- the JSON of spaCy 2


def _read_spacy(source: Source, *, item: Object, line: int, number: int) -> Iterator[TaggedSentence]:
    name = name_of(item, source=source, number=number)
    paragraphs = _objects(item, key="paragraphs")
    for sentence in chain.from_iterable(_objects(paragraph, key="sentences") for paragraph in paragraphs):
        pairs: list[tuple[Json, Json]] = [
            (token.get("orth"), token.get("ner")) for token in _objects(sentence, key="tokens")
        ]
        if any(tag in (None, "", UNKNOWN) for _, tag in pairs):
            source.notice("skipped-items", line=line, detail="a sentence with words of which nobody said what they are")
            continue
        if not all(isinstance(part, str) for pair in pairs for part in pair):
            source.fault("a token needs texts as its word (orth) and tag (ner)", line=line, fix=FIX)
            continue
        # White space is a token to spaCy; no other format has it as a word.
        visible = [(word, tag) for word, tag in pairs if word.strip() or tag[0] not in "OI"]
        if visible:
            words, tags = zip(*visible, strict=True)
            yield TaggedSentence(words, tags, (line,) * len(words), name)


def _objects(value: Object, *, key: str) -> list[Object]:
    members = value.get(key)
    return [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []


# ---- entities that count words


def _read_spans(source: Source, *, item: Object, line: int, number: int, words: str, spans: str) -> Iterator[Document]:
    """The document of an item in SpERT's or GLiNER's form."""
    if not is_words(item.get(words)) or not isinstance(item.get(spans), list):
        source.fault(f"{words} and {spans} are no two lists, of words and of entities", line=line, fix=FIX)
        return
    relations = item.get("relations")
    yield _make_document(
        source,
        [item[words]],
        spans=item[spans],
        relations=relations if isinstance(relations, list) else [],
        line=line,
        name=name_of(item, source=source, number=number),
    )


def _read_dygie(source: Source, *, item: Object, line: int, number: int) -> Iterator[Document]:
    sentences, spans = item.get("sentences", []), item.get("ner", [])
    parts = [sentences, spans, *(spans if isinstance(spans, list) else [])]
    if not all(isinstance(part, list) for part in parts) or not all(map(is_words, sentences)):
        source.fault("sentences and ner are no two lists of lists", line=line, fix=FIX)
        return
    if "ner" not in item:
        source.notice("items-without-annotation", line=line)
    relations = item.get("relations")
    if isinstance(relations, list) and any(relations):
        source.notice("unread-annotations", line=line, detail="relations")
    name = name_of(item, source=source, number=number)
    yield _make_document(source, sentences, spans=[*chain.from_iterable(spans)], relations=[], line=line, name=name)


def _make_document(
    source: Source,
    sentences: Sequence[Sequence[str]],
    *,
    spans: Sequence[Json],
    relations: Sequence[Json],
    line: int,
    name: str,
) -> Document:
    words, where = _places(sentences), source.where(line)
    entities: list[Entity] = []
    for number, value in enumerate(spans, 1):
        span = _word_span(source, value, n_words=len(words), line=line)
        if span is not None:
            label, start, end = span
            entities.append(Entity(label, ((words[start][0], words[end - 1][1]),), where, id=f"T{number}"))
    text = "\n".join(map(" ".join, sentences))
    entities = place_entities(entities, text=text, source=source)
    ids = [str(entity.id) for entity in entities]
    found = keep_known(_relations(source, relations, line=line), ids=ids, source=source)
    visible = tuple((start, end) for start, end in words if start < end)
    return Document(name, text, tuple(entities), where, found, words=visible)


def _places(sentences: Sequence[Sequence[str]]) -> list[Part]:
    """Where each word stands in the text: words joined by blanks, sentences by line breaks."""
    places: list[Part] = []
    position = 0
    for words in sentences:
        for word in words:
            places.append((position, position + len(word)))
            position += len(word) + 1
        position += not words
    return places


def _word_span(source: Source, value: Json, *, n_words: int, line: int) -> tuple[str, int, int] | None:
    """Label, first word and last word (excluded) of an entity; None, and a notice or fault, where it is not one."""
    if isinstance(value, list) and len(value) >= 3:
        start, end, label = value[:3]
        end = end + 1 if type(end) is int else end
    elif isinstance(value, dict):
        start, end = value.get("start"), value.get("end")
        label = next((value[key] for key in TYPE_KEYS if key in value), None)
    else:
        start = end = label = None
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
        source.fault("an entity needs its first word, its last word (both numbers) and its label", line=line, fix=FIX)
        return None
    if 0 <= start < end <= n_words:
        return label, start, end
    kind = "empty-entities" if start == end else "outside-text"
    source.notice(kind, line=line, detail=f"{label}: words {start} to {end} of {n_words}")
    return None


def _relations(source: Source, relations: Sequence[Json], *, line: int) -> Iterator[Relation]:
    """SpERT's relations, whose ends are numbers of entities, from 0."""
    for number, value in enumerate(relations, 1):
        found = value if isinstance(value, dict) else {}
        label, head, tail = found.get("type"), found.get("head"), found.get("tail")
        if isinstance(label, str) and type(head) is int and type(tail) is int:
            arguments = (("Arg1", f"T{head + 1}"), ("Arg2", f"T{tail + 1}"))
            yield Relation(label, arguments, source.where(line), id=f"R{number}")
        else:
            source.notice("unread-annotations", line=line, detail="a relation")
