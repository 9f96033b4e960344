"""Pairs of texts: the model is told which text a piece is of, where it can hear it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    pipeline,
)

from nertune.data.examples import SequenceExample, Split
from nertune.errors import Where
from nertune.models.build import build_model, load_base
from nertune.models.tokenizers import load_tokenizer
from nertune.tasks.cache import encode_or_open
from nertune.train import probe
from nertune.train.batches import TrainBatches, collate, readable_by
from nertune.train.checkpoints import save_model
from nertune.train.fit import fit
from nertune.train.predict import predict

LABELS = ("first", "second")  # which of the two texts is dull


def pair(number):
    dull, fine = "a dull film", ("a fine film", "music with a story")[number // 2 % 2]
    texts = (dull, fine) if number % 2 else (fine, dull)
    return SequenceExample(texts[0], (LABELS[1 - number % 2],), Where(Path("pairs.tsv"), number + 1), pair=texts[1])


@dataclasses.dataclass
class Paired:
    """The base and the encoded pairs of an encoder."""

    spec: object
    base: object
    tokenizer: object
    train: object
    dev: object

    def fit(self, folder, *, seed=1):
        return fit(
            self.base, train=self.train, dev=self.dev, spec=self.spec, seed=seed, device="cpu", precision="fp32",
            folder=folder, tell=lambda _step: None, ask=lambda _step: "continue",
        )  # fmt: skip


@pytest.fixture
def pairs(study, bert_folder, tmp_path):
    """`pairs(folder, epochs=…)`: 32 pairs for the encoder in a folder, in the pieces of the tiny BERT's tokenizer."""

    def make(base_folder=bert_folder, *, tokenizer_folder=bert_folder, **train):
        spec = study("sequence", model={"base": str(base_folder), "problem": "single_label"}, **train)
        tokenizer = load_tokenizer(str(tokenizer_folder), task="sequence")
        splits = [
            encode_or_open(
                Split(name, tuple(map(pair, numbers)), "0"), labels=LABELS, tokenizer=tokenizer, spec=spec,
                position_limit=64, folder=tmp_path / "cache",
            )
            for name, numbers in (("train", range(32)), ("dev", range(40, 50)))
        ]  # fmt: skip
        return Paired(spec, load_base(spec.model, task="sequence", labels=LABELS), tokenizer, *splits)

    return make


def test_a_batch_of_pairs_is_what_plain_transformers_makes_of_them(pairs):
    own = pairs()
    examples = own.train.examples[:5]
    plain = own.tokenizer([e.text for e in examples], [e.pair for e in examples], padding=True, return_tensors="pt")
    batch = collate(own.train, range(5))
    assert {name: tensor.tolist() for name, tensor in batch.items() if name != "labels"} == {
        name: tensor.tolist() for name, tensor in plain.items()
    }
    assert batch["token_type_ids"].any()


def test_a_tiny_model_learns_which_text_is_meant(pairs, tmp_path):
    record, _ = pairs(epochs=8, batch_size=4, learning_rate=2e-3, schedule="constant").fit(tmp_path / "fit")
    assert record.dev.overall["f1"] > 0.9


def test_equal_seeds_give_equal_weights(pairs, tmp_path):
    own = pairs(epochs=1)
    one, other = (own.fit(tmp_path / "fit")[1].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_saved_model_gives_the_same_probabilities_in_plain_transformers(pairs, tmp_path):
    own = pairs(epochs=2, batch_size=4)
    _, model = own.fit(tmp_path / "fit")
    save_model(model, tokenizer=own.tokenizer, folder=tmp_path / "saved")
    ours = predict(model, own.dev, device="cpu", precision="fp32").probabilities
    texts = [[example.text for example in own.dev.examples], [example.pair for example in own.dev.examples]]
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    with torch.no_grad():
        batch = AutoTokenizer.from_pretrained(tmp_path / "saved")(*texts, padding=True, return_tensors="pt")
        theirs = plain(**batch).logits.softmax(-1)
    classify = pipeline("text-classification", str(tmp_path / "saved"), top_k=None, device="cpu")
    told = {found["label"]: found["score"] for found in classify([{"text": texts[0][0], "text_pair": texts[1][0]}])[0]}
    assert torch.from_numpy(ours).allclose(theirs, atol=1e-5)
    assert [told[label] for label in LABELS] == pytest.approx(ours[0].tolist(), abs=1e-5)


def tiny(kind, folder, *, vocab_size):
    """A saved encoder that has no types for its pieces."""
    torch.manual_seed(0)
    if kind == "distilbert":
        model = DistilBertForMaskedLM(
            DistilBertConfig(vocab_size=vocab_size, dim=32, n_layers=1, n_heads=2, hidden_dim=64)
        )
    else:
        model = BertForMaskedLM(
            BertConfig(
                vocab_size=vocab_size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                intermediate_size=64, type_vocab_size=1,
            )
        )  # fmt: skip
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["distilbert", "one type"])
def test_an_encoder_without_types_for_pieces_is_not_told_them(pairs, bert_folder, tmp_path, kind):
    vocab_size = len(load_tokenizer(str(bert_folder), task="sequence"))
    own = pairs(tiny(kind, tmp_path / "tiny", vocab_size=vocab_size), epochs=1)
    assert own.train.windows.types is not None
    assert readable_by(build_model(own.base, seed=1), own.train).windows.types is None
    _, model = own.fit(tmp_path / "fit")
    assert len(predict(model, own.dev, device="cpu", precision="fp32").classes) == 10
    assert probe.time_step(own.base, train=own.train, spec=own.spec, precision="fp32") > 0


def test_an_encoder_with_types_is_told_them(pairs):
    own = pairs()
    assert readable_by(build_model(own.base, seed=1), own.train) is own.train
    batches = TrainBatches(own.train, batch_size=8, device_batch_size=None, order="grouped", seed=1)
    assert all("token_type_ids" in batch for batch in batches)


def test_the_pairs_of_a_tokenizer_that_tells_no_types_have_none(pairs, roberta_folder, tmp_path):
    own = pairs(roberta_folder, tokenizer_folder=roberta_folder, epochs=1)
    assert own.train.windows.types is None
    assert own.fit(tmp_path / "fit")[0].dev is not None
