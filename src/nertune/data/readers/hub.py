"""Data sets of the library `datasets`: a folder that it saved, or a name on the Hugging Face hub.

Words and tags, or texts and classes, are found by the names of the columns as in JSON; numbers have the names that the
features give them (`ClassLabel`), and the line of an item is the number of its row, from 1.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nertune.data.examples import Task
from nertune.data.json_lines import key_names, read_value
from nertune.data.label_lists import LabelNames
from nertune.data.readers.json_texts import DOCUMENT_KEYS, LABEL_KEYS, PAIR_KEYS, TEXT_KEYS, TextForm, read_labelled
from nertune.data.readers.json_tokens import TAG_KEYS, WORD_KEYS, TagForm, read_tagged
from nertune.data.source import BLOCK, LabelledText, Source, TaggedSentence, listed, quoted
from nertune.errors import DataError

DICT_FILE, STATE_FILE, INFO_FILE = "dataset_dict.json", "state.json", "dataset_info.json"
SPLIT_NAMES = {  # ours -> theirs
    "train": ("train", "training"),
    "dev": ("validation", "dev", "valid", "val", "development"),
    "test": ("test", "testing"),
}
HUB_NAME = re.compile(r"(?P<name>[^/:\s]+(?:/[^/:\s]+)?)(?::(?P<configuration>\S+))?")
SETTINGS = {"HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1"}
AT_ONCE = 1000  # rows
TEXT_TYPES = {"string", "large_string"}
NUMBER_TYPES = {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
WORD_COLUMNS, TEXT_COLUMNS = ("word", "tag"), ("text", "label", "pair")

ReadRow = Callable[..., Iterator[TaggedSentence | LabelledText]]  # of an item and its line


@dataclass(frozen=True)
class Layout:
    """What is read of the rows.

    columns  the columns that are needed
    read     makes the item of a row
    """

    task: Task
    columns: tuple[str, ...]
    read: ReadRow


def is_saved(folder: Path) -> bool:
    """Whether `datasets` saved a data set, or several as splits, in this folder."""
    return (folder / DICT_FILE).is_file() or all((folder / name).is_file() for name in (STATE_FILE, INFO_FILE))


def has_split(folder: Path, *, split: str) -> bool:
    """Whether a saved folder has a split of ours; a folder without splits is all of it train.

    Raises   DataError if the folder cannot be read
    """
    names = _splits_in(folder)
    return split == "train" if names is None else any(name in names for name in SPLIT_NAMES.get(split, (split,)))


def looks_like_hub(source: Source) -> bool:
    """Whether the study names the hub, or the source is a saved folder."""
    return _is_on_hub(source) or is_saved(source.path)


def hub_task(source: Source) -> Task | None:
    """What the columns of a data set are for; None where they are neither words with tags nor texts with classes.

    Raises   DataError if it cannot be loaded
    """
    layout = _find_layout(source, features=_load(source, is_kept=False).features)
    return None if layout is None else layout.task


def read_hub(source: Source) -> Iterator[TaggedSentence | LabelledText]:
    """The sentences, or texts with their classes, of one split of a data set."""
    dataset = _load(source, is_kept=True)
    layout = _find_layout(source, features=dataset.features)
    if layout is None:
        raise source.problem(
            f"no words with tags and no texts with labels are found; the columns are {listed(dataset.column_names)}",
            fix="Say which: data: {columns: {word: COLUMN, tag: COLUMN}}, or {text: COLUMN, label: COLUMN}",
        )
    for line, row in enumerate(_rows(source, dataset=dataset, columns=layout.columns), 1):
        yield from layout.read(item=row, line=line)


def _is_on_hub(source: Source) -> bool:
    return source.data.hub is not None and source.path == Path(source.data.hub)


# ---- loading


def _load(source: Source, *, is_kept: bool) -> Any:
    """The data set of the source's split.

    is_kept  its digest becomes a part of the source's fingerprint
    """
    return _load_from_hub(source, is_kept=is_kept) if _is_on_hub(source) else _load_folder(source, is_kept=is_kept)


def _load_folder(source: Source, *, is_kept: bool) -> Any:
    folder = _folder_of_split(source)
    if is_kept:
        source.digests.append(_digest(source, folder=folder))
    datasets = _import_datasets()
    try:
        dataset = datasets.load_from_disk(str(folder))
        dataset.data.validate(full=True)  # else offsets that point outside of the table are followed
    except Exception as error:  # arrow, JSON, the file system: whatever a broken folder makes of it
        raise _broken(source, error=error) from None
    return dataset


def _folder_of_split(source: Source) -> Path:
    names = _splits_in(source.path)
    if names is not None:
        return source.path / _choose_split(source, names=names)
    if source.path == source.data.dir and source.split in ("dev", "test"):  # else train would be dev, too
        raise source.problem(
            f"this folder has no splits, and all of it is train; {source.split} is missing", fix=_draw(source)
        )
    return source.path


def _splits_in(folder: Path) -> list[str] | None:
    """The names of the splits of a saved folder, None where it has none."""
    if not (folder / DICT_FILE).is_file():
        return None
    described = Source(folder / DICT_FILE)
    value = read_value(described)
    names = value.get("splits") if isinstance(value, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise described.problem("is no list of splits as `datasets` writes it", line=1, fix="Save the data set again.")
    return names


def _choose_split(source: Source, *, names: Sequence[str]) -> str:
    wanted = (
        SPLIT_NAMES.get(source.split, (source.split,)) if source.split else tuple(names[:1] if len(names) == 1 else ())
    )
    found = next((name for name in wanted if name in names), None)
    if found is None:
        what = f"no split is named {' or '.join(wanted)}" if wanted else "it has several splits"
        raise source.problem(f"{what}; there are {listed(names)}", fix=_draw(source))
    return found


def _draw(source: Source) -> str:
    if source.split in ("dev", "test"):
        return f"Take it out of train: data: {{split: {{{source.split}: 0.1}}}}, or name it at data.{source.split}."
    return f"Name the folder of one: {source.path}/SPLIT"


def _digest(source: Source, *, folder: Path) -> str:
    """sha256 (hex) of the bytes of the tables, and of the description that names their labels."""
    digest = hashlib.sha256()
    for path in [*sorted(folder.glob("*.arrow")), folder / INFO_FILE]:
        try:
            with path.open("rb") as stream:
                while block := stream.read(BLOCK):
                    digest.update(block)
        except OSError as error:
            raise _broken(source, error=error) from None
    return digest.hexdigest()


def _load_from_hub(source: Source, *, is_kept: bool) -> Any:
    match = HUB_NAME.fullmatch(source.data.hub or "")
    if match is None:
        message = f"data.hub: {quoted(source.data.hub or '')} is no name of a data set on the hub"
        raise source.problem(
            message, fix="Write for example: data: {hub: OWNER/NAME} or {hub: OWNER/NAME:CONFIGURATION}"
        )
    datasets = _import_datasets()
    try:
        loaded = datasets.load_dataset(match["name"], match["configuration"])
    except Exception as error:  # the network, the hub, the files of others
        raise _unreachable(source, name=match["name"], error=error) from None
    dataset = loaded[_choose_split(source, names=list(loaded))] if isinstance(loaded, dict) else loaded
    if is_kept:
        # The revision stands in the addresses of the files that were downloaded.
        told = [source.data.hub, source.split, dataset._fingerprint, sorted(dataset.info.download_checksums or ())]
        source.digests.append(hashlib.sha256(repr(told).encode()).hexdigest())
    return dataset


def _import_datasets() -> Any:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import datasets

    return datasets


def _broken(source: Source, *, error: Exception) -> DataError:
    return source.problem(
        f"this data set cannot be read: {_first_line(error)}",
        fix="Save it again with save_to_disk, and name that folder.",
    )


def _unreachable(source: Source, *, name: str, error: Exception) -> DataError:
    if type(error).__name__ == "DatasetNotFoundError":
        message = f"there is no data set {quoted(name)} on the hub, or it is not public"
        return source.problem(message, fix="Check its name; for a private one log in first: hf auth login")
    if not isinstance(error, ConnectionError):
        message = f"the data set {quoted(name)} cannot be loaded: {_first_line(error)}"
        return source.problem(
            message, fix=f"With a configuration, write for example: data: {{hub: {name}:CONFIGURATION}}"
        )
    is_offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}
    why = "is switched off (HF_HUB_OFFLINE)" if is_offline else "cannot be reached"
    save = f"from datasets import load_dataset as load; load({name!r}).save_to_disk('FOLDER')"
    return source.problem(
        f"the data set {quoted(name)} is not in the cache, and the hub {why}",
        fix=f'Save it where the hub is in reach, python -c "{save}", and write data: {{dir: FOLDER}}',
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__


# ---- columns


@dataclass(frozen=True)
class Column:
    """A column by its feature: lists inside lists, the type of what is in them, and the names of numbers."""

    depth: int
    type: str
    names: Mapping[int, str] | None


def _find_layout(source: Source, *, features: Mapping[str, Any]) -> Layout | None:
    given = key_names(source, known=(*WORD_COLUMNS, *TEXT_COLUMNS))
    for key, names in given.items():
        for name in names:
            if name not in features:
                message = f"no column is named {quoted(name)}; the columns are {listed(list(features))}"
                raise source.problem(
                    message, fix=f"Write for example: data: {{columns: {{{key}: {next(iter(features))}}}}}"
                )
    columns = {name: _column(feature) for name, feature in features.items()}
    words = None if set(given) & set(TEXT_COLUMNS) else _find_words(source, given=given, columns=columns)
    return words or (None if set(given) & set(WORD_COLUMNS) else _find_texts(source, given=given, columns=columns))


def _column(feature: Any) -> Column:
    depth = 0
    while hasattr(feature, "feature"):
        feature, depth = feature.feature, depth + 1
    names = getattr(feature, "names", None)
    return Column(depth, str(getattr(feature, "dtype", "")), dict(enumerate(names)) if names else None)


def _find_words(source: Source, *, given: Mapping[str, Sequence[str]], columns: Mapping[str, Column]) -> Layout | None:
    words = given.get("word") or [name for name in WORD_KEYS if _is_list(columns.get(name), of=TEXT_TYPES, depths=(1,))]
    types = TEXT_TYPES | NUMBER_TYPES
    tags = given.get("tag") or [name for name in TAG_KEYS if _is_list(columns.get(name), of=types, depths=(1, 2))][:1]
    if not words or not tags:
        return None
    names = {tag: LabelNames(source, tag, names=columns[tag].names) for tag in tags}
    form = TagForm(words[0], tuple(tags), names)
    needed = (words[0], *tags, *(name for name in DOCUMENT_KEYS if name in columns))
    return Layout("token", tuple(dict.fromkeys(needed)), partial(read_tagged, source, form=form))


def _find_texts(source: Source, *, given: Mapping[str, Sequence[str]], columns: Mapping[str, Column]) -> Layout | None:
    texts = _text_columns(given, columns=columns)
    types = TEXT_TYPES | NUMBER_TYPES | {"float32", "float64"}
    usual = (name for name in LABEL_KEYS if name not in texts and _is_list(columns.get(name), of=types, depths=(0, 1)))
    labels = given.get("label") or [*usual][:1]
    if not texts or not labels:
        return None
    names = {label: LabelNames(source, label, names=columns[label].names) for label in labels}
    keys = {"text": (texts[0],), "label": tuple(labels), **({"pair": (texts[1],)} if len(texts) > 1 else {})}
    form = TextForm(source, keys, names=names)
    needed = (*texts, *labels, *(name for name in DOCUMENT_KEYS if name in columns))
    return Layout("sequence", tuple(dict.fromkeys(needed)), partial(_read_text, form=form))


def _text_columns(given: Mapping[str, Sequence[str]], *, columns: Mapping[str, Column]) -> tuple[str, ...]:
    """The column of the text, and of the second one of a pair."""
    texts = {name for name, column in columns.items() if _is_list(column, of=TEXT_TYPES, depths=(0,))}
    pairs = ((first, second) for first, seconds in PAIR_KEYS.items() for second in seconds)
    pair = next((pair for pair in pairs if {*pair} <= texts), None)
    if pair is not None and not given.keys() & {"text", "pair"}:
        return pair
    text = given.get("text") or [name for name in TEXT_KEYS if name in texts][:1]
    return (text[0], *given.get("pair", ())) if text else ()


def _is_list(column: Column | None, *, of: set[str], depths: tuple[int, ...]) -> bool:
    return column is not None and column.depth in depths and column.type in of


def _read_text(item: dict[str, Any], *, form: TextForm, line: int) -> Iterator[LabelledText]:
    text = read_labelled(item, form=form, line=line)
    if text is not None:
        yield text


def _rows(source: Source, *, dataset: Any, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    batches = dataset.select_columns(list(columns)).with_format(None).iter(batch_size=AT_ONCE)
    while True:
        try:
            batch = next(batches, None)
        except Exception as error:  # a table whose bytes are not what its description says
            raise _broken(source, error=error) from None
        if batch is None:
            return
        for cells in zip(*batch.values(), strict=True):
            yield dict(zip(batch, cells, strict=True))
