"""The page on importing: its commands, run on its files, give the studies it shows, and its tables hold the keys."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nertune.cli import app
from nertune.spec.legacy import IMPORTERS, cerebras, functional_genomics, gene_tagging
from nertune.spec.legacy.old_file import flat_keys, read_old_file
from nertune.spec.yaml_lines import read_yaml

PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
OLD_FILE = re.compile(r"^```(?:json|text) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STUDY = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ nertune (import-config \S+\.(?:json|yaml).*)$", re.MULTILINE)
COMMANDS = COMMAND.findall(PAGE)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the page shows."""
    for path, text in OLD_FILE.findall(PAGE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    for name in ("bc2gm", "genomics"):
        (tmp_path / "data" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown_studies(folder: Path) -> Iterator[Any]:
    for text in STUDY.findall(PAGE):
        path = folder / "shown.yaml"
        path.write_text(text, encoding="utf-8")
        yield read_yaml(path).values


def test_there_is_a_command_for_every_kind() -> None:
    assert len(COMMANDS) == len(STUDY.findall(PAGE)) == len(IMPORTERS)


@pytest.mark.parametrize("number", range(len(IMPORTERS)))
def test_the_commands_give_the_studies_that_are_shown(number: int, project: Path) -> None:
    result = CliRunner().invoke(app, shlex.split(COMMANDS[number]))
    shown = [*shown_studies(project)][number]
    assert result.exit_code == 0, result.output
    assert "not known" not in result.stdout
    assert read_yaml(project / "studies" / f"{shown['name']}.yaml").values == shown


def test_the_tables_hold_the_keys_of_the_examples(project: Path) -> None:
    for path in sorted((project / "old").iterdir()):
        for key in flat_keys(read_old_file(path).values):
            last = key.rpartition(".")[2]
            group = key.split(".")[0]
            assert f"`{key.partition('.')[2]}`" in PAGE or f"{last}`" in PAGE or f"`{group}`" in PAGE, key


def test_the_tables_name_keys_that_are_known() -> None:
    known = {*gene_tagging.RULES, *gene_tagging.TELLING, *gene_tagging.PLACES, "lr", "weight_decay", "xargs.top_model"}
    section = PAGE[PAGE.index("## Gene tagging") : PAGE.index("## Cerebras")]
    named = re.findall(r"`([^`]+)`", " ".join(line.split("|")[1] for line in section.splitlines() if line[:2] == "| "))
    assert {*named} <= known
    rules = {*cerebras.INPUT_RULES, *cerebras.RUN_RULES, "data_dir", "micro_batch_size", "checkpoint_path"}
    assert {*re.findall(r"`(?:train_input|runconfig)\.([a-z_]+)`", PAGE)} <= rules
    of_model = " ".join(re.findall(r"^\| of the model: (.*?) \|", PAGE, re.MULTILINE))
    assert {*re.findall(r"`([a-z_]+)`", of_model)} <= {*cerebras.MODEL_RULES}
    for key in re.findall(r"^\| `((?:MODEL|DATA|TRAINING)\.[A-Z_]+)`", PAGE, re.MULTILINE):
        known = {*functional_genomics.RULES, "TRAINING.K_FOLDS", "TRAINING.RECOMBINATION_METHOD", "MODEL.HEADS"}
        assert any(rule.startswith(key) for rule in known) or key == "MODEL.TRANSFORMER_KWARGS"
