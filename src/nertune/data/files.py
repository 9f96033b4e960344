"""Which files are train, dev and test: those that the study names, or those whose names say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nertune.data.readers.hub import has_split, is_saved
from nertune.data.readers.parallel import tags_file_of
from nertune.data.source import listed
from nertune.errors import DataError, Where, raise_all
from nertune.spec.study import DataSpec

SPLITS = ("train", "dev", "test")
STEMS = {"train": ("train",), "dev": ("dev", "devel", "valid*"), "test": ("test",)}
# `NCBItestset_corpus.txt`, `wnut17train.conll`; neither `latest.csv` nor `testimony.txt`
SPLIT_NAME = re.compile(
    r"(?:^|[^a-z])(?:(?P<train>train(?:ing)?)|(?P<dev>dev(?:el|elop|elopment)?|val(?:id|idation)?)|(?P<test>test(?:ing)?))"
    r"(?:set)?(?![a-z])"
)
NOT_DATA = re.compile(r"(?i)(readme|licen[cs]e|copying|changelog)\b.*|.*(\.md|\.rst|\.dtd|\.conf|\.py|\.sh|\.pdf|~)")


@dataclass(frozen=True)
class SplitFiles:
    """Where one split lies.

    paths  files in their order; one folder that is read as a whole; or the name of a data set on the hub
    """

    name: str
    paths: tuple[Path, ...]


def find_splits(data: DataSpec, *, splits: Sequence[str] = SPLITS) -> dict[str, SplitFiles]:
    """The files of each split; one that `data.split` takes out of train has none of its own and is left out.

    Raises   Problems if a split has no file, or two in the folder
    """
    _check_folder(data, splits=splits)
    found = {split: _possible(data, split=split) for split in splits}
    raise_all(
        [
            _not_one(split, candidates=[one.paths[0] for one in possible], folder=data.dir)
            for split, possible in found.items()
            if len(possible) > 1 or not (possible or _is_drawn(data, split=split))
        ]
    )
    return {split: possible[0] for split, possible in found.items() if possible}


def present_splits(data: DataSpec) -> dict[str, SplitFiles]:
    """The files of the splits that have some.

    Raises   Problems if two files could be the same split
    """
    return find_splits(data, splits=[split for split in SPLITS if _possible(data, split=split)])


def splits_in(folder: Path) -> dict[str, SplitFiles]:
    """The splits that a folder holds by the names of its files; empty when no name says so.

    Raises   Problems if two files could be the same split
    """
    found: dict[str, SplitFiles] = {}
    for split in SPLITS:
        candidates = _candidates(folder, split=split)
        if len(candidates) > 1:
            raise_all([_not_one(split, candidates=candidates, folder=folder)])
        if candidates:
            found[split] = SplitFiles(split, (candidates[0],))
    return found


def name_of_split(path: Path) -> str:
    """`train`, `dev` or `test` where the name of a file says so, else the name itself."""
    match = SPLIT_NAME.search(path.name)
    return match.lastgroup or path.name if match else path.name


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and its folders that may hold annotated text, sorted; companions of others left out."""
    inside = [path for path in sorted(folder.rglob("*")) if path.is_file() and not NOT_DATA.fullmatch(path.name)]
    return _without_companions(path for path in inside if not _is_hidden(path.relative_to(folder)))


def _possible(data: DataSpec, *, split: str) -> list[SplitFiles]:
    """What could be the files of a split: what the study names, or what the folder holds."""
    if data.hub is not None:
        return [SplitFiles(split, (Path(data.hub),))]
    named = _named(data, split=split)
    candidates = [named] if named else [(path,) for path in _candidates(data.dir, split=split)]
    return [SplitFiles(split, paths) for paths in candidates]


def _named(data: DataSpec, *, split: str) -> tuple[Path, ...]:
    named: Path | tuple[Path, ...] | None = getattr(data, split)
    return () if named is None else named if isinstance(named, tuple) else (named,)


def _is_drawn(data: DataSpec, *, split: str) -> bool:
    return data.split is not None and split != "train" and getattr(data.split, split) > 0


def _check_folder(data: DataSpec, *, splits: Sequence[str]) -> None:
    """Raise DataError, once for all splits, when they are looked for in a folder that is none."""
    folder = data.dir
    if folder is None or folder.is_dir() or all(_named(data, split=split) for split in splits):
        return
    what = "a file, not a folder" if folder.exists() else "not there"
    fix = "Name the folder with train, dev and test files: data: {dir: FOLDER}; it is relative to the study file"
    raise DataError(f"data.dir is {what}", where=Where(folder), fix=fix)


def _candidates(folder: Path | None, *, split: str) -> list[Path]:
    """Files and folders that are named as a split; where none is, those whose names contain it."""
    if folder is None or not folder.is_dir():
        return []
    if is_saved(folder):
        return [folder] if has_split(folder, split=split) else []
    inside = [path for path in sorted(folder.iterdir()) if not _is_hidden(Path(path.name))]
    files = _without_companions(path for path in inside if path.is_file())
    exact = [path for path in files if any(path.match(f"{stem}.*") for stem in STEMS[split])]
    folders = [path for path in inside if path.is_dir() and any(path.match(stem) for stem in STEMS[split])]
    if exact or folders:
        return [*exact, *folders]
    data_files = [path for path in files if not NOT_DATA.fullmatch(path.name)]
    return [path for path in data_files if name_of_split(path) == split]


def _without_companions(paths: Iterable[Path]) -> list[Path]:
    """Files less those that are read together with another one: `x.ann` beside `x.txt`, the tags of parallel words."""
    files = list(paths)
    companions = {tags_file_of(path) for path in files} | {
        path.with_suffix(".ann") for path in files if path.suffix == ".txt"
    }
    return [path for path in files if path not in companions]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _not_one(split: str, *, candidates: Sequence[Path], folder: Path | None) -> DataError:
    if folder is None:
        return DataError(
            f"data.{split} is missing", fix=f"Write for example: data: {{{split}: {split}.txt}}{_draw(split)}"
        )
    fix = f"Name the file in the study file: data: {{{split}: FILE}}"
    if candidates:
        names = " and ".join(path.name for path in candidates)
        return DataError(f"two files or more could be {split}: {names}", where=Where(folder), fix=fix)
    names = " or ".join(f"{stem}.*" for stem in STEMS[split])
    beside = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    message = f"no file for {split} ({names}) in this folder; it holds {listed(beside) if beside else 'nothing'}"
    return DataError(message, where=Where(folder), fix=f"{fix}{_draw(split)}")


def _draw(split: str) -> str:
    return "" if split == "train" else f", or take it out of train: data: {{split: {{{split}: 0.1}}}}"
