"""Kinds of values in a study file: durations, names, counts, shares; and what a section is."""

from __future__ import annotations

import fractions
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


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


def read_shares(value: object) -> object:
    """A list of numbers, some of which are written as fractions: `1/9`."""
    if not isinstance(value, list | tuple):
        return value
    return [float(fractions.Fraction(item)) if isinstance(item, str) and is_fraction(item) else item for item in value]


def is_fraction(text: str) -> bool:
    return re.fullmatch(r"\s*\d+\s*/\s*[1-9]\d*\s*", text) is not None


def check_rungs(shares: tuple[float, ...]) -> tuple[float, ...]:
    if list(shares) != sorted(set(shares)) or shares[-1] != 1:
        raise ValueError("are shares that rise and end with 1; write for example [1/9, 1/3, 1]")
    return shares


Duration = Annotated[
    float, BeforeValidator(read_duration), Field(gt=0, json_schema_extra={"type": ["number", "string"]})
]
Names = Annotated[tuple[str, ...], BeforeValidator(read_names)]
Column = str | int
Columns = Annotated[tuple[Column, ...], Field(min_length=1)]
Files = Path | tuple[Path, ...]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Rungs = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1, json_schema_extra={"type": ["string", "number"]})], ...],
    Field(min_length=2),
    BeforeValidator(read_shares),
    AfterValidator(check_rungs),
]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A part of the file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)
