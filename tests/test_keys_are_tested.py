"""Keys outside of `model`, `train` and `stages` (those: `test_every_key.py`) are named by a test that sets them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from nertune.spec.study import StudySpec, sections

TESTS = Path(__file__).parent
WALKED = ("model", "train")
# Tests of the schema name every key; they do not say that one does something.
OF_THE_SCHEMA = ("spec/test_schema.py", "spec/test_fingerprint.py", "test_keys_are_tested.py")


@cache
def written() -> str:
    files = [path for path in sorted(TESTS.rglob("*.py")) if str(path.relative_to(TESTS)) not in OF_THE_SCHEMA]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def keys() -> list[tuple[str, str]]:
    return [(name, key) for name, section in sections().items() if name not in WALKED for key in section.model_fields]


@pytest.mark.parametrize(("section", "key"), keys())
def test_a_key_is_set_by_a_test(section: str, key: str) -> None:
    ways = (rf"{section}\.{key}\b", rf"\b{key}=", rf'"{key}":', rf"\b{key}: ")
    assert any(re.search(way, written()) for way in ways)


def test_the_other_sections_are_all_there() -> None:
    assert {name for name, _ in keys()} | set(WALKED) == set(sections())
    assert "stages" in StudySpec.model_fields
