"""`train` and `stages`: what a fit does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nertune.spec.kinds import Count, Fraction, NotNegative, Positive, Section, Share

Layers = Annotated[int, Field(ge=0)]
Freeze = Literal["none", "embeddings", "encoder"]
Schedule = Literal["linear", "cosine", "constant"]


class LoraSpec(Section):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685) through `peft`: the encoder's weights stay, small additions to them learn, and are merged into them in the saved model."""

    rank: Count = Field(8, description="Inner width of the additions")
    alpha: Positive = Field(16.0, description="The additions are scaled by alpha / rank")
    dropout: Fraction = Field(0.0, description="Share of the additions' input dropped while they learn")
    targets: tuple[str, ...] | None = Field(
        None,
        description="Ends of the names of the linear layers that get an addition, for example `[query, value]`; null: every linear layer of the encoder",
    )


class TrainSpec(Section):
    """One fit. The defaults are those of the Hugging Face Trainer, so that results compare with `run_ner.py` and its kin, unless a reason is given."""

    epochs: Count = Field(
        4,
        description="Passes over train. 4: the largest of the original BERT recipe (2, 3, 4); the best epoch is kept anyway",
    )
    batch_size: Count = Field(16, description="Examples per optimizer step")
    max_steps: Count | None = Field(
        None, description="End after so many optimizer steps, when that is before `epochs`; the schedule ends there too"
    )
    device_batch_size: Count | None = Field(
        None,
        description="At most so many examples on the device at once; the batch is reached by accumulation, with equal gradients. null: on a GPU the whole batch, on a CPU parts of at most about 640 pieces a thread (1,280 in bf16), which its caches hold",
    )
    learning_rate: Positive = Field(5e-5, description="Peak learning rate")
    head_learning_rate: Positive | None = Field(
        None, description="Peak learning rate of the head (and of a pooler that is new); null: `learning_rate`"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Each layer's learning rate is this times that of the layer above; the last layer has `learning_rate`, the embeddings the lowest, the head is not touched",
    )
    weight_decay: NotNegative = Field(
        0.0, description="Decoupled weight decay; biases and layer norms are exempt, as usual"
    )
    head_weight_decay: NotNegative | None = Field(None, description="Of the head; null: `weight_decay`")
    freeze: Freeze = Field(
        "none",
        description="What stays as it was: nothing, the `embeddings`, or the whole `encoder` with its pooler. What a checkpoint lacked (a new pooler), and layers drawn anew, learn in any case. Frozen parts run without dropout",
    )
    top_layers: Layers | None = Field(
        None,
        description="Only so many of the encoder's last layers learn, with what lies above them (pooler, final norm) and the head; null: as `freeze` says",
    )
    lora: LoraSpec | None = Field(
        None,
        description="Low-rank adapters where the encoder's own weights would learn, as `freeze` and `top_layers` say; needs `pip install 'nertune[lora]'`",
    )
    warmup_ratio: Fraction = Field(0.0, description="Share of all steps in which the learning rate rises from 0")
    schedule: Schedule = Field("linear", description="What the learning rate does after warm-up")
    max_grad_norm: NotNegative = Field(1.0, description="Gradients are clipped to this global norm; 0: never")
    patience: Count | None = Field(
        None, description="Stop after so many evaluations without a better objective; null: never"
    )
    evaluate_every: Literal["epoch"] | Count = Field(
        "epoch", description="`epoch`, or a number of optimizer steps (the end of training is evaluated in any case)"
    )
    evaluate_from: NotNegative = Field(
        0.0,
        description="Epochs of each stage, or a part of one, before its first evaluation: none is worth its time while the model knows nothing. Patience and the best epoch begin there",
    )
    label_smoothing: Fraction = Field(
        0.0, description="Share of the target spread over all labels; reported losses are without it"
    )
    loss: Literal["cross_entropy", "focal"] = Field(
        "cross_entropy",
        description="`cross_entropy` (of each label by itself where there are several), or `focal`, which turns to what is still wrong (Lin et al. 2017, arXiv:1708.02002)",
    )
    focal_gamma: NotNegative = Field(
        2.0, description="How much `focal` turns away from what is right already; 0 is cross-entropy"
    )
    balance: Share = Field(
        0.0,
        description="Weights for rare labels, from 0 (none) to 1 (inverse frequency in train): (N / (K n)) ^ balance for a label with n of the N gold labels of K kinds, the mean over train being 1. Of several labels, the positives: (negatives / positives) ^ balance. With a CRF a sentence weighs the mean of its words' weights",
    )
    optimizer: str = Field(
        "adamw_torch_fused",
        description="One of those that the Hugging Face Trainer knows and that need no more than a name, for example `adafactor`, `sgd`, `lion_32bit`, `schedule_free_adamw`; some need a package of their own, which `check` names",
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
    callbacks: tuple[str, ...] = Field(
        (), description="Trainer callbacks of your own, each `package.module:Name`, imported from the working directory"
    )


class StageSpec(Section):
    """One stage of a fit; what it does not say is as in `train`. Epochs and steps are counted through all stages; a stage that its patience ends early counts as a whole one, so that a number names the same moment of every fit."""

    epochs: Count | None = Field(
        None, description="At most so many passes over train in this stage; null: `train.epochs`"
    )
    learning_rate: Positive | None = Field(None, description="As in `train`; each stage has a schedule of its own")
    head_learning_rate: Positive | None = Field(None, description="As in `train`")
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="As in `train`")
    weight_decay: NotNegative | None = Field(None, description="As in `train`")
    head_weight_decay: NotNegative | None = Field(None, description="As in `train`")
    freeze: Freeze | None = Field(
        None, description="As in `train`; a stage that says `freeze` or `top_layers` says both"
    )
    top_layers: Layers | None = Field(None, description="As in `train`")
    warmup_ratio: Fraction | None = Field(None, description="As in `train`")
    schedule: Schedule | None = Field(None, description="As in `train`")
    patience: Count | None = Field(
        None,
        description="End this stage after so many evaluations without a better objective; it then hands on its best weights, else its last",
    )

    def over(self, train: TrainSpec) -> TrainSpec:
        """All that this stage does: its own keys, and those of `train`."""
        own = {name: value for name, value in self if value is not None}
        if own.keys() & {"freeze", "top_layers"}:
            own = {"freeze": "none", "top_layers": None, **own}
        return train.model_copy(update=own)
