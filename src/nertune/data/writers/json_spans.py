"""JSON Lines of running text and entities by characters, a document a line: the format that holds all there is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nertune.data.documents import Document, Entity, Relation
from nertune.data.notices import Notices
from nertune.data.writers.drafts import open_draft


def write_json_spans(documents: Iterable[Document], *, target: Path, losses: Notices) -> None:  # noqa: ARG001  # all is held
    """Write documents as the reader of `spans` has them; what is not known of one is left out.

    {"id", "text", "entities": [{"id", "label", "parts": [[start, end], …], "text", "note"}, …],
     "relations": [{"id", "label", "arguments": [[role, id], …]}, …], "words": [[start, end], …]}
    """
    with open_draft(target) as draft:
        for document in documents:
            draft.write(f"{json.dumps(_document(document), ensure_ascii=False)}\n", where=document.where)


def _document(document: Document) -> dict[str, Any]:
    row: dict[str, Any] = {"id": document.id, "text": document.text}
    row["entities"] = [_entity(entity, text=document.text) for entity in document.entities]
    if document.relations:
        row["relations"] = [_relation(relation) for relation in document.relations]
    if document.words is not None:
        row["words"] = document.words
    return row


def _entity(entity: Entity, *, text: str) -> dict[str, Any]:
    mention = " ".join(text[start:end] for start, end in entity.parts)
    known = {"id": entity.id, "label": entity.label, "parts": entity.parts, "text": mention, "note": entity.note}
    return {key: value for key, value in known.items() if value is not None}


def _relation(relation: Relation) -> dict[str, Any]:
    known = {"id": relation.id, "label": relation.label, "arguments": relation.arguments}
    return {key: value for key, value in known.items() if value is not None}
