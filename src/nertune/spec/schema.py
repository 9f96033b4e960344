"""The study file's schema for editors, and its manual: both made from the one definition in `study.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from nertune.spec.space import FREE_PART, searchable_keys, searchable_patterns
from nertune.spec.study import StudySpec, sections
from nertune.spec.yaml_lines import AS_WRITTEN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALAR = ("string", "number", "boolean")
KIND_WORDS = {
    "null": "`null`",
    "string": "text",
    "boolean": "`true`, `false`",
    str(["number", "string"]): "duration",
    str(["string", "number"]): "share, also written as a fraction",
    str(list(SCALAR)): "text",
}
FROM_THE_FILE = ("name", "output")  # what `load` fills in from the file's own name
INTRODUCTION = """\
# The study file, key by key

One YAML file holds every decision of a study. This page is made from the schema that checks it
(`src/nertune/spec/study.py`); `python -m nertune.spec.schema docs` makes it anew.

- Unknown keys are refused, with the closest known key; all problems of a file are told at once, each with its line.
- Paths are relative to the study file. `1e-5` is a number; `on`, `off`, `yes` and `no` are text.
- Durations are seconds, or text such as `90s`, `2m`, `1h30m`.
- `--set KEY=VALUE` edits the file's values before they are checked: `--set train.epochs=2`,
  `--set search.space.train.batch_size=[8,16]`.
- `study.schema.json` beside this page is the same for editors. With a YAML language server, put
  `# yaml-language-server: $schema=PATH/study.schema.json` on the first line of a study file.

A study is its file without `execute`, `final`, `track`, `storage`, paths, `search.trials`, `search.timeout`,
`search.patience` and the values of `search.space`, plus the content of train, dev and the model. Change one of these
and the search goes on; change anything else under the same name and it is refused, unless `--fresh` moves the old
results aside.
"""


def study_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a study file: every key with its description and default."""
    schema = StudySpec.model_json_schema()
    schema["required"] = [name for name in schema["required"] if name not in FROM_THE_FILE]
    _complete(schema, StudySpec)
    for name, section in sections().items():
        schema["properties"][name].pop("default", None)  # the section's own keys tell theirs
        _complete(schema["$defs"][section.__name__], section)
    for key in AS_WRITTEN:
        holder = schema if len(key) == 1 else schema["$defs"][sections()[key[0]].__name__]
        holder["properties"][key[-1]] = _any_scalar(holder["properties"][key[-1]])
    space = schema["$defs"]["SearchSpec"]["properties"]["space"]
    space["propertyNames"] = {
        "anyOf": [
            {"enum": searchable_keys()},
            *({"pattern": _as_expression(pattern)} for pattern in searchable_patterns()),
        ]
    }
    return {"$schema": DIALECT, "title": "nertune study file", **{k: v for k, v in schema.items() if k != "title"}}


def _as_expression(pattern: str) -> str:
    """The pattern of keys as a regular expression."""
    return "^" + r"\.".join("[^.]+" if part == FREE_PART else part for part in pattern.split(".")) + "$"


def schema_text() -> str:
    """`docs/study.schema.json`."""
    return json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n"


def write_docs(folder: Path) -> None:
    """Make both pages anew."""
    (folder / "study.schema.json").write_text(schema_text(), encoding="utf-8")
    (folder / "study-file.md").write_text(manual_text(), encoding="utf-8")


def manual_text() -> str:
    """`docs/study-file.md`: a table of keys for the top of the file and for each section."""
    schema = study_schema()
    top = {name: field for name, field in schema["properties"].items() if "$ref" not in field}
    parts = [INTRODUCTION, "## Top of the file\n\n" + _table(top, required=schema["required"])]
    parts += [_subsection(name, below=schema["$defs"][kind]) for name, kind in _subsections({"properties": top})]
    for name, section in sections().items():
        part = schema["$defs"][section.__name__]
        rows = _table(part["properties"], prefix=f"{name}.", required=part.get("required", ()))
        parts.append(f"## `{name}`\n\n{part['description']}\n\n{rows}")
        parts += [_subsection(f"{name}.{key}", below=schema["$defs"][kind]) for key, kind in _subsections(part)]
    return "\n".join(parts)


def _subsections(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys of a section that hold keys themselves, and the names of their definitions."""
    for key, field in part["properties"].items():
        for branch in (field, *field.get("anyOf", ())):
            if "$ref" in branch:
                yield key, branch["$ref"].rpartition("/")[2]
            for below, place in (("items", "NUMBER"), ("additionalProperties", "NAME")):
                inner = branch.get(below)
                if isinstance(inner, Mapping) and "$ref" in inner:
                    yield f"{key}.{place}", inner["$ref"].rpartition("/")[2]


def _subsection(name: str, *, below: Mapping[str, Any]) -> str:
    rows = _table(below["properties"], prefix=f"{name}.", required=below.get("required", ()))
    return f"### `{name}`\n\n{below['description']}\n\n{rows}"


def _any_scalar(schema: Any) -> Any:
    """The schema with every text also as a number or truth value: names are read as they are written."""
    if isinstance(schema, list):
        return [_any_scalar(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: list(SCALAR) if (name, part) == ("type", "string") else _any_scalar(part) for name, part in schema.items()
    }


def _complete(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add defaults that are made by a function, remove pydantic's titles."""
    schema.pop("title", None)
    for name, field in model.model_fields.items():
        schema["properties"][name].pop("title", None)
        if field.default_factory is not None:
            schema["properties"][name]["default"] = to_jsonable_python(field.get_default(call_default_factory=True))


def _table(fields: Mapping[str, Any], *, required: Any, prefix: str = "") -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        default = "**needed**" if name in required else _code(field["default"]) if "default" in field else ""
        cells = (f"`{prefix}{name}`", _value_text(field), default, field["description"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _value_text(field: Mapping[str, Any]) -> str:
    """What may stand there: `integer ≥ 1`, or the words it may be."""
    if "$ref" in field:
        return "mapping, see below"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_value_text(branch) for branch in field["anyOf"]))
    if "enum" in field or "const" in field:
        return ", ".join(_code(value) for value in field.get("enum", [field.get("const")]))
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_value_text(field['items'])}" if field.get("items") else "list"
    if kind == "object":
        return "mapping"
    if field.get("format") == "path":
        return "path"
    return _bounded(KIND_WORDS.get(kind, kind), field)


def _bounded(text: str, field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " ".join([text, *(f"{sign} {field[name]:g}" for name, sign in signs.items() if name in field)])


def _code(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return f"`{text.replace('e-0', 'e-')}`"


if __name__ == "__main__":
    write_docs(Path(sys.argv[1]))
