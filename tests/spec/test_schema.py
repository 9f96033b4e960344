import json
from pathlib import Path

import pytest

from nertune.spec.schema import manual_text, schema_text, study_schema
from nertune.spec.study import StudySpec, sections

DOCS = Path(__file__).parents[2] / "docs"
ANEW = "python -m nertune.spec.schema docs   makes it anew"


def test_checked_in_schema_is_the_one_of_the_code():
    assert (DOCS / "study.schema.json").read_text(encoding="utf-8") == schema_text(), ANEW


def test_checked_in_manual_is_the_one_of_the_code():
    assert (DOCS / "study-file.md").read_text(encoding="utf-8") == manual_text(), ANEW


def test_every_key_is_described_in_schema_and_manual():
    schema, manual = study_schema(), manual_text()
    tables = {"": schema, **{f"{name}.": schema["$defs"][section.__name__] for name, section in sections().items()}}
    keys = {f"{prefix}{name}": field for prefix, table in tables.items() for name, field in table["properties"].items()}
    assert len(keys) > 50
    for key, field in keys.items():
        if "$ref" not in field:
            assert f"| `{key}` | " in manual
            assert len(field["description"]) > 10


def test_schema_refuses_unknown_keys_and_needs_no_key_that_a_file_may_omit():
    schema = study_schema()
    assert schema["required"] == ["task", "data", "model"]
    assert not any(part["additionalProperties"] for part in [schema, *schema["$defs"].values()])


def test_defaults_of_the_schema_are_those_of_the_code():
    train = study_schema()["$defs"]["TrainSpec"]["properties"]
    defaults = {name: field["default"] for name, field in train.items()}
    assert defaults == json.loads(StudySpec.model_fields["train"].default.model_dump_json())


@pytest.mark.parametrize("key", ["labels", "keep"])
def test_schema_takes_labels_that_look_like_numbers(key):
    lists = study_schema()["$defs"]["DataSpec"]["properties"][key]["anyOf"]
    assert lists[0]["items"]["type"] == ["string", "number", "boolean"]


def test_manual_tells_what_may_stand_at_a_key():
    manual = manual_text()
    assert "| `train.epochs` | integer ≥ 1 | `4` |" in manual
    assert "| `train.schedule` | `linear`, `cosine`, `constant` | `linear` |" in manual
    assert "| `execute.trial_timeout` | duration or `null` | `null` |" in manual
    assert "| `task` | `token`, `sequence` | **needed** |" in manual
