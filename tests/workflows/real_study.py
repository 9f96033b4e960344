"""Studies with a tiny real model, run through the command line as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOKEN_SPACE = "{train.batch_size: [4, 8], train.learning_rate: [3e-3, 1e-4]}"


def write_token_files(folder: Path, splits: dict[str, Any]) -> None:
    """CoNLL files in IOB2 of the examples; one word of test is made of what no tokenizer keeps."""
    from nertune.data.labels import spans_to_tags

    folder.mkdir(parents=True, exist_ok=True)
    for name, examples in splits.items():
        sentences = [zip(e.words, spans_to_tags(e.spans, len(e.words)), strict=True) for e in examples]
        text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences)
        extra = "\n\nAda\tB-PER\n\u200b\tO\nruns\tO\n" if name == "test" else "\n"
        (folder / f"{name}.txt").write_text(text + extra, encoding="utf-8")


def write_sequence_files(folder: Path, splits: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, examples in splits.items():
        rows = "".join(f"{example.text}\t{example.labels[0]}\n" for example in examples)
        (folder / f"{name}.tsv").write_text(f"Sentence\tLabel\n{rows}", encoding="utf-8")


def write_study(path: Path, *, task: str, model: Path, more: str = "", space: str = TOKEN_SPACE) -> Path:
    path.write_text(
        f"task: {task}\ndata: {{dir: data}}\nmodel: {{base: {model}, name: tiny}}\n"
        f"train: {{epochs: 2, precision: fp32}}\nsearch: {{space: {space}}}\ntrack: {{aim: null}}\n{more}\n"
    )
    return path


def nertune(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "nertune.cli", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
