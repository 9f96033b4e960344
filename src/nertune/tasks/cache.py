"""Encoded splits on disk: Arrow files that every worker maps, in a folder named by all that decides their content.

FOLDER/KEY/windows.arrow    one row a window
FOLDER/KEY/examples.arrow   one row an example
FOLDER/KEY/sets.arrow       one row a set of labels; multi-label splits only
FOLDER/KEY/meta.json        task, labels, padding, counts
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, Split
from nertune.data.store import Examples, as_stored, digest_examples
from nertune.models.heads import problem_of
from nertune.spec.study import StudySpec
from nertune.tasks import TASKS
from nertune.tasks.encoded import EncodedSplit, Ints, LabelSets, Windows
from nertune.tasks.windows import Frame, find_frame

ENCODING = 3  # raise it when the same input is encoded differently, or lies differently on disk


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

    It is written under a temporary name and renamed, so that whoever finds it finds all of it.

    labels   entity types (token) or classes (sequence) that are learned
    folder   of the cache; made if missing
    Raises   ModelError when no window is possible, DataError for a text of an unknown class
    """
    frame = find_frame(tokenizer, train=spec.train, position_limit=position_limit)
    names = TASKS[spec.task].label_names(labels, data=spec.data)
    target = folder / cache_key(split, names=names, tokenizer=tokenizer, frame=frame, spec=spec)
    if not target.is_dir():
        windows, counts = TASKS[spec.task].encode(
            split.examples, labels=names, tokenizer=tokenizer, frame=frame, spec=spec
        )
        pad_id = tokenizer.pad_token_id or 0
        meta = {"task": spec.task, "name": split.name, "labels": names, "pad_id": pad_id, "counts": counts}
        _write(target, windows=windows, examples=split.examples, meta=meta)
    return open_encoded(target)


def open_encoded(folder: Path) -> EncodedSplit:
    """The encoded split in this folder, mapped, without tokenizer or source files."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    rows, examples = _map(folder / "windows.arrow"), _map(folder / "examples.arrow")
    pieces, piece_starts = _flat(rows, "pieces")
    items, home_starts = _flat(rows, "items")
    windows = Windows(
        pieces=pieces,
        piece_starts=piece_starts,
        example=_column(rows, "example").to_numpy(),
        items=items,
        places=_flat(rows, "places")[0],
        targets=_flat(rows, "targets")[0],
        home_starts=home_starts,
        types=_flat(rows, "types")[0] if "types" in rows.column_names else None,
        label_sets=LabelSets(*_flat(_map(folder / "sets.arrow"), "labels"))
        if (folder / "sets.arrow").exists()
        else None,
    )
    return EncodedSplit(
        folder=folder,
        task=meta["task"],
        name=meta["name"],
        labels=tuple(meta["labels"]),
        windows=windows,
        n_words=examples["n_words"].to_numpy(),
        pad_id=meta["pad_id"],
        counts=meta["counts"],
        load_examples=lambda: Examples(examples.drop_columns("n_words"), task=meta["task"]),
    )


def cache_key(
    split: Split, *, names: Sequence[str], tokenizer: PreTrainedTokenizerBase, frame: Frame, spec: StudySpec
) -> str:
    """What decides an encoding, as 32 hex digits.

    The examples themselves are hashed, not the file and how it was read: whatever made them, they decide.
    """
    decides = [
        [ENCODING, spec.task, split.name, list(names), spec.data.tagging, spec.train.truncate],
        problem_of(spec.model, task=spec.task),
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


def _write(target: Path, *, windows: Windows, examples: Sequence[Example], meta: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name[:8]}-", dir=target.parent))
    try:
        _write_table(draft / "windows.arrow", _window_columns(windows))
        _write_examples(draft / "examples.arrow", as_stored(examples, task=meta["task"]))
        if windows.label_sets is not None:
            _write_table(draft / "sets.arrow", _set_columns(windows.label_sets))
        (draft / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
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


def _window_columns(windows: Windows) -> dict[str, Any]:
    return {
        "pieces": _lists(windows.piece_starts, windows.pieces),
        "example": pa.array(windows.example),
        "items": _lists(windows.home_starts, windows.items),
        "places": _lists(windows.home_starts, windows.places),
        "targets": _lists(windows.home_starts, windows.targets),
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
