"""`model`: the encoder, and what stands on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from nertune.spec.kinds import Count, Fraction, Names, Positive, Section

HeadName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=40)]
ProblemChoice = Literal["auto", "single_label", "multi_label"]
CRF = "crf"  # the value of `model.head` that is `linear` with `crf: true`
Between = Annotated[float, Field(gt=0, lt=1)]


class HeadOptions(Section):
    """What one head is."""

    head: str = Field(
        "linear",
        description="What stands on the encoder: `linear`, one affine layer from encoding to labels; `mlp`, hidden layers before it; or your own, `package.module:name`",
    )
    hidden: tuple[Count, ...] = Field(
        (500, 250, 125), description="Widths of the hidden layers of `mlp`, from the encoder upwards; `[]` is none"
    )
    activation: Literal["relu", "gelu", "silu", "tanh"] = Field(
        "relu", description="Between the hidden layers of `mlp`"
    )
    head_dropout: Fraction | None = Field(
        None,
        description="Share of values dropped before each layer of the head while it learns; null: as the model's config says",
    )
    crf: bool = Field(
        False,
        description="A linear-chain CRF over the words of a sentence, on top of the head (token tasks): learned scores of tags that follow each other, the best whole sequence predicted",
    )
    crf_constraints: bool = Field(
        True,
        description="Sequences that the tag scheme forbids (I- after O) are impossible for the CRF, in training and prediction",
    )
    problem: ProblemChoice = Field(
        "auto",
        description="`single_label`: one label for each text or word; `multi_label`: any number of them, none included; `auto`: as train shows",
    )
    threshold: Between | Literal["tuned"] = Field(
        0.5,
        description="Probability above which a multi-label text or word has a label; `tuned`: for each label the one with the best F1 on dev, found at every evaluation and kept with the weights. Never found on test",
    )

    @property
    def has_crf(self) -> bool:
        return self.crf or self.head == CRF

    @property
    def learned_problem(self) -> Literal["single_label", "multi_label"]:
        """One label where `problem` is still auto; opening a study puts in what the data are."""
        return "multi_label" if self.problem == "multi_label" else "single_label"


class HeadSpec(HeadOptions):
    """One of several heads on one encoder: it learns some of the labels, the encoder learns from all heads."""

    labels: Annotated[Names, Field(min_length=1)] = Field(
        description="The entity types or classes that this head learns; each belongs to one head"
    )
    weight: Positive = Field(1.0, description="Of this head's loss in the sum over all heads")


class EncoderOptions(Section):
    """The encoder, its tokenizer, and how its encodings are read."""

    name: str | None = Field(
        None, description="First part of the seed folders' names; null: the model's type, for example `bert`"
    )
    base: str = Field(description="A folder with a saved model, or a hub id such as `bert-base-cased`")
    tokenizer: str | None = Field(None, description="A folder or hub id; null: the one beside `base`")
    tokenizer_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Into the tokenizer when it is loaded, for example `{strip_accents: false}`",
    )
    lower_case: bool | None = Field(None, description="Whether the tokenizer lowers its input; null: as it was saved")
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="Into the model's own config, for example `{hidden_dropout_prob: 0.2}`; each key can be searched",
    )
    checkpoint: str | None = Field(
        None,
        description="A folder or hub id whose weights are taken over those of `base` where name and shape fit, for example of a pre-training; what was new, missing and left out is said",
    )
    checkpoint_strict: bool = Field(
        False,
        description="Refuse a `checkpoint` that does not fill the whole encoder, or has encoder weights left over",
    )
    reinit_layers: Annotated[int, Field(ge=0)] = Field(
        0,
        description="So many of the encoder's last layers are drawn anew (Zhang et al. 2021, arXiv:2006.05987), and a pooler with them",
    )
    pieces: Literal["first", "all", "x", "mean"] = Field(
        "first",
        description="Which pieces of a word learn (token tasks): its `first`; `all`, later ones as I- of its tag; `x`, later ones with a label X of their own; `mean`, the average of their encodings. The word's tag is read where its first piece is, and scores count words",
    )
    pooling: Literal["cls", "mean"] = Field(
        "cls",
        description="What encodes a text (sequence tasks): `cls`, as the architecture's own classifier takes it (first piece, through the pooler where there is one); `mean`, the average over its pieces",
    )


class ModelSpec(HeadOptions, EncoderOptions):
    """The encoder that is fine-tuned, and what stands on it."""

    heads: dict[HeadName, HeadSpec] | None = Field(
        None,
        description="Several heads on one encoder, by name; instead of the keys of one head. `search.objective` is the mean of their scores, or one of them: `NAME.f1`",
    )

    @property
    def data_problem(self) -> ProblemChoice:
        """How many labels a word or text of the data may have: several heads share them out."""
        return "multi_label" if self.heads else self.problem
