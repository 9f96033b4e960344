"""Encoded splits on disk: Arrow files that every worker maps, in a folder named by all that decides their content.

FOLDER/KEY/windows.arrow    one row a window
FOLDER/KEY/examples.arrow   one row an example
FOLDER/KEY/sets-N.arrow     one row a set of labels that head N learns, where it learns several at once
FOLDER/KEY/meta.json        task, labels, padding, counts
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, Split
from nertune.data.store import Examples, as_stored, digest_examples
from nertune.models.losses import IGNORED
from nertune.spec.study import StudySpec
from nertune.tasks import TASKS, heads_to_learn
from nertune.tasks.encoded import EncodedSplit, Gold, HeadLabels, Ints, LabelSets, Windows
from nertune.tasks.windows import Frame, find_frame

META = "meta.json"
ENCODING = 4  # raise it when the same input is encoded differently, or lies differently on disk


def encode_or_open(
    split: Split,
    *,
    labels: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    spec: StudySpec,
    position_limit: int | None,
    folder: Path,
) -> EncodedSplit:
    """The encoded split, from the cache when it is there.

    It is written under a temporary name and renamed, so that whoever finds it finds all of it. Where a disk has lost a
    part of it all the same, it is made anew.

    labels   entity types (token) or classes (sequence) that are learned
    folder   of the cache; made if missing
    Raises   ModelError when no window is possible, DataError for a text of an unknown class
    """
    frame = find_frame(tokenizer, train=spec.train, position_limit=position_limit)
    heads = heads_to_learn(labels, spec=spec)
    target = folder / cache_key(split, heads=heads, tokenizer=tokenizer, frame=frame, spec=spec)
    if _is_torn(target):
        shutil.rmtree(target)
    if not target.is_dir():
        windows, golds, counts = TASKS[spec.task].encode(
            split.examples, heads=heads, tokenizer=tokenizer, frame=frame, spec=spec
        )
        meta = {
            "task": spec.task,
            "name": split.name,
            "heads": [asdict(head) for head in heads],
            "pad_id": tokenizer.pad_token_id or 0,
            "counts": counts,
        }
        _write(target, windows=windows, golds=golds, examples=split.examples, meta=meta)
    return open_encoded(target)


class TornError(Exception):
    """Files of an encoded split are missing, or not whole."""


def open_encoded(folder: Path) -> EncodedSplit:
    """The encoded split in this folder, mapped, without tokenizer or source files.

    Raises  TornError
    """
    try:
        return _open(folder)
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):  # no memory, no descriptors
            raise
        raise TornError(f"{folder} is not whole: {error}") from error


def _is_torn(folder: Path) -> bool:
    try:
        open_encoded(folder)
    except TornError:
        return folder.is_dir()
    return False


def _open(folder: Path) -> EncodedSplit:
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    rows, examples = _map(folder / "windows.arrow"), _map(folder / "examples.arrow")
    heads = [HeadLabels(one["name"], tuple(one["kinds"]), tuple(one["names"]), one["problem"]) for one in meta["heads"]]
    views = {
        head.name: EncodedSplit(
            folder=folder,
            task=meta["task"],
            name=meta["name"],
            labels=head.names,
            windows=_windows(rows, folder=folder, head=number),
            n_words=examples["n_words"].to_numpy(),
            pad_id=meta["pad_id"],
            counts=meta["counts"],
            load_examples=lambda: Examples(examples.drop_columns("n_words"), task=meta["task"]),
            kinds=head.kinds if head.name else None,
        )
        for number, head in enumerate(heads)
    }
    return views[""] if "" in views else _joined(views)


def _joined(views: Mapping[str, EncodedSplit]) -> EncodedSplit:
    """The split of several heads; its own targets say whether there is gold for any of them."""
    first = next(iter(views.values()))
    known = np.any([view.windows.targets != IGNORED for view in views.values()], axis=0)
    windows = replace(first.windows, targets=np.where(known, 0, IGNORED).astype(np.int32), label_sets=None)
    return replace(first, labels=(), windows=windows, kinds=None, heads=views)


def _windows(rows: Any, *, folder: Path, head: int) -> Windows:
    pieces, piece_starts = _flat(rows, "pieces")
    items, home_starts = _flat(rows, "items")
    sets = _sets_file(folder, head)
    return Windows(
        pieces=pieces,
        piece_starts=piece_starts,
        example=_column(rows, "example").to_numpy(),
        items=items,
        places=_flat(rows, "places")[0],
        sizes=_flat(rows, "sizes")[0],
        targets=_flat(rows, f"targets-{head}")[0],
        home_starts=home_starts,
        types=_flat(rows, "types")[0] if "types" in rows.column_names else None,
        label_sets=LabelSets(*_flat(_map(sets), "labels")) if sets.exists() else None,
    )


def _sets_file(folder: Path, head: int) -> Path:
    return folder / f"sets-{head}.arrow"


def cache_key(
    split: Split, *, heads: Sequence[HeadLabels], tokenizer: PreTrainedTokenizerBase, frame: Frame, spec: StudySpec
) -> str:
    """What decides an encoding, as 32 hex digits.

    The examples themselves are hashed, not the file and how it was read: whatever made them, they decide.
    """
    decides = [
        [ENCODING, spec.task, split.name, spec.data.tagging, spec.train.truncate],
        [asdict(head) for head in heads],
        [_tokenizer_digest(tokenizer), tokenizer.pad_token_id, "token_type_ids" in tokenizer.model_input_names],
        [frame.prefix, frame.suffix, frame.length, frame.overlap],
        digest_examples(as_stored(split.examples, task=spec.task)),
    ]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]


def _tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    if tokenizer.is_fast:
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()  # what an earlier call left there; each call sets its own
        backend.no_padding()
        content = backend.to_str()
    else:
        content = json.dumps(
            [type(tokenizer).__name__, sorted(tokenizer.get_vocab().items()), repr(tokenizer.init_kwargs)]
        )
    return hashlib.sha256(content.encode()).hexdigest()


def _write(
    target: Path, *, windows: Windows, golds: Sequence[Gold], examples: Sequence[Example], meta: dict[str, Any]
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name[:8]}-", dir=target.parent))
    try:
        _write_table(draft / "windows.arrow", _window_columns(windows, golds=golds))
        _write_examples(draft / "examples.arrow", as_stored(examples, task=meta["task"]))
        for number, gold in enumerate(golds):
            if gold.label_sets is not None:
                _write_table(_sets_file(draft, number), _set_columns(gold.label_sets))
        (draft / META).write_text(json.dumps(meta), encoding="utf-8")
        try:
            os.rename(draft, target)  # noqa: PTH104  # Path.rename is the same call, and mypy knows this one's errors
        except OSError:
            if not target.is_dir():  # else another process was faster with the same content
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_table(path: Path, columns: dict[str, Any]) -> None:
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, table.num_rows))  # one chunk, so that columns map as one array


def _window_columns(windows: Windows, *, golds: Sequence[Gold]) -> dict[str, Any]:
    return {
        "pieces": _lists(windows.piece_starts, windows.pieces),
        "example": pa.array(windows.example),
        "items": _lists(windows.home_starts, windows.items),
        "places": _lists(windows.home_starts, windows.places),
        "sizes": _lists(windows.home_starts, windows.sizes),
        **{f"targets-{number}": _lists(windows.home_starts, gold.targets) for number, gold in enumerate(golds)},
        **({} if windows.types is None else {"types": _lists(windows.piece_starts, windows.types)}),
    }


def _set_columns(sets: LabelSets) -> dict[str, Any]:
    return {"labels": _lists(sets.starts, sets.labels)}


def _lists(starts: Ints, values: Ints) -> Any:
    return pa.LargeListArray.from_arrays(pa.array(starts, pa.int64()), pa.array(values))


def _write_examples(path: Path, examples: Examples) -> None:
    """The examples' own table with their numbers of words, chunk by chunk."""
    schema = examples.table.schema.append(pa.field("n_words", pa.int32()))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in examples.table.to_batches():
            n_words = pa.array(np.ones(len(batch), np.int32))  # of texts
            if examples.task == "token":
                n_words = pc.list_value_length(batch["words"]).cast(pa.int32())
            writer.write_batch(pa.record_batch([*batch.columns, n_words], schema=schema))


def _map(path: Path) -> Any:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _column(table: Any, name: str) -> Any:
    chunks = table[name].chunks
    return chunks[0] if chunks else table[name].combine_chunks()


def _flat(table: Any, name: str) -> tuple[Ints, Ints]:
    """Values of a list column without copying, and where each row's begin."""
    column = _column(table, name)
    return column.values.to_numpy(), column.offsets.to_numpy()
