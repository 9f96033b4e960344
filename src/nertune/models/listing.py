"""The list of transformers' models. Imported before anything of transformers, so that it is made once instead of twice.

transformers reads the source of all its models to know their names (some 1,600 files, half a second): for its own
package, and again for its package of models. It would remember what it read, but names the folder in two ways.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import transformers
from transformers.utils import import_utils

FOLDER = Path(transformers.__file__).parent / "models"  # as its own package names it; its models name a file in it


def import_models() -> None:
    """Import transformers' package of models by what was read already."""
    read = import_utils.create_import_structure_from_path

    def read_once(path: Any) -> Any:
        return read(FOLDER if Path(path) == FOLDER / "__init__.py" else path)

    import_utils.create_import_structure_from_path = read_once
    try:
        import_module("transformers.models")
    finally:
        import_utils.create_import_structure_from_path = read


import_models()
