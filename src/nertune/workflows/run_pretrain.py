"""Plain text -> a tokenizer and a small encoder, in a folder that any transformers program can load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nertune.errors import raise_all, shown_path
from nertune.pretrain.options import PretrainOptions, option_problems
from nertune.pretrain.output import (
    building,
    is_complete,
    own,
    put_in_place,
    read_note,
    refuse_other,
    write_note,
)
from nertune.pretrain.text import PlainText, read_text
from nertune.report.text import left_text

Tell = Callable[[str | dict[str, Any]], None]


@dataclass(frozen=True)
class PretrainRecord:
    """What a pretraining left and how it went. Losses are nats per masked piece.

    first_loss, last_loss  mean over the first and the last twentieth of the steps
    held_out_loss          on windows that were not trained on; None when the text is too short to spare one
    seconds                wall time of the run that made it
    made                   False when it was there already and nothing was done
    """

    tokenizer: Path
    model: Path
    vocabulary_size: int
    n_lines: int
    n_windows: int
    n_parameters: int
    first_loss: float
    last_loss: float
    held_out_loss: float | None
    seconds: float
    made: bool

    def __str__(self) -> str:
        held_out = "" if self.held_out_loss is None else f", {self.held_out_loss:.2f} held out"
        return (
            f"tokenizer  {shown_path(self.tokenizer)}  {self.vocabulary_size} pieces\n"
            f"model      {shown_path(self.model)}  {self.n_parameters:,} parameters\n"
            f"loss       {self.first_loss:.2f} to {self.last_loss:.2f}{held_out}\n"
            f"made in    {self.seconds:.0f} s{'' if self.made else ', by an earlier run'}"
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"tokenizer": str(self.tokenizer), "model": str(self.model)}


def pretrain(
    corpus: Path,
    *,
    output_dir: Path,
    options: PretrainOptions | None = None,
    fresh: bool = False,
    tell: Tell = lambda _: None,
) -> PretrainRecord:
    """Train OUTPUT/tokenizer and OUTPUT/mlm, or find them made already from the same text with the same options.

    corpus   a UTF-8 text file, or a folder of *.txt
    fresh    make it in any case; what lies there is kept under a name with @1, @2, …
    tell     gets sentences, and {"step", "steps", "loss"} some twenty times
    Raises   UserError and children: wrong options, no or unreadable text, a folder that holds another model
    """
    options = options or PretrainOptions()
    raise_all(option_problems(options))
    text = read_text(corpus)
    identity = _identity(text, options=options)
    with own(output_dir):
        note = read_note(output_dir)
        if not fresh and note is not None and note["identity"] == identity and is_complete(output_dir):
            tell(f"{shown_path(output_dir)} was made from this text with these options already; nothing to do")
            return _record(output_dir, facts=note["record"], made=False)
        if not fresh:
            refuse_other(output_dir, note=note, identity=identity)
        with building(output_dir) as folder:
            facts = _make(text, options=options, folder=folder, tell=tell)
            write_note(folder, identity=identity, record=facts)
        put_in_place(output_dir)
    return _record(output_dir, facts=facts, made=True)


def _make(text: PlainText, *, options: PretrainOptions, folder: Path, tell: Tell) -> dict[str, Any]:
    start = time.monotonic()
    # heavy, and not needed to find that all is there
    from nertune.pretrain.mlm import train_mlm
    from nertune.pretrain.tokenizer import save_tokenizer, train_tokenizer

    tokenizer = train_tokenizer(
        text.lines,
        vocabulary_size=options.vocabulary_size,
        lower_case=options.lower_case,
        max_pieces=options.max_pieces,
    )
    tell(f"tokenizer: {len(tokenizer)} pieces from {len(text.lines)} lines")
    fitted = train_mlm(
        text.lines, tokenizer=tokenizer, options=options, folder=folder / "mlm", tell=_with_time_left(tell)
    )
    save_tokenizer(tokenizer, folder=folder / "tokenizer")
    save_tokenizer(tokenizer, folder=folder / "mlm")
    seconds = round(time.monotonic() - start, 1)
    return {"vocabulary_size": len(tokenizer), "n_lines": len(text.lines)} | asdict(fitted) | {"seconds": seconds}


def _with_time_left(tell: Tell) -> Tell:
    """The same, with the time that the steps to come may take."""
    began = time.monotonic()

    def told(message: str | dict[str, Any]) -> None:
        if isinstance(message, dict) and message["step"] < message["steps"]:
            seconds = time.monotonic() - began
            message = {**message, "time": left_text(message["step"], message["steps"], seconds=seconds)}
        tell(message)

    return told


def _identity(text: PlainText, *, options: PretrainOptions) -> dict[str, Any]:
    # threads change the last bits of the weights only, and differ between machines
    return {"corpus": text.fingerprint} | {key: value for key, value in options.to_json().items() if key != "threads"}


def _record(output_dir: Path, *, facts: dict[str, Any], made: bool) -> PretrainRecord:
    return PretrainRecord(tokenizer=output_dir / "tokenizer", model=output_dir / "mlm", made=made, **facts)
