"""The user's own code: heads, readers, scores and callbacks that a study file names as `package.module:name`.

A module is looked for in the working directory, the folder in which nertune was started, then among the installed
packages. `docs/hooks.md` shows one of each kind; `nertune.testing` holds the tests that they should pass.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from nertune.errors import HookError, closest, shown_path

HookKind = Literal["head", "reader", "score", "callback"]
Hook = tuple[str, str, HookKind]  # name, key of the study file, kind
NAME = re.compile(r"(?P<module>\w+(\.\w+)*):(?P<attribute>\w+)")

_files: set[Path] = set()  # from which hooks were imported into this process


@dataclass(frozen=True)
class Form:
    """What a kind of hook has to be.

    is_met   whether an object is of this form
    example  its first line, with NAME for its name
    """

    is_met: Callable[[Any], bool]
    example: str


def is_hook(name: str) -> bool:
    """Whether the name is one of the user's own code, and none of nertune's."""
    return ":" in name


def hook_name(name: str) -> str:
    """What a hook is called in results: `overlap` for `mylab.scores:overlap`."""
    return name.rpartition(":")[2]


def load_hook(name: str, *, key: str, kind: HookKind) -> Any:
    """What `package.module:name` names.

    key     of the study file that names it, for messages
    Raises  HookError where the name, the module or what it holds is not what it should be
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        raise HookError(
            f"{key}: {name!r} does not name code of your own", fix=f"Write {key}: PACKAGE.MODULE:NAME, for a {kind}"
        )
    module = _import(parts["module"], name=name, key=key)
    found = getattr(module, parts["attribute"], None)
    if found is None:
        raise _no_attribute(module, parts["attribute"], key=key)
    form = FORMS[kind]
    if not form.is_met(found):
        raise HookError(
            f"{key}: {name} in {_file_of(module)} is {_shown(found)}, which cannot be used as a {kind}",
            fix=f"Write it as {form.example.replace('NAME', parts['attribute'])}",
        )
    return found


def hook_digest(name: str) -> str | None:
    """sha256 (hex) of the file of a hook's module, which is not imported; None where there is no file."""
    module = name.partition(":")[0]
    with _working_directory_first(), suppress(ImportError, ValueError, OSError):
        spec = find_spec(module)
        if spec is not None and spec.origin is not None:
            return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
    return None


def is_hook_file(path: Path) -> bool:
    """Whether a hook of this process was imported from this file."""
    return path in _files


def _import(module: str, *, name: str, key: str) -> ModuleType:
    with _working_directory_first():
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            missing = error.name or module
            if module == missing or module.startswith(f"{missing}."):
                raise _no_module(missing, name=name, key=key) from None
            raise HookError(
                f"{key}: {name} needs the package {missing}, which is not installed ({_place_in(error)})",
                fix=f"pip install {missing}",
            ) from None
        except (Exception, SystemExit) as error:  # whatever stands in the module runs now
            raise HookError(
                f"{key}: importing {module} raises {type(error).__name__}: {error} ({_place_in(error)})",
                fix=f'python -c "import {module}"   shows the whole traceback',
            ) from error
    if found.__file__ is not None:
        _files.add(Path(found.__file__))
    return found


@contextmanager
def _working_directory_first() -> Iterator[None]:
    """The working directory before all others in the import path; afterwards last, for what hooks import later."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    invalidate_caches()  # a module that was written a moment ago is found, too
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def _no_module(missing: str, *, name: str, key: str) -> HookError:
    module, _, attribute = name.partition(":")
    folder = Path.cwd().joinpath(*missing.split(".")[:-1])
    beside = [path.stem for path in folder.glob("*") if path.suffix == ".py" or path.is_dir()]
    near = closest(missing.rpartition(".")[2], beside)
    corrected = ".".join([*missing.split(".")[:-1], near or ""]) + module.removeprefix(missing)
    return HookError(
        f"{key}: {name} names the module {missing}, which is neither in the working directory {Path.cwd()} "
        "nor an installed package",
        fix=f"Did you mean {key}: {corrected}:{attribute}?"
        if near
        else f"Start nertune in the folder that holds {missing.partition('.')[0]}, or correct the name",
    )


def _no_attribute(module: ModuleType, attribute: str, *, key: str) -> HookError:
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    near = closest(attribute, own)
    return HookError(
        f"{key}: {_file_of(module)} has no {attribute}" + (f"; it has {', '.join(own)}" if own else ""),
        fix=f"Did you mean {key}: {module.__name__}:{near}?" if near else f"Define {attribute} there",
    )


def _file_of(module: ModuleType) -> str:
    return shown_path(Path(module.__file__)) if module.__file__ else module.__name__


def _place_in(error: BaseException) -> str:
    """File and line of an error while a module was imported: of a syntax error its own, else where it was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown_path(Path(error.filename))}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    return f"{shown_path(Path(frames[-1].filename))}:{frames[-1].lineno}"


def _shown(found: Any) -> str:
    """What an object is, in a few words: `build(n, *, dropout)`, or `a dict`."""
    if callable(found):
        with suppress(TypeError, ValueError):
            return f"{getattr(found, '__name__', type(found).__name__)}{inspect.signature(found)}"
    return f"a {type(found).__name__}"


def _can_be_called(found: Any, *arguments: Any, **named: Any) -> bool:
    if not callable(found):
        return False
    try:
        inspect.signature(found).bind(*arguments, **named)
    except TypeError:
        return False
    except ValueError:  # written in C: it does not say
        return True
    return True


def _is_callback(found: Any) -> bool:
    """Whether it is a `transformers.TrainerCallback`, or a class of them that needs no arguments."""
    kind = found if isinstance(found, type) else type(found)
    is_one = "TrainerCallback" in {parent.__name__ for parent in kind.__mro__}  # by name: transformers is not imported
    return is_one and (not isinstance(found, type) or _can_be_called(found))


FORMS: dict[HookKind, Form] = {
    "head": Form(
        lambda found: _can_be_called(found, 1, 1, dropout=0.0, options=None),
        "def NAME(n_features, n_labels, *, dropout, options): …",
    ),
    "reader": Form(lambda found: _can_be_called(found, None), "def NAME(source): …"),
    "score": Form(lambda found: _can_be_called(found, None, None), "def NAME(gold, predicted): …"),
    "callback": Form(_is_callback, "class NAME(TrainerCallback): …"),
}
