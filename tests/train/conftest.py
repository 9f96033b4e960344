"""Fits of the tiny model."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field

import pytest

from nertune.models.build import load_base, position_limit
from nertune.models.tokenizers import load_tokenizer
from nertune.spec.study import ModelSpec, StudySpec
from nertune.tasks import TASKS
from nertune.tasks.cache import encode_or_open
from nertune.train.fit import fit

LABELS = {"token": ("LOC", "PER"), "sequence": ("bad", "good", "mixed")}


@dataclass
class Material:
    """A task's base and encoded splits."""

    base: object
    train: object
    dev: object
    tokenizer: object


@dataclass
class Done:
    """What a fit left: its record, model and everything it told and asked."""

    record: object
    model: object
    told: list = field(default_factory=list)
    asked: list = field(default_factory=list)

    @property
    def losses(self):
        return [step.values["loss"] for step in self.told]


@pytest.fixture(scope="session")
def material(bert_folder, token_train, token_dev, sequence_train, sequence_dev, tmp_path_factory):
    """`material("token")`: made once for each task and model config."""
    gc.collect()
    gc.freeze()  # as a worker does: accelerate collects at the start of each fit, over all that was imported
    made = {}

    def make(task="token", **config):
        key = (task, tuple(sorted(config.items())))
        if key not in made:
            spec = StudySpec.model_validate(
                {"name": "tiny", "task": task, "data": {"dir": "."}, "model": {"base": str(bert_folder)}, "output": "."}
            )
            names = TASKS[task].label_names(LABELS[task], data=spec.data)
            base = load_base(ModelSpec(base=str(bert_folder), config=config), task=task, labels=names)
            tokenizer = load_tokenizer(str(bert_folder), task=task)
            splits = (token_train, token_dev) if task == "token" else (sequence_train, sequence_dev)
            folder = tmp_path_factory.mktemp("cache")
            train, dev = (
                encode_or_open(
                    split,
                    labels=LABELS[task],
                    tokenizer=tokenizer,
                    spec=spec,
                    position_limit=position_limit(base),
                    folder=folder,
                )
                for split in splits
            )
            made[key] = Material(base, train, dev, tokenizer)
        return made[key]

    return make


@pytest.fixture
def run(material, study, tmp_path):
    """`run("token", seed=1, epochs=2, …)`: one fit; keys of `train` are given by name."""

    def go(
        task="token",
        *,
        seed=1,
        precision="fp32",
        answer="continue",
        config=None,
        dev=True,
        search=None,
        base=None,
        **options,
    ):
        own = material(task, **(config or {}))
        extra = {name: options.pop(name) for name in ("stop_after_epoch", "tensorboard") if name in options}
        done = Done(None, None)

        def ask(step):
            done.asked.append(step)
            return answer(step) if callable(answer) else answer

        done.record, done.model = fit(
            base or own.base,
            train=own.train,
            dev=own.dev if dev else None,
            spec=study(task, search=search, **options),
            seed=seed,
            device="cpu",
            precision=precision,
            folder=tmp_path / "fit",
            tell=done.told.append,
            ask=ask,
            **extra,
        )
        return done

    return go


@pytest.fixture
def weights():
    """`weights(model)`: a copy of its parameters by name."""

    def copy(model):
        return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    return copy
