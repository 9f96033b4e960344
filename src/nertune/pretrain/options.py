"""What can be chosen about pretraining, each with its default, its reason and its help text."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from nertune.errors import UserError


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """Settings of the tokenizer and of the encoder. The defaults make the demo model in under a minute.

    A model for real work wants more of everything: millions of lines, width 256 and up, tens of thousands of steps.
    """

    vocabulary_size: int = _option(4000, "Most pieces the tokenizer may have; a small corpus gives fewer")
    lower_case: bool = _option(
        False, "Lower case for everything, accents removed. Not by default: capitals help to find names"
    )
    layers: int = _option(2, "Transformer layers")
    width: int = _option(128, "Size of the hidden states; a multiple of `heads`")
    heads: int = _option(4, "Attention heads of each layer")
    intermediate: int = _option(256, "Width inside each feed-forward block; 2 × width is cheaper than BERT's 4 ×")
    max_pieces: int = _option(128, "Longest window in pieces, special ones included; the model's limit afterwards")
    steps: int = _option(1000, "Optimizer steps")
    batch_size: int = _option(32, "Windows per step")
    learning_rate: float = _option(2e-3, "Peak learning rate of AdamW: warm-up over the first tenth, then linear to 0")
    mask_share: float = _option(
        0.35, "Share of the pieces that are predicted; BERT has 0.15, a short run learns more from more"
    )
    dropout: float = _option(0.0, "Dropout, also in the saved config. Little text and few steps underfit: none")
    seed: int = _option(1, "Seed of the first weights, of the order and of the masks")
    threads: int = _option(
        1, "CPU threads; more pay off from a width of some hundreds. Equal seed and threads: equal bits"
    )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def option_helps() -> dict[str, str]:
    """The help text of every option, in the order of the manual."""
    return {option.name: option.metadata["help"] for option in fields(PretrainOptions)}


def option_problems(options: PretrainOptions) -> list[UserError]:
    """Everything that is wrong with the options, so that it is told at once."""
    least = {"layers": 1, "width": 1, "heads": 1, "intermediate": 1, "steps": 1, "batch_size": 1, "threads": 1}
    least |= {"vocabulary_size": 32, "max_pieces": 8, "seed": 0}
    found = [_too_small(name, value=getattr(options, name), least=low) for name, low in least.items()]
    found.append(_uneven_heads(options))
    found.append(_no_share("mask_share", value=options.mask_share, is_right=0 < options.mask_share < 1))
    found.append(_no_share("dropout", value=options.dropout, is_right=0 <= options.dropout < 1))
    found.append(_no_share("learning_rate", value=options.learning_rate, is_right=0 < options.learning_rate < 1))
    return [problem for problem in found if problem is not None]


def flag(name: str) -> str:
    """The option as it is typed: `mask_share` is `--mask-share`."""
    return "--" + name.replace("_", "-")


def _too_small(name: str, *, value: int, least: int) -> UserError | None:
    if value >= least:
        return None
    return UserError(f"{name} is {value}, but must be at least {least}", fix=f"Write for example: {flag(name)} {least}")


def _no_share(name: str, *, value: float, is_right: bool) -> UserError | None:
    if is_right:
        return None
    default = getattr(PretrainOptions, name)
    message = f"{name} is {value}, but must be {'at least' if default == 0 else 'above'} 0 and below 1"
    return UserError(message, fix=f"Write for example: {flag(name)} {default}")


def _uneven_heads(options: PretrainOptions) -> UserError | None:
    if options.heads < 1 or options.width < 1 or options.width % options.heads == 0:
        return None
    near = max(1, round(options.width / options.heads)) * options.heads
    message = f"width is {options.width}, which {options.heads} heads do not divide"
    return UserError(message, fix=f"Write for example: --width {near} --heads {options.heads}")
