"""A text of a few lines and options that train in a blink."""

from __future__ import annotations

from pathlib import Path

import pytest

from nertune.pretrain.options import PretrainOptions

TINY = {
    "vocabulary_size": 120,
    "layers": 1,
    "width": 16,
    "heads": 2,
    "intermediate": 16,
    "max_pieces": 16,
    "steps": 5,
    "batch_size": 4,
    "threads": 1,
}
SENTENCE = "The ferry from Harwick was late again and nobody at the old mill knew why it rained on Café Rose"


@pytest.fixture(scope="session")
def tiny() -> PretrainOptions:
    return PretrainOptions(**TINY)


@pytest.fixture(scope="session")
def lines() -> list[str]:
    words = SENTENCE.split()
    return [" ".join(words[n % 7 :: 1 + n % 3]) + f" {n}." for n in range(60)]


@pytest.fixture
def corpus(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
