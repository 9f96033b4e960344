"""A model on its way through a fit: what is done to it once, before its first stage and after its last."""

from __future__ import annotations

from dataclasses import replace

import torch
from transformers import PreTrainedModel

from nertune.models.build import Base, build_model
from nertune.spec.study import StudySpec, TrainSpec
from nertune.tasks.encoded import EncodedSplit
from nertune.train.batches import readable_by
from nertune.train.dropout import use_cpu_dropout
from nertune.train.frozen import Find, Shortcut, n_frozen_layers
from nertune.train.lora import add_adapters, merge_adapters
from nertune.train.packed import pack, unpack
from nertune.train.parts import Freezer, learning_anywhere
from nertune.train.vocabulary import vocabulary_of


class Learner:
    """A new model made ready to learn, and the splits as it reads them.

    It gets its adapters, only the embedding rows in use, and on a CPU the quicker dropout and no padding. Its lowest
    layers are left out where they do not learn and what they give is found.
    """

    def __init__(
        self,
        base: Base,
        *,
        spec: StudySpec,
        train: EncodedSplit,
        dev: EncodedSplit | None,
        seed: int,
        device: str,
        find_states: Find,
    ) -> None:
        self.model: PreTrainedModel = build_model(base, seed=seed)
        self.train, self.dev = readable_by(self.model, train), dev
        self._freezer = Freezer(self.model, base=base)
        self._lora = spec.train.lora
        if self._lora is not None:
            levels = learning_anywhere(spec.stage_settings, parts=base.parts)
            add_adapters(self.model, lora=self._lora, base=base, levels=levels, seed=seed)
        self._shortcut = self._shorten(base, n_layers=n_frozen_layers(spec, base=base), find_states=find_states)
        self._use_vocabulary(base, spec=spec)
        if device == "cpu":
            use_cpu_dropout(self.model)
            pack(self.model)

    def freeze(self, train: TrainSpec) -> None:
        """Let learn what a stage says."""
        self._freezer.freeze(train)

    def finish(self) -> PreTrainedModel:
        """The fitted model as any other of its class: the whole table, no adapters, nothing frozen."""
        unpack(self.model)
        if self._shortcut is not None:
            self._shortcut.undo()
        if self._vocabulary is not None:
            self._vocabulary.expand(self.model, self._whole)
        if self._lora is not None:
            merge_adapters(self.model)
        self._freezer.release()
        return self.model

    def _shorten(self, base: Base, *, n_layers: int, find_states: Find) -> Shortcut | None:
        """Leave the lowest layers out, if what they give for all splits is to be had."""
        if n_layers == 0:
            return None
        found: list[EncodedSplit] = []
        for split in [self.train] if self.dev is None else [self.train, self.dev]:
            states = find_states(self.model, split, n_layers)
            if states is None:  # then nothing is computed for the others either
                return None
            found.append(replace(split, states=states))
        self.train, self.dev = found[0], None if self.dev is None else found[1]
        return Shortcut(self.model, base=base, n_layers=n_layers)

    def _use_vocabulary(self, base: Base, *, spec: StudySpec) -> None:
        self._vocabulary = vocabulary_of(
            self.model, train=self.train, dev=self.dev, settings=spec.stage_settings, parts=base.parts
        )
        if self._vocabulary is not None:
            self.train = self._vocabulary.renumber(self.train)
            self.dev = None if self.dev is None else self._vocabulary.renumber(self.dev)
            self._whole: torch.Tensor = self._vocabulary.shrink(self.model)
