from pathlib import Path

import pytest

from nertune.spec.load import load_study

# Four lines, so that what a test adds begins on line 5.
HEAD = """\
task: token
data: {dir: data}
model:
  base: some/model
"""


@pytest.fixture
def load(tmp_path):
    """Load a study file that begins with HEAD and goes on with the text given."""

    def load_text(text="", *, edits=(), head=HEAD):
        path = tmp_path / "mine.yaml"
        path.write_text(head + text, encoding="utf-8")
        return load_study(path, edits=edits)

    return load_text


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages show paths relative to here: `mine.yaml:5`."""
    monkeypatch.chdir(tmp_path)
