"""Label Studio's tasks: which annotation of a task is read, and which text it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nertune.data.json_lines import Json
from nertune.data.source import Source, listed

RESULT_KEYS = ("annotations", "completions")  # the second before version 1.0

Object = Mapping[str, Json]


def is_task(item: Json) -> bool:
    """Whether an item is a task of the JSON export; in JSON-MIN there are none."""
    return isinstance(item, dict) and isinstance(item.get("data"), dict)


def results_of(task: Object) -> list[list[Json]]:
    """The results of each annotation of a task that was not cancelled."""
    return [annotation["result"] for annotation in _annotations(task)]


def read_results(source: Source, task: Object, *, line: int) -> list[Json] | None:
    """The results of the annotation marked as ground truth, else of the first; None, and a notice: there is none."""
    annotations = _annotations(task)
    if not annotations:
        source.notice("skipped-items", line=line, detail="no annotation that was not cancelled")
        return None
    if len(annotations) > 1:
        source.notice("other-annotators", line=line, detail=f"{len(annotations)} annotations")
    chosen = next((one for one in annotations if one.get("ground_truth") is True), annotations[0])
    results: list[Json] = chosen["result"]
    return results


def read_text(source: Source, task: Object, *, names: Sequence[str], line: int) -> str | None:
    """The text of a task: under the first of these keys, or the only text there is; None, and a fault: none of both."""
    texts = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    key = next((key for key in names if key in texts), next(iter(texts)) if len(texts) == 1 else None)
    if key is None:
        message = f"no text is found here; the keys of data are {listed(list(task['data']))}"
        source.fault(message, line=line, fix="Say which: data: {columns: {text: KEY}}")
        return None
    return texts[key]


def kind_of(result: Json) -> str:
    """What a result is: `labels`, `choices`, `relation` …; an empty text where it does not say."""
    kind = result.get("type") if isinstance(result, dict) else None
    return kind if isinstance(kind, str) else ""


def _annotations(task: Object) -> list[dict[str, Any]]:
    found: list[Json] = next((task[key] for key in RESULT_KEYS if isinstance(task.get(key), list)), [])
    objects = [one for one in found if isinstance(one, dict) and isinstance(one.get("result"), list)]
    return [one for one in objects if not (one.get("was_cancelled") or one.get("skipped"))]
