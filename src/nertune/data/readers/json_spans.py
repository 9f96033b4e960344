"""JSON with texts and entities by characters, as annotation tools export it, and nertune's own form.

Our own, an object a line; offsets count characters (code points), ends excluded:
    {"id": "doc1", "text": "Ada met Bo.",
     "entities": [{"id": "T1", "label": "PER", "parts": [[0, 3]], "text": "Ada", "note": "Q7259"}],
     "relations": [{"id": "R1", "label": "met", "arguments": [["Arg1", "T1"], ["Arg2", "T2"]]}],
     "words": [[0, 3], [4, 7], [8, 10], [10, 11]]}
`text` is needed. An entity needs `label`, and `parts` or `start` and `end`; `id`, `text` (compared with the text at the
offsets) and `note` may be missing, and so may `id`, `relations` and `words` of the document.

Others, told by the keys of each item:
    doccano       {"text", "label": [[0, 3, "PER"]]}; {"text", "entities": [{"id", "label", "start_offset",
                  "end_offset"}], "relations": [{"from_id", "to_id", "type"}]}
    Prodigy       {"text", "spans": [{"start", "end", "label"}], "tokens": [{"text", "start", "end"}], "answer"}
    Label Studio  [{"data": {"text"}, "annotations": [{"result": [{"value": {"start", "end", "labels"}}]}]}]; of several
                  annotations the one marked as ground truth is read, else the first that was not cancelled
                  JSON-MIN: [{"text", "label": [{"start", "end", "labels"}]}]
    spaCy         [["text", {"entities": [[0, 3, "PER"]]}]], and {"classes": […], "annotations": [these pairs]}
`data.columns: {text: KEY, label: KEY of the entities}` where the keys have other names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from nertune.data.documents import Document
from nertune.data.json_entities import (
    EXAMPLE,
    count_characters,
    is_span,
    read_entities,
    read_relation,
    read_tokens,
    read_words,
)
from nertune.data.json_lines import Json, column_keys, first_items, key_names, name_of, open_json, shown
from nertune.data.label_studio import is_task, kind_of, read_results, read_text, results_of
from nertune.data.source import Source, listed
from nertune.data.standoff import keep_known, place_entities

TEXT_KEYS = ("text", "data", "content", "sentence")
SPAN_KEYS = ("entities", "spans", "label", "labels", "annotations", "annotation", "ner")
NO_SPAN_KEYS = ("tokens", "words", "relations", "options")
LABELLED = ("labels", "hypertextlabels")  # Label Studio's results that are entities
REFUSED = ("reject", "ignore")  # Prodigy's answers
COLUMNS = ("text", "label")

Object = dict[str, Json]
Keys = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Annotated:
    """An item in the terms of all tools.

    spans     an object or a list for each entity; None: the item says nothing about entities
    words     our own `words`
    tokens    Prodigy's
    is_utf16  the tool runs in a browser, where offsets may count UTF-16 units
    """

    text: str
    spans: Sequence[Json] | None
    relations: Sequence[Json] = ()
    words: Json = None
    tokens: Sequence[Object] = ()
    is_utf16: bool = False


def read_json_spans(source: Source) -> Iterator[Document]:
    """The documents of a JSON file, one for each item. See above for the forms."""
    keys = key_names(source, known=COLUMNS)
    file = open_json(source)
    is_utf16 = "classes" in file.header  # of the annotator that spaCy's users have in their browser
    n_documents = n_annotated = 0
    for number, (line, item) in enumerate(file.items, 1):
        found = _unify(source, item, keys=keys, line=line)
        if found is None:
            continue
        name = name_of(item if isinstance(item, dict) else {}, source=source, number=number)
        yield _make_document(source, replace(found, is_utf16=is_utf16 or found.is_utf16), name=name, line=line)
        n_documents += 1
        n_annotated += found.spans is not None
    if n_documents and not n_annotated:
        source.fault("no item has entities", line=1, fix="Say where they are: data: {columns: {text: KEY, label: KEY}}")


def looks_like_json_spans(source: Source) -> bool:
    """Whether one of the first items has a text with entities by characters, or all have a place for them."""
    keys = column_keys(source, known=COLUMNS)
    _, items = first_items(source)
    found = [_has_entities(item, keys=keys) for item in items]
    return any(found) or (bool(found) and None not in found)


def _has_entities(item: Json, *, keys: Keys) -> bool | None:
    """Whether there are entities in an item; None where it is no text with a place for them."""
    if is_task(item):
        kinds = {kind_of(result) for results in results_of(item) for result in results}
        return True if kinds & set(LABELLED) else None
    if _is_pair(item):
        return _are_spans(_spans_of_pair(item))
    if not isinstance(item, dict) or not isinstance(item.get(_text_key(item, keys=keys)), str):
        return None
    is_prodigy = "answer" in item and _is_objects(item.get("tokens")) and not item.keys() & {"label", "accept"}
    return is_prodigy or _are_spans(_spans_of_object(item, keys=keys))


def _are_spans(values: Sequence[Json] | None) -> bool | None:
    if values is None or not all(map(is_span, values)):
        return None
    return bool(values)


# ---- what each tool writes


def _unify(source: Source, item: Json, *, keys: Keys, line: int) -> Annotated | None:
    """The item in common terms; None, and a fault or notice, where it is left out."""
    if item is None or (isinstance(item, dict) and item.get("answer") in REFUSED):
        source.notice("skipped-items", line=line, detail="null" if item is None else f"answer: {item['answer']}")
        return None
    if is_task(item):
        return _unify_task(source, item, keys=keys, line=line)
    if _is_pair(item):
        return Annotated(item[0], _spans_of_pair(item))
    if isinstance(item, dict):
        return _unify_object(source, item, keys=keys, line=line)
    source.fault(f"{shown(item)} where an object with a text is needed", line=line, fix=EXAMPLE)
    return None


def _unify_object(source: Source, item: Object, *, keys: Keys, line: int) -> Annotated | None:
    text = item.get(_text_key(item, keys=keys))
    if not isinstance(text, str):
        source.fault(f"no text is found here; the keys are {listed(list(item))}", line=line, fix=EXAMPLE)
        return None
    spans = _spans_of_object(item, keys=keys)
    if spans is None and "answer" in item:  # Prodigy writes no `spans` where there are none
        spans = []
    relations, tokens, words = item.get("relations"), item.get("tokens"), item.get("words")
    return Annotated(
        text,
        spans,
        relations if isinstance(relations, list) else (),
        words=words if isinstance(words, list) and not any(isinstance(word, str) for word in words) else None,
        tokens=tokens if isinstance(tokens, list) and _is_objects(tokens) else (),
        is_utf16=_is_of_browser(item, spans=spans or ()),
    )


def _unify_task(source: Source, task: Object, *, keys: Keys, line: int) -> Annotated | None:
    results = read_results(source, task, line=line)
    text = None if results is None else read_text(source, task, names=keys.get("text", TEXT_KEYS), line=line)
    if results is None or text is None:
        return None
    spans: list[Json] = []
    relations: list[Json] = []
    for result in results:
        kind = kind_of(result)
        if kind in LABELLED and isinstance(result.get("value"), dict):
            spans.append({**result["value"], "label": result["value"].get(kind), "id": result.get("id")})
        elif kind == "relation":
            relations.append({**result, "type": result.get("labels") or "relation"})
        else:
            source.notice("unread-annotations", line=line, detail=kind)
    return Annotated(text, spans, relations, is_utf16=True)


def _is_pair(item: Json) -> bool:
    return isinstance(item, list) and len(item) >= 2 and isinstance(item[0], str) and isinstance(item[1], dict | list)


def _spans_of_pair(item: list[Json]) -> Sequence[Json] | None:
    spans = item[1].get("entities") if isinstance(item[1], dict) else item[1]
    return spans if isinstance(spans, list) else None


def _text_key(item: Object, *, keys: Keys) -> str:
    names = keys.get("text", TEXT_KEYS)
    return next((key for key in names if isinstance(item.get(key), str)), names[0])


def _spans_of_object(item: Object, *, keys: Keys) -> Sequence[Json] | None:
    """The entities of an item: under the usual keys, else under any (Label Studio uses the name of the control)."""
    if "label" in keys:
        given = [item[key] for key in keys["label"] if isinstance(item.get(key), list)]
        return list(chain.from_iterable(given)) if given else None
    usual = [item[key] for key in SPAN_KEYS if _could_be_spans(item.get(key))]
    others = [value for key, value in item.items() if key not in NO_SPAN_KEYS and _is_objects(value)]
    found: list[list[Json]] = [*usual, *(value for value in others if all(map(is_span, value)))]
    return max(found, key=bool, default=None)


def _could_be_spans(value: Json) -> bool:
    return isinstance(value, list) and not any(isinstance(member, str) for member in value)


def _is_objects(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(member, dict) for member in value)


def _is_of_browser(item: Object, *, spans: Sequence[Json]) -> bool:
    """Whether doccano or Label Studio wrote this; nertune, spaCy and Prodigy count characters."""
    if any(isinstance(span, list) for span in spans):
        return "label" in item or "labels" in item
    return any(isinstance(span, dict) and ("start_offset" in span or "labels" in span) for span in spans)


# ---- documents


def _make_document(source: Source, item: Annotated, *, name: str, line: int) -> Document:
    text, where = item.text, source.where(line)
    if not text.strip():
        source.notice("empty-texts", line=line)
    if item.spans is None:
        source.notice("items-without-annotation", line=line)
    given = [entity for span in item.spans or () for entity in read_entities(source, span, text=text, line=line)]
    if item.is_utf16:
        given = count_characters(source, given, text=text)
    if any(isinstance(value, dict) and "head_span" in value for value in item.relations):  # Prodigy's have no ids
        given = [replace(entity, id=entity.id or f"T{number}") for number, entity in enumerate(given, 1)]
    entities = place_entities(given, text=text, source=source)
    relations = [
        read_relation(value, entities=entities, name=f"R{number}", where=where)
        for number, value in enumerate(item.relations, 1)
    ]
    if None in relations:
        source.notice("unread-annotations", line=line, detail="relations", n=relations.count(None))
    known = [relation for relation in relations if relation is not None]
    ids = [entity.id for entity in entities if entity.id is not None]
    if item.words is not None:
        words = read_words(source, item.words, text=text, line=line)
    else:
        words = read_tokens(source, item.tokens, text=text, line=line) if item.tokens else None
    return Document(name, text, tuple(entities), where, keep_known(known, ids=ids, source=source), words=words)
