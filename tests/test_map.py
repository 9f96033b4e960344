"""The map: a room imports rooms on lower floors only, and outside packages come in at their doors."""

import ast
import subprocess
import sys
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

SRC = Path(__file__).parents[1] / "src" / "nertune"
FLOOR = {
    "errors": 0,
    "imports": 0,
    "hooks": 1,
    "signals": 1,
    "spec": 1,
    "data": 2,
    "results": 2,
    "protocols": 3,
    "scores": 3,
    "models": 3,
    "report": 3,
    "analysis": 4,
    "tasks": 4,
    "testing": 4,
    "track": 5,
    "train": 5,
    "pretrain": 5,
    "trials": 6,
    "predict": 6,
    "search": 7,
    "execute": 7,
    "workflows": 8,
    "cli": 9,
}
LEARNING = (  # who knows torch and its kin
    "models/*",
    "tasks/*",
    "train/*",
    "trials/*",
    "pretrain/*",
    "predict/*",
    "testing.py",
)
DOORS = {
    "typer": ("cli/*",),
    "click": ("cli/*",),
    "optuna": ("search/*",),
    "optuna_dashboard": ("search/dashboard.py",),
    "sqlalchemy": ("results/database.py", "search/storage.py"),
    "aim": ("track/aim*.py",),
    "wandb": ("track/wandb*.py",),
    "seqeval": (),
    "sklearn": (),
    "evaluate": (),
    "pyarrow": ("data/store.py", *LEARNING),
    "datasets": ("data/readers/hub.py", *LEARNING),
    "matplotlib": ("report/plots/*",),
    **dict.fromkeys(("torch", "transformers", "accelerate", "safetensors", "tokenizers"), LEARNING),
}
TRAINER_DOORS = ("train/fit.py", "pretrain/mlm.py")


@cache
def imports():
    """(file below SRC, imported module, imported name or None) of every import, wherever in the file it stands."""
    return list(_imports())


def _imports():
    for path in sorted(SRC.rglob("*.py")):
        name = path.relative_to(SRC).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name, None) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: imports are absolute, so that the map can be read from them"
                yield from ((name, node.module, alias.name) for alias in node.names)


def room_of(file):
    """The room that a file belongs to; the package's own `__init__` is none."""
    first = Path(file).parts[0]
    return first.removesuffix(".py")


def nertune_imports():
    """(file, its room, the room it imports)."""
    for file, module, name in imports():
        package, *inner = module.split(".")
        if package == "nertune":
            target = inner[0] if inner else name
            if target is not None and target not in ("__version__", "nertune"):
                yield file, room_of(file), target


def test_rooms_import_downwards_only():
    found = list(nertune_imports())
    assert len(found) > 100
    wrong = [
        f"{file}: {room} may not know {target}"
        for file, room, target in found
        if target != room and not FLOOR[target] < FLOOR[room]
    ]
    assert wrong == []


def test_every_room_has_a_floor():
    rooms = {room_of(path.relative_to(SRC).as_posix()) for path in SRC.rglob("*.py")} - {"__init__", "__main__"}
    assert rooms - set(FLOOR) == set()
    assert "spec" in rooms


def test_outside_packages_are_imported_at_their_doors_only():
    wrong = [
        f"{file} may not know {module}"
        for file, module, _ in imports()
        if not any(fnmatch(file, door) for door in DOORS.get(module.split(".")[0], ("*",)))
    ]
    assert wrong == []
    assert {module.split(".")[0] for _, module, _ in imports()} >= {
        "typer",
        "optuna",
        "sqlalchemy",
        "torch",
        "transformers",
        "aim",
        "wandb",
    }


def test_the_trainer_is_known_in_two_files_only():
    assert {file for file, _, name in imports() if name == "Trainer"} <= set(TRAINER_DOORS)


def test_command_line_loads_nothing_heavy():
    heavy = {
        "torch",
        "transformers",
        "optuna",
        "sqlalchemy",
        "aim",
        "wandb",
        "datasets",
        "pyarrow",
        "pydantic",
        "numpy",
        "matplotlib",
    }
    code = "import sys, nertune.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(told.stdout.split()) == set()
