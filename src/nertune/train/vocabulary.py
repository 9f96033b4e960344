"""Training only the embedding rows that occur: the others get no gradient, so they need no arithmetic.

A table of 30,000 rows is half of a small encoder's parameters, of which a study's data use a tenth. Without weight
decay AdamW leaves a row without gradient as it is, to the bit; with it idle rows would shrink, so then all are trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from nertune.models.layers import Parts
from nertune.spec.study import TrainSpec
from nertune.tasks.encoded import EncodedSplit, Ints
from nertune.train.parts import learning_levels

PLAIN_ADAMW = frozenset({"adamw_torch", "adamw_torch_fused"})
# Encoders that do nothing with a piece's number but look its row up, and compare it with that of padding.
KNOWN_TYPES = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "mpnet"})


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The pieces of a fit and their numbers in its smaller table.

    Shapes   V pieces of the tokenizer, U of them in use
        used     [U] int64  sorted; every number up to that of padding is among them, so that it keeps its own
        numbers  [V] int64  the row of each piece in the smaller table; 0 where it is not in use
    """

    used: Ints
    numbers: Ints

    def renumber(self, encoded: EncodedSplit) -> EncodedSplit:
        """The same windows in the numbers of the smaller table."""
        pieces = self.numbers[encoded.windows.pieces].astype(encoded.windows.pieces.dtype)
        return dataclasses.replace(encoded, windows=dataclasses.replace(encoded.windows, pieces=pieces))

    def shrink(self, model: PreTrainedModel) -> torch.Tensor:
        """Leave the model only the rows in use; the whole table, for `expand`."""
        table = _table(model)
        whole = table.weight.detach()
        table.weight = nn.Parameter(whole[torch.from_numpy(self.used)].clone())
        table.num_embeddings = len(self.used)
        return whole

    def expand(self, model: PreTrainedModel, whole: torch.Tensor) -> None:
        """Give the model its whole table back, with the trained rows in it."""
        table = _table(model)
        trained = table.weight.detach()
        whole = whole.to(trained.device)
        whole[torch.from_numpy(self.used).to(trained.device)] = trained
        table.weight = nn.Parameter(whole)
        table.num_embeddings = len(whole)


def vocabulary_of(
    model: PreTrainedModel,
    *,
    train: EncodedSplit,
    dev: EncodedSplit | None,
    settings: Sequence[TrainSpec],
    parts: Parts,
) -> Vocabulary | None:
    """The pieces that these splits use; None where the whole table has to be trained, or none of it is.

    settings  of the fit's stages
    """
    splits = [train] if dev is None else [train, dev]
    if model.config.model_type not in KNOWN_TYPES or model.get_output_embeddings() is not None:
        return None
    if not _leave_idle_rows([own for own in settings if 0 in learning_levels(own, parts=parts) and own.lora is None]):
        return None
    table = _table(model)
    highest_pad = max([table.padding_idx or 0, *(split.pad_id for split in splits)])
    occurring = [np.unique(split.windows.pieces) for split in splits]
    used = np.unique(np.concatenate([*occurring, np.arange(highest_pad + 1)])).astype(np.int64)
    numbers = np.zeros(table.num_embeddings, dtype=np.int64)
    numbers[used] = np.arange(len(used))
    return Vocabulary(used, numbers)


def _leave_idle_rows(settings: Sequence[TrainSpec]) -> bool:
    """Whether there are stages that train the table, and each leaves a row without gradient as it is."""
    return bool(settings) and all(own.optimizer in PLAIN_ADAMW and own.weight_decay == 0 for own in settings)


def _table(model: PreTrainedModel) -> nn.Embedding:
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    return table
