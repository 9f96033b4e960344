"""Values of old files as a study file has them. Each function raises ValueError with what was expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def as_it_is(value: Any) -> Any:
    return value


def whole_number(value: Any) -> int:
    """An integer from `8`, `8.0` or `"8"`."""
    found = number(value)
    if found != int(found):
        raise ValueError("a whole number is needed")
    return int(found)


def number(value: Any) -> float:
    """A number, or text that is one: YAML 1.1 reads `1e-5` as text. An integer stays one."""
    try:
        found = value if isinstance(value, int) else float(value)
        is_finite = math.isfinite(found)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a number is needed") from None
    if isinstance(value, bool) or not is_finite:
        raise ValueError("a number is needed")
    return found


def truth(value: Any) -> bool:
    """True or False, also from `yes`, `off` or `1`, which YAML 1.1 and JSON files have for them."""
    word = str(value).casefold()
    if isinstance(value, (dict, list)) or word not in (*TRUE, *FALSE):
        raise ValueError("true or false is needed")
    return word in TRUE


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text is needed")
    return value.strip()


def names(value: Any) -> list[str]:
    """A list of names, or a single one."""
    found = value if isinstance(value, list) else [value]
    if not found or any(isinstance(item, (dict, list)) or item is None for item in found):
        raise ValueError("a list of names is needed")
    return [str(item) for item in found]


def one_of(known: Mapping[str, Any]) -> Callable[[Any], Any]:
    """A function that looks a word up, upper and lower case being the same."""

    def look_up(value: Any) -> Any:
        word = str(value).casefold()
        if word not in known:
            raise ValueError(f"one of these is needed: {', '.join(known)}")
        return known[word]

    return look_up


def types_of_tags(tags: Sequence[str]) -> list[str]:
    """`[PER, LOC]` of `[B-PER, I-PER, B-LOC, O]`; a list that holds no tags as it is."""
    if not any(tag[:2] in ("B-", "I-") for tag in tags):
        return list(tags)
    return list(dict.fromkeys(tag[2:] for tag in tags if tag[1:2] == "-"))
