"""The one schema of a study file: every key, its default, its unit and the reason for it.

The descriptions below are the manual: `docs/study-file.md` and the JSON Schema for editors are made from them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator


def read_duration(value: object) -> object:
    """Seconds from `90`, `"90s"`, `"2m"`, `"1h30m"` or `"2d"`; anything else is left for the schema to refuse."""
    if not isinstance(value, str):
        return value
    parts = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", value.strip())
    if parts is None or not any(parts.groups()):
        raise ValueError("is not a duration; write for example 90s, 2m or 1h30m")
    days, hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def read_names(value: object) -> object:
    """A list of names in which YAML's bare numbers and booleans (labels `0`, `1`, `yes`) are names, too."""
    if not isinstance(value, list):
        return value
    return [
        str(item).lower() if isinstance(item, bool) else str(item) if isinstance(item, int) else item for item in value
    ]


Duration = Annotated[
    float, BeforeValidator(read_duration), Field(gt=0, json_schema_extra={"type": ["number", "string"]})
]
Names = Annotated[tuple[str, ...], BeforeValidator(read_names)]
Column = str | int
Columns = Annotated[tuple[Column, ...], Field(min_length=1)]
Files = Path | tuple[Path, ...]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A part of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


class SplitSpec(Section):
    """How dev and test are taken out of train, when the data come without them."""

    dev: Fraction = Field(0.0, description="Share of train that becomes dev, when no file is dev")
    test: Fraction = Field(0.0, description="Share of train that becomes test, when no file is test")
    seed: Annotated[int, Field(ge=0)] = Field(1, description="Of the draw: equal seed and data, equal split")
    by: Literal["document", "sentence"] = Field(
        "document",
        description="What stays together: whole documents where the format knows them (else sentences), or single sentences. Equal documents stay together, and equal texts that are in no document",
    )
    stratify: bool = Field(True, description="Keep the shares of the labels alike in all parts, as far as can be")

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        if self.dev + self.test >= 1:
            raise ValueError("leaves nothing for train; write for example {dev: 0.1, test: 0.1}")
        return self


class DataSpec(Section):
    """Where the annotated text is, and how to read it."""

    dir: Path | None = Field(
        None,
        description="Folder with `train.*`, `dev.*` (or `devel.*`, `valid*.*`) and `test.*`, or with folders of these names; two files for one split are an error. Or a folder that `datasets` saved",
    )
    train: Files | None = Field(
        None, description="The training file, folder of documents, or list of them, when `dir` does not find it"
    )
    dev: Files | None = Field(None, description="The development file: chooses epochs and settings")
    test: Files | None = Field(
        None, description="The test file: opened by `check` and `best-and-train` only, never by a search"
    )
    hub: str | None = Field(
        None,
        description="Instead of files: a data set of the Hugging Face hub, `NAME` or `OWNER/NAME`, with a configuration `NAME:CONFIGURATION`",
    )
    split: SplitSpec | None = Field(
        None, description="Takes missing dev and test out of train, for example `{dev: 0.1, test: 0.1}`"
    )
    size: Annotated[float, Field(gt=0, le=100)] = Field(
        100.0,
        description="Percent of train that is learned from. Samples are nested (10 is part of 20) and drawn with `split.seed`; can be searched, for a learning curve",
    )
    format: str = Field(
        "auto", description="`auto` (told from name and content), or the name of a format, see `nertune data formats`"
    )
    encoding: str | None = Field(
        None, description="For example `latin-1`; null: UTF-8, or what the file's byte order mark says"
    )
    columns: dict[str, Column | Columns] | None = Field(
        None,
        description="Which columns (or keys of JSON) to read, by name or by number from 0 (-1 is the last): `{text: tweet, label: sentiment}`, `{word: 0, tag: -1}`. A list reads several: `{tag: [2, 3]}`, `{label: [joy, fear]}`; `pair` is a second text",
    )
    header: Literal["auto"] | bool = Field("auto", description="Whether the first line of a table names its columns")
    quoting: Literal["auto", "csv", "none"] = Field(
        "auto",
        description='Quotation marks of a table: `csv` (`"a ""b"" c"` is one field), or `none` (ordinary characters)',
    )
    separator: str | None = Field(
        None,
        description="What stands between several labels of one text or word, for example `,` or `|`; null: recognised on train",
    )
    tags: Path | None = Field(
        None,
        description="Definition of the tags of MAE files: which tags and attributes become labels (YAML, or the DTD)",
    )
    words: Literal["punctuation", "blanks"] = Field(
        "punctuation",
        description="What a word is where text is annotated by characters. `punctuation`: runs of letters and digits, and every other visible character by itself; `blanks`: what stands between white space",
    )
    sentences: Literal["lines", "documents"] = Field(
        "lines",
        description="What an example is where text is annotated by characters: a line of the text (lines that one entity joins stay together), or a whole document",
    )
    misaligned: Literal["widen", "drop"] = Field(
        "widen",
        description="Entities that begin or end inside a word: `widen` to whole words, or `drop`; counted either way",
    )
    nested: Literal["outermost", "innermost"] = Field(
        "outermost", description="Which of two overlapping entities is kept; the others are counted"
    )
    discontinuous: Literal["join", "split", "drop"] = Field(
        "join",
        description="Entities in several parts: `join` takes what lies between, `split` makes an entity of each part; counted",
    )
    scheme: Literal["iob1", "iob2", "io", "bioes", "bilou"] | None = Field(
        None, description="Tag scheme of the files; null: recognised on train"
    )
    tagging: Literal["iob2", "io", "bioes"] = Field(
        "iob2", description="Tag scheme that the model learns; the files nertune writes are IOB2 whatever stands here"
    )
    labels: Names | None = Field(
        None,
        description="The fixed list of entity types or classes; null: those of train. A label outside it is an error",
    )
    keep: Names | None = Field(
        None, description="Only these entity types or classes; the others become `O` or are left out, counted"
    )
    rename: dict[str, str] = Field(
        default_factory=dict,
        description="New names of entity types or classes, before `keep`; two old names with one new name are merged",
    )
    positive_label: str | None = Field(None, description="The class that `binary_f1` is about (sequence tasks)")

    @field_validator("rename")
    @classmethod
    def _gives_names(cls, rename: dict[str, str]) -> dict[str, str]:
        nameless = [old for old, new in rename.items() if not new.strip()]
        if nameless:
            raise ValueError(f"gives {nameless[0]} no name; to leave a type out, name the others in data.keep")
        return rename


class ModelSpec(Section):
    """The encoder that is fine-tuned."""

    name: str | None = Field(
        None, description="First part of the seed folders' names; null: the model's type, for example `bert`"
    )
    base: str = Field(description="A folder with a saved model, or a hub id such as `bert-base-cased`")
    tokenizer: str | None = Field(None, description="A folder or hub id; null: the one beside `base`")
    head: str = Field(
        "linear", description="What stands on the encoder: `linear`, one affine layer from encoding to labels"
    )
    problem: Literal["auto", "single_label", "multi_label"] = Field(
        "auto",
        description="`single_label`: one class for each text; `multi_label`: any number of them, none included; `auto`: as train shows",
    )
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="Into the model's own config, for example `{hidden_dropout_prob: 0.2}`; each key can be searched",
    )


class TrainSpec(Section):
    """One fit. The defaults are those of the Hugging Face Trainer, so that results compare with `run_ner.py` and its kin, unless a reason is given."""

    epochs: Count = Field(
        4,
        description="Passes over train. 4: the largest of the original BERT recipe (2, 3, 4); the best epoch is kept anyway",
    )
    batch_size: Count = Field(16, description="Examples per optimizer step")
    device_batch_size: Count | None = Field(
        None,
        description="At most so many examples on the device at once; the batch is reached by accumulation, with equal gradients. null: on a GPU the whole batch, on a CPU parts of at most about 512 pieces a thread, which its caches hold",
    )
    learning_rate: Positive = Field(5e-5, description="Peak learning rate of AdamW")
    weight_decay: NotNegative = Field(
        0.0, description="Decoupled weight decay; biases and layer norms are exempt, as usual"
    )
    warmup_ratio: Fraction = Field(0.0, description="Share of all steps in which the learning rate rises from 0")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="What the learning rate does after warm-up"
    )
    max_grad_norm: NotNegative = Field(1.0, description="Gradients are clipped to this global norm; 0: never")
    patience: Count | None = Field(
        None, description="Stop after so many evaluations without a better objective; null: never"
    )
    evaluate_every: Literal["epoch"] | Count = Field(
        "epoch", description="`epoch`, or a number of optimizer steps (the end of training is evaluated in any case)"
    )
    label_smoothing: Fraction = Field(
        0.0, description="Share of the target spread over all labels; reported losses are without it"
    )
    beta1: Fraction = Field(0.9, description="AdamW's decay of the first moment")
    beta2: Fraction = Field(0.999, description="AdamW's decay of the second moment")
    epsilon: Positive = Field(1e-8, description="AdamW's epsilon")
    batches: Literal["grouped", "shuffled"] = Field(
        "grouped",
        description="`grouped`: examples of like length together, batches in random order, much less padding; `shuffled`: plain random order",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="`auto`: one step is timed in both, once per study, and the faster kept. Weights and optimizer are fp32 always",
    )
    max_pieces: Annotated[int, Field(ge=8)] | None = Field(
        None,
        description="Longest window in pieces, special pieces included; null: as long as tokenizer and position table allow",
    )
    overlap_pieces: Annotated[int, Field(ge=0)] = Field(
        64, description="Pieces that neighbouring windows of a long sentence share (token tasks); at most half a window"
    )
    truncate: Literal["head", "tail", "both"] = Field(
        "head",
        description="Which part of a too long text is kept (sequence tasks): its head, its tail, or half of each. Cut texts are counted",
    )


def default_space() -> dict[str, list[Any] | dict[str, Any]]:
    """BERT's own recipe: its batch sizes and learning rates."""
    return {"train.batch_size": [16, 32], "train.learning_rate": [1e-5, 2e-5, 3e-5, 5e-5]}


class SearchSpec(Section):
    """Which settings are tried, and what makes one better."""

    sampler: Literal["grid", "tpe", "random"] = Field(
        "grid", description="`grid`: every cell once; `tpe`, `random`: need `trials` or `timeout`"
    )
    trials: Count | None = Field(
        None, description="Total of cells in the study. grid: null is every cell, a number the first so many"
    )
    timeout: Duration | None = Field(
        None, description="Total time of the search over all calls, for example `8h`; no new cell starts after it"
    )
    objective: str = Field("f1", description="The dev score, at its best epoch, that is maximised; `loss` is minimised")
    seed: Annotated[int, Field(ge=0)] = Field(
        42, description="Seed of every trial's fit, so that cells differ by their setting alone"
    )
    sampler_seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of the sampler (tpe, random)")
    space: dict[str, list[Any] | dict[str, Any]] = Field(
        default_factory=default_space,
        description="Searched keys of `model` and `train`, each with a list of values or `{low, high, log, step}`. The default is BERT's own recipe",
    )


class FinalSpec(Section):
    """What happens to the best setting."""

    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = Field(
        (1, 2, 3, 4, 5), description="One refit each. Other seeds than `search.seed`, whose luck chose the setting"
    )
    candidates: Count = Field(
        1,
        description="Refit so many of the best settings on all seeds and choose by mean dev score; the others never see test",
    )
    train_with_dev: bool = Field(
        False,
        description="Refit on train and dev together, for the number of epochs that was best in the search; dev scores are then not reported",
    )


class ExecuteSpec(Section):
    """Where and how jobs run. Nothing here changes what a study is."""

    kind: Literal["processes", "inline"] = Field(
        "processes", description="`processes`: warm worker processes; `inline`: in this process, for debugging"
    )
    workers: Literal["auto"] | Count = Field(
        "auto", description="Fits at a time; `auto`: one for each GPU, or as many as cores and memory carry"
    )
    threads: Literal["auto"] | Count = Field(
        "auto",
        description="CPU threads of one fit, fixed at the study's first start; `auto`: 1 when there are enough fits to fill the cores",
    )
    devices: Literal["auto", "cpu", "cuda"] | tuple[str, ...] = Field(
        "auto", description="`auto`, `cpu`, `cuda`, or a list such as `[cuda:0, cuda:1]`"
    )
    trial_timeout: Duration | None = Field(
        None, description="A fit that takes longer is ended and counts as failed; null: no limit"
    )
    hang_after: Duration = Field(
        120.0,
        description="A worker silent for longer than this, and than 20 times the slowest record so far, is replaced",
    )


class TrackSpec(Section):
    """Who else is told."""

    aim: Path | None = Field(
        Path("logs"), description="Folder of the Aim repository (`.aim` is made in it); null: no Aim runs"
    )
    tensorboard: bool = Field(
        False,
        description="TensorBoard event files, in `runs/` of each seed folder and in `OUTPUT/tensorboard/` for trials",
    )


class StudySpec(Section):
    """A checked study file, frozen. Paths are absolute once `spec.load` has read it."""

    nertune: Literal[1] = Field(1, description="Version of this file's meaning")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="Name of the study in records and folders; default: the file's name without its ending"
    )
    task: Literal["token", "sequence"] = Field(
        description="`token`: entities, a tag for each word; `sequence`: a class for each text"
    )
    data: DataSpec
    model: ModelSpec
    train: TrainSpec = TrainSpec()
    search: SearchSpec = SearchSpec()
    final: FinalSpec = FinalSpec()
    execute: ExecuteSpec = ExecuteSpec()
    output: Path = Field(
        description="Folder of the results; belongs to one study. Default: `runs/NAME` beside the study file"
    )
    storage: str = Field(
        "nertune.db",
        description="The record: a SQLite file, or a database URL as SQLAlchemy reads it. Default: beside the study file",
    )
    track: TrackSpec = TrackSpec()

    @model_validator(mode="after")
    def _needs_data(self) -> Self:
        if self.data.dir is None and self.data.train is None and self.data.hub is None:
            raise ValueError("data needs dir (a folder with train, dev and test files), or train and dev, or hub")
        return self


def sections() -> dict[str, type[BaseModel]]:
    """The sections of a study file by name: data, model, train, …"""
    return {
        name: field.annotation
        for name, field in StudySpec.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
