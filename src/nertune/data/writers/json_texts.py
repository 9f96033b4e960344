"""JSON Lines of texts and classes: `{"text": …, "label": …}`, or `"labels": […]` where a text may have several."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nertune.data.examples import SequenceExample
from nertune.data.notices import Notices
from nertune.data.writers.drafts import open_draft, open_spool


def write_json_texts(examples: Iterable[SequenceExample], *, target: Path, losses: Notices) -> None:  # noqa: ARG001  # all is held
    """Write the texts; `text2` is the second one of a pair. One text with several classes or none gives all a list."""
    with open_draft(target) as draft, open_spool() as spool:
        is_multi = False
        for example in examples:
            is_multi = is_multi or len(example.labels) != 1
            spool.add(_row(example))
        for row in spool:
            labels = row.pop("labels")
            row |= {"labels": labels} if is_multi else {"label": labels[0]}
            draft.write(f"{json.dumps(row, ensure_ascii=False)}\n")


def _row(example: SequenceExample) -> dict[str, Any]:
    known = {"doc_id": example.document, "text": example.text, "text2": example.pair}
    return {**{key: value for key, value in known.items() if value is not None}, "labels": example.labels}
