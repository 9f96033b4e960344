"""The list of transformers' models is made once, and is the one that transformers makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import builtins, collections

opened, plain_open = collections.Counter(), open

def counted(file, *arguments, **options):
    opened[str(file)] += 1
    return plain_open(file, *arguments, **options)

builtins.open = counted
from nertune.models.listing import FOLDER
from transformers.utils.import_utils import define_import_structure

times = {n for file, n in opened.items() if file.startswith(str(FOLDER)) and file.endswith(".py")}
assert times == {1}, times
models = str(FOLDER / "__init__.py")
assert len(define_import_structure(models)) > 1
assert define_import_structure(models) == define_import_structure.__wrapped__(models)  # this reads them anew
assert max(opened.values()) > 1
"""


def test_each_file_of_a_model_is_read_once(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, check=True)
