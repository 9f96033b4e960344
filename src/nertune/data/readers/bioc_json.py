"""BioC in JSON: the same collections as in XML, told as the elements that they would be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nertune.data.json_lines import first_items, open_json, shown
from nertune.data.source import Source, quoted
from nertune.data.xml import Node

# What stands inside what: key of a list -> name of its elements.
ANNOTATED = {"annotations": "annotation", "relations": "relation"}
INSIDE: dict[str, dict[str, str]] = {
    "document": {"passages": "passage", **ANNOTATED},
    "passage": {"sentences": "sentence", **ANNOTATED},
    "sentence": ANNOTATED,
    "annotation": {"locations": "location"},
    "relation": {"nodes": "node"},
}
HOLDERS = ("documents", "PubTator3")  # keys of a collection
ATTRIBUTES = ("id", "offset", "length", "role", "refid")
TEXTS = ("id", "offset", "text")


def read_elements(source: Source) -> Iterator[Node]:
    """The documents of collections, or of lines with one document each, as elements; all have their document's line.

    Raises  DataError for what is no JSON
    """
    for line, value in open_json(source).items:
        documents = _documents_in(value)
        if documents is None:
            fix = "A document is an object with id and passages."
            source.fault(f"{shown(value)} stands where BioC has a document", line=line, fix=fix)
        for document in documents or ():
            yield _element("document", document, line=line, source=source)


def looks_like_bioc_json(source: Source) -> bool:
    """Whether it is JSON whose first item has passages."""
    _, items = first_items(source)
    return bool(items) and bool(_documents_in(items[0]))


def _documents_in(value: Any) -> list[dict[str, Any]] | None:
    """A document, or those of a collection; None where it is neither."""
    if not isinstance(value, dict):
        return None
    documents = next((value[key] for key in HOLDERS if key in value), [value])
    return documents if isinstance(documents, list) and all(map(_is_document, documents)) else None


def _is_document(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("passages"), list)


def _element(name: str, value: Mapping[str, Any], *, line: int, source: Source) -> Node:
    attributes = {key: str(value[key]) for key in ATTRIBUTES if _is_plain(value.get(key))}
    children = [Node(key, {}, line, str(value[key])) for key in TEXTS if _is_plain(value.get(key))]
    infons = value.get("infons")
    for key, text in infons.items() if isinstance(infons, dict) else ():
        if _is_plain(text):
            children.append(Node("infon", {"key": key}, line, str(text)))
    for key, inside in INSIDE.get(name, {}).items():
        members = value.get(key) or []
        if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
            fix = f"Write for example: {quoted(key)}: [{{…}}, {{…}}]"
            source.fault(f"{key} of a {name} is no list of objects", line=line, fix=fix)
            continue
        children += [_element(inside, member, line=line, source=source) for member in members]
    return Node(name, attributes, line, children=tuple(children))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
