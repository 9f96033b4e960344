"""The user's own code that a study names: what workers import before they start, and what it was made from."""

from __future__ import annotations

from collections.abc import Iterator

from nertune.hooks import Hook, hook_digest, is_hook
from nertune.spec.study import StudySpec


def named_hooks(spec: StudySpec) -> tuple[Hook, ...]:
    """Every hook of a study, searched heads included, each once."""
    hooks: list[Hook] = [
        *((name, key, "head") for name, key in _heads(spec) if is_hook(name)),
        *((name, "search.scores", "score") for name in spec.search.scores),
        *((name, "train.callbacks", "callback") for name in spec.train.callbacks),
    ]
    if is_hook(spec.data.format):
        hooks.append((spec.data.format, "data.format", "reader"))
    return tuple(dict.fromkeys(hooks))


def hook_digests(spec: StudySpec) -> dict[str, str | None]:
    """The sha256 (hex) of the file of each hook's module, by the hook's name."""
    return {name: hook_digest(name) for name, _, _ in named_hooks(spec)}


def _heads(spec: StudySpec) -> Iterator[tuple[str, str]]:
    """Names of heads and the keys that hold them."""
    yield spec.model.head, "model.head"
    yield from ((head.head, f"model.heads.{name}.head") for name, head in (spec.model.heads or {}).items())
    for key, values in spec.search.space.items():
        if key.startswith("model.head") and key.endswith("head") and isinstance(values, list):
            yield from ((str(value), f"search.space.{key}") for value in values)
