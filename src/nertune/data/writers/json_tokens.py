"""JSON Lines of words and tags: `{"doc_id": …, "tokens": […], "ner_tags": […]}`, a sentence a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from nertune.data.examples import TokenExample
from nertune.data.notices import Notices
from nertune.data.source import SEVERAL
from nertune.data.writers.drafts import open_draft
from nertune.data.writers.tags import Tagger


def write_json_tokens(examples: Iterable[TokenExample], *, target: Path, losses: Notices) -> None:
    """Write the sentences, the tags as strings in IOB2; where entities overlap, each word has a list of them.

    `doc_id` is the document, where it is known.
    """
    tagger = Tagger(losses=losses, mark=SEVERAL)
    with open_draft(target) as draft:
        for example in examples:
            document = {} if example.document is None else {"doc_id": example.document}
            row = {**document, "tokens": example.words, "ner_tags": _written(tagger.tags(example))}
            draft.write(f"{json.dumps(row, ensure_ascii=False)}\n", where=example.where)


def _written(tags: Sequence[str]) -> Sequence[str] | list[list[str]]:
    return [tag.split(SEVERAL) for tag in tags] if any(SEVERAL in tag for tag in tags) else tags
