"""`data`: where the annotated text is, and how to read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nertune.spec.kinds import Column, Columns, Files, Fraction, Names, Percent, Section


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
    size: Percent = Field(
        100.0,
        description="Percent of train that is learned from. Samples are nested (10 is part of 20) and drawn with `split.seed`; can be searched, for a learning curve",
    )
    format: str = Field(
        "auto",
        description="`auto` (told from name and content), the name of a format (see `nertune data formats`), or a reader of your own, `package.module:name`",
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
