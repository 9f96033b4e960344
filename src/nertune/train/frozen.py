"""What frozen layers make of the data: computed once, kept on disk, read by every fit that freezes as much.

The lowest layers that learn in no stage of a fit run without dropout, so that behind them a window looks the same in
every epoch of every trial. A fit that finds this in the study's cache runs the layers above alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from nertune.models.build import OWN_KEYS, Base
from nertune.models.composed import width_of
from nertune.spec.fingerprint import fingerprint
from nertune.spec.study import StudySpec
from nertune.tasks.cache import META, open_encoded
from nertune.tasks.encoded import EncodedSplit, Ints, States
from nertune.train.batches import evaluation_batches, pad, readable_by
from nertune.train.optim import Precision
from nertune.train.parts import learning_anywhere
from nertune.train.predict import Pulse, max_pieces_on

VERSION = 1  # raise it when the same layers give something else, or it lies differently on disk
# Encoders whose layers take what the layer before gave, and whose embeddings are one module of this name.
KNOWN_TYPES = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "mpnet"})
EMBEDDINGS = ("embeddings", "embeddings_project")
IN_TUPLES = frozenset({"mpnet"})  # types whose layers give a tuple
NO_MATTER = (*OWN_KEYS, "_name_or_path", "transformers_version")  # keys of a config that no layer looks at
GIB = 2**30
LEFT_FREE = GIB  # of the disk: the cache never fills it up
LOOK_AGAIN_S = 0.5  # while another worker computes

Floats = npt.NDArray[np.float32]
Find = Callable[[PreTrainedModel, EncodedSplit, int], States | None]  # of a split, behind so many layers


def n_frozen_layers(spec: StudySpec, *, base: Base) -> int:
    """How many of the lowest layers learn in no stage and can be left out; 0 for unknown types of encoders."""
    if base.config.model_type not in KNOWN_TYPES or not base.parts.layers:
        return 0
    learning = learning_anywhere(spec.stage_settings, parts=base.parts)
    lowest = min(learning | {base.parts.level(name) for name in base.missing})
    return max(0, min(lowest - 1, len(base.parts.layers)))


class Shortcut:
    """A model without its embeddings and lowest layers, which takes `inputs_embeds` as what these would have given.

    The names of all other modules and parameters stay as they are.
    """

    def __init__(self, model: PreTrainedModel, *, base: Base, n_layers: int) -> None:
        self._encoder: nn.Module = model.base_model
        layers = [_name_in_encoder(base, number) for number in range(n_layers)]
        names = [*(name for name in EMBEDDINGS if hasattr(self._encoder, name)), *layers]
        self._left_out = {name: self._encoder.get_submodule(name).to("cpu") for name in names}
        stand_in = _PassedOn(in_tuple=base.config.model_type in IN_TUPLES)
        for name in names:
            self._encoder.set_submodule(name, stand_in if name in layers else _PassedOn(in_tuple=False))

    def undo(self) -> None:
        """Put everything back, onto the device of the others."""
        device = next(self._encoder.parameters(), torch.empty(0)).device
        for name, module in self._left_out.items():
            self._encoder.set_submodule(name, module.to(device))


class _PassedOn(nn.Module):
    """Gives the first tensor of numbers that it is given."""

    def __init__(self, *, in_tuple: bool) -> None:
        super().__init__()
        self._in_tuple = in_tuple

    def forward(self, *args: Any, **named: Any) -> Any:
        given = next(one for one in (*args, *named.values()) if isinstance(one, Tensor) and one.is_floating_point())
        return (given,) if self._in_tuple else given


# ---- from the cache


def cached_states(
    model: PreTrainedModel,
    split: EncodedSplit,
    n_layers: int,
    *,
    base: Base,
    spec: StudySpec,
    device: str,
    precision: Precision,
    pulse: Pulse,
) -> States | None:
    """What the lowest layers give for a split: from the file beside it, which is made where there is none.

    Returns  None where `execute.frozen_cache` or the disk has no room for it, or the split lies in no file
    """
    if spec.execute.frozen_cache == 0 or not (split.folder / META).exists():
        return None
    whole = readable_by(model, split if split.origin is None else open_encoded(split.folder))
    file = split.folder / f"states-{_key(base, n_layers=n_layers, device=device, precision=precision)}"
    size = _size(whole, n_features=width_of(base.config))
    if not _is_whole(file, size):
        with _alone(file, pulse=pulse):
            is_wanted = not _is_whole(file, size)  # unless another worker made it meanwhile
            if is_wanted and _has_room(file, size, limit=spec.execute.frozen_cache):
                reached = reach(model, whole, base=base, n_layers=n_layers, device=device, precision=precision)
                _write(file, whole, reached, pulse=pulse)
    states = _open(file, whole) if _is_whole(file, size) else None
    return states if states is None or split.origin is None else states.of(split.origin)


def _key(base: Base, *, n_layers: int, device: str, precision: Precision) -> str:
    """What decides the numbers, beside the split itself."""
    config = {name: value for name, value in base.config.to_dict().items() if name not in NO_MATTER}
    decides = [VERSION, n_layers, precision, device.split(":")[0], torch.__version__, base.digest, config]
    return fingerprint(decides)[:24]


def _size(whole: EncodedSplit, *, n_features: int) -> int:
    """Bytes of the states of a split."""
    return int(whole.windows.piece_starts[-1]) * n_features * np.dtype(np.float32).itemsize


def _is_whole(file: Path, size: int) -> bool:
    """Whether the file is there, and no disk has lost a part of it."""
    return file.exists() and file.stat().st_size == size


def _open(file: Path, whole: EncodedSplit) -> States:
    """The states in a file, mapped."""
    starts = whole.windows.piece_starts
    values = np.asarray(np.memmap(file, dtype=np.float32, mode="r"))
    return States(values.reshape(int(starts[-1]), -1), starts[:-1])


def _write(file: Path, whole: EncodedSplit, reached: Iterable[tuple[Ints, Floats]], *, pulse: Pulse) -> None:
    """Under another name, then renamed: whoever finds it finds all of it. Nobody else writes one of that name."""
    windows, draft = whole.windows, file.with_name(file.name.replace("states", "draft"))
    try:
        with draft.open("wb") as stream:
            for numbers, rows in reached:
                pulse()
                ends = np.cumsum(windows.lengths[numbers])
                for number, end in zip(numbers, ends, strict=True):
                    stream.seek(int(windows.piece_starts[number]) * rows[0].nbytes)
                    stream.write(rows[end - windows.lengths[number] : end].tobytes())
        draft.rename(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _has_room(file: Path, size: int, *, limit: float) -> bool:
    used = sum(one.stat().st_size for one in file.parent.parent.glob("*/states-*"))
    return used + size <= limit * GIB and size + LEFT_FREE <= shutil.disk_usage(file.parent).free


@contextlib.contextmanager
def _alone(file: Path, *, pulse: Pulse) -> Iterator[None]:
    """One process at a time; the kernel frees the lock of one that dies."""
    with file.with_name(file.name.replace("states", "lock")).open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pulse()
                time.sleep(LOOK_AGAIN_S)
        yield


# ---- computed


def states_of_some(
    model: PreTrainedModel,
    split: EncodedSplit,
    n_layers: int,
    *,
    base: Base,
    numbers: Ints,
    device: str,
    precision: Precision,
) -> States:
    """The same for these windows alone, in memory; the others have none."""
    parts = [*reach(model, split, base=base, n_layers=n_layers, device=device, precision=precision, numbers=numbers)]
    lengths = split.windows.lengths
    starts = np.zeros(len(split.windows), dtype=np.int64)
    order = np.concatenate([windows for windows, _ in parts])
    starts[order] = np.cumsum(lengths[order]) - lengths[order]
    return States(np.concatenate([rows for _, rows in parts]), starts)


def reach(
    model: PreTrainedModel,
    split: EncodedSplit,
    *,
    base: Base,
    n_layers: int,
    device: str,
    precision: Precision,
    numbers: Ints | None = None,
) -> Iterator[tuple[Ints, Floats]]:
    """Window numbers and what the lowest layers give for their pieces, [sum of their lengths, D], batch by batch.

    numbers  of the windows; None: all
    """
    place = torch.device(device)
    was_training = model.training
    model.to(place).eval()
    last = model.base_model.get_submodule(_name_in_encoder(base, n_layers - 1))
    hook = last.register_forward_hook(_leave)
    batches = [numbers] if numbers is not None else evaluation_batches(split, max_pieces=max_pieces_on(place))
    try:
        for batch in batches:
            inputs = {name: tensor.to(place) for name, tensor in pad(split, batch).items()}
            with torch.inference_mode(), torch.autocast(place.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
                states = _reached(model.base_model, inputs)[inputs["attention_mask"].bool()]
            yield batch, states.float().cpu().numpy()
    finally:
        hook.remove()
        model.train(was_training)


class _ReachedError(Exception):
    """The last frozen layer has run: the rest of the model need not."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


def _leave(_layer: nn.Module, _inputs: Any, output: Any) -> NoReturn:
    raise _ReachedError(output[0] if isinstance(output, tuple) else output)


def _reached(encoder: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    try:
        encoder(**inputs)
    except _ReachedError as end:
        return end.states
    raise AssertionError("no layer has run")


def _name_in_encoder(base: Base, layer: int) -> str:
    return base.parts.layers[layer].removeprefix(base.parts.encoder).removesuffix(".")
