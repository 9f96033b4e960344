"""Fits of the tiny model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import pytest

from nertune.models.build import load_base, position_limit
from nertune.models.tokenizers import load_tokenizer
from nertune.spec.study import ModelSpec, StudySpec
from nertune.tasks import label_names
from nertune.tasks.cache import encode_or_open
from nertune.train.checkpoints import save_model
from nertune.train.fit import fit
from nertune.train.predict import predict

LABELS = {"token": ("LOC", "PER"), "sequence": ("bad", "good", "mixed")}
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
}
OWN_SIZES = {
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64},
    "electra": {**SIZES, "embedding_size": 16},  # projected onto the layers' width
}


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


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """`write_module("name", text)`: a module of the user's own, to be imported in this test."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))

    return write


@pytest.fixture(scope="session")
def material(bert_folder, token_train, token_dev, sequence_train, sequence_dev, tmp_path_factory):
    """`material("token")`: made once for each task and model config."""
    made = {}

    def make(task="token", **config):
        key = (task, tuple(sorted(config.items())))
        if key not in made:
            spec = StudySpec.model_validate(
                {"name": "tiny", "task": task, "data": {"dir": "."}, "model": {"base": str(bert_folder)}, "output": "."}
            )
            names = label_names(LABELS[task], spec=spec)
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
        tell=None,
        config=None,
        dev=True,
        search=None,
        base=None,
        **options,
    ):
        own = material(task, **(config or {}))
        extra = {name: options.pop(name) for name in ("stop_after_epoch", "tensorboard", "breaks") if name in options}
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
            tell=tell or done.told.append,
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


@dataclass
class Learned:
    """A fit and its material."""

    record: object
    model: object
    base: object
    tokenizer: object
    train: object
    dev: object
    losses: list
    asked: list

    def predict(self, **options):
        return predict(self.model, self.dev, device="cpu", precision="fp32", **options)

    def save(self, folder):
        save_model(self.model, tokenizer=self.tokenizer, folder=folder)
        return folder


LONGER = {"Oslo": "Osloest", "Ada": "Adamson", "Turing": "Turingen"}  # words that the vocabulary has in pieces only


def lengthened(split):
    """The split with names of several pieces."""
    examples = tuple(
        dataclasses.replace(example, words=tuple(LONGER.get(word, word) for word in example.words))
        for example in split.examples
    )
    return dataclasses.replace(split, examples=examples)


@pytest.fixture
def encode(study, bert_folder, token_train, token_dev, sequence_train, sequence_dev, tmp_path):
    """`encode("token", {"crf": True}, epochs=3, …)`: spec, base, tokenizer, train and dev for these keys of `model`."""
    corpora = {
        "token": (lengthened(token_train), lengthened(token_dev)),
        "sequence": (sequence_train, sequence_dev),
    }
    usual = {"token": ("LOC", "PER"), "sequence": ("bad", "good", "mixed")}

    def go(task="token", model=None, *, labels=None, corpus=None, data=None, search=None, stages=(), **train):
        options = {"schedule": "constant", "learning_rate": 3e-3, "batch_size": 8, "epochs": 4, **train}
        spec = study(task, data=data, model=model, search=search, stages=stages, **options)
        base = load_base(spec.model, task=task, labels=label_names(labels or usual[task], spec=spec))
        tokenizer = load_tokenizer(
            spec.model.tokenizer or str(bert_folder),
            task=task,
            options=spec.model.tokenizer_options,
            lower_case=spec.model.lower_case,
        )
        splits = [
            encode_or_open(
                split,
                labels=labels or usual[task],
                tokenizer=tokenizer,
                spec=spec,
                position_limit=position_limit(base),
                folder=tmp_path / "cache",
            )
            for split in corpus or corpora[task]
        ]
        return spec, base, tokenizer, *splits

    return go


@pytest.fixture
def learn(encode, tmp_path):
    """`learn(…)`: a fit of what `encode` gives."""

    def go(*words, seed=1, precision="fp32", breaks=None, **options):
        spec, base, tokenizer, train, dev = encode(*words, **options)
        told, asked = [], []
        record, fitted = fit(
            base,
            train=train,
            dev=dev,
            spec=spec,
            seed=seed,
            device="cpu",
            precision=precision,
            folder=tmp_path / "fit",
            tell=lambda step: told.append(step.values["loss"]),
            ask=lambda step: asked.append(step) or "continue",
            breaks=breaks,
        )
        return Learned(record, fitted, base, tokenizer, train, dev, told, asked)

    return go


@pytest.fixture
def base_of(bert_folder, tmp_path):
    """`base_of("roberta")`: a folder with an encoder of this type, three layers high."""

    def make(kind):
        from transformers import AutoConfig, AutoModel, set_seed

        config = AutoConfig.for_model(kind, vocab_size=220, pad_token_id=0, **OWN_SIZES.get(kind, SIZES))
        set_seed(0)
        AutoModel.from_config(config).save_pretrained(tmp_path / kind)
        return {"base": str(tmp_path / kind), "tokenizer": str(bert_folder)}

    return make
