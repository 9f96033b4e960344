"""Weights of another checkpoint over those of the base."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, BertForMaskedLM, BertForPreTraining, BertModel, set_seed

from nertune.errors import ModelError
from nertune.models.build import build_model, load_base
from nertune.models.checkpoint import read_checkpoint
from nertune.spec.study import ModelSpec

TAGS = ["B-LOC", "I-LOC", "O"]
ENCODER = "bert.encoder.layer.1.output.dense.weight"


def base_of(folder, *, task="token", **options):
    return load_base(ModelSpec(base=str(folder), **options), task=task, labels=TAGS)


@pytest.fixture
def saved(bert_folder, tmp_path):
    """`saved(BertForPreTraining)`: a folder with another model of the base's sizes; keys of its config by name."""

    def save(kind, name="other", **config):
        set_seed(7)
        model = kind(AutoConfig.from_pretrained(bert_folder, **config))
        model.save_pretrained(tmp_path / name)
        return tmp_path / name, model

    return save


@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM, BertForPreTraining])
def test_the_encoder_is_taken_with_and_without_a_prefix_and_heads_are_left_out(bert_folder, saved, kind):
    folder, other = saved(kind)
    base = base_of(bert_folder, checkpoint=str(folder))
    own = other.base_model.state_dict()
    encoder = build_model(base, seed=1).bert.state_dict()
    assert all(torch.equal(encoder[name], own[name]) for name in encoder)
    assert set(base.taken.taken) == {f"bert.{name}" for name in encoder}
    assert base.taken.new == base.missing == ("classifier.bias", "classifier.weight")
    assert base.taken.missing == ()
    assert base.taken.left_out  # BertModel has a pooler, too
    assert all("pooler" in name or name.startswith("cls.") for name in base.taken.left_out)


def test_a_pooler_that_the_base_lacks_comes_from_the_checkpoint(bert_folder, saved):
    folder, other = saved(BertForPreTraining)
    base = base_of(bert_folder, task="sequence", checkpoint=str(folder))
    pooler = build_model(base, seed=1).bert.pooler.dense.weight
    assert torch.equal(pooler, other.bert.pooler.dense.weight)
    assert base.missing == ("classifier.bias", "classifier.weight")


def test_what_fits_no_shape_is_left_out_and_kept_from_the_base(bert_folder, saved):
    folder, _ = saved(BertForMaskedLM, vocab_size=50)
    base, plain = base_of(bert_folder, checkpoint=str(folder)), base_of(bert_folder)
    table = "bert.embeddings.word_embeddings.weight"
    assert base.taken.missing == (table,)
    assert table in base.taken.left_out
    assert torch.equal(base.tensors[table], plain.tensors[table])
    assert not torch.equal(base.tensors[ENCODER], plain.tensors[ENCODER])
    with pytest.raises(
        ModelError, match=rf"1 \({table}\) of the encoder's are missing, 1 \({table}\)(.|\n)*strict: false"
    ):
        base_of(bert_folder, checkpoint=str(folder), checkpoint_strict=True)


def test_strict_takes_a_checkpoint_that_fills_the_encoder(bert_folder, saved):
    folder, _ = saved(BertForPreTraining)  # it has a pooler and pre-training heads, which are none of the encoder's
    assert base_of(bert_folder, checkpoint=str(folder), checkpoint_strict=True).taken is not None


def test_old_names_and_a_bin_file_in_half_precision_are_read(bert_folder, saved):
    folder, other = saved(BertForMaskedLM)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    old = {
        f"module.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): (
            tensor.half()
        )
        for name, tensor in weights.items()
    }
    torch.save({**old, "module.bert.embeddings.position_ids": torch.arange(64)}, folder / "pytorch_model.bin")
    base = base_of(bert_folder, checkpoint=str(folder))
    norm = "bert.encoder.layer.0.output.LayerNorm.weight"
    assert norm in base.taken.taken
    assert {tensor.dtype for tensor in base.tensors.values()} == {torch.float32}
    assert torch.equal(base.tensors[ENCODER], other.state_dict()[ENCODER].half().float())
    assert not any("position_ids" in name for name in base.taken.left_out)


def test_the_parts_of_a_large_checkpoint_are_read_by_its_index(saved):
    folder, _ = saved(BertModel)
    whole = load_file(folder / "model.safetensors")
    parts = {f"model-0000{part}-of-00002.safetensors": sorted(whole)[part - 1 :: 2] for part in (1, 2)}
    for file, names in parts.items():
        save_file({name: whole[name] for name in names}, folder / file)
    index = {"weight_map": {name: file for file, names in parts.items() for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    read = read_checkpoint(str(folder))
    assert read.keys() == whole.keys()
    assert all(torch.equal(read[name], whole[name]) for name in whole)


def test_what_became_of_the_weights_is_told_in_a_line(bert_folder, saved):
    folder, _ = saved(BertForMaskedLM, vocab_size=50)
    assert str(base_of(bert_folder, checkpoint=str(folder)).taken).startswith(
        f"{folder}: 36 weights taken; new 2 (classifier.bias, classifier.weight); missing, kept from the base 1 "
        "(bert.embeddings.word_embeddings.weight); left out 6 (bert.embeddings.word_embeddings.weight, cls.predictions."
    )


@pytest.mark.parametrize("content", ["nothing", "other names", "no tensors"])
def test_a_checkpoint_of_no_use_is_refused_with_a_way_out(bert_folder, tmp_path, content):
    folder = tmp_path / "odd"
    folder.mkdir()
    if content == "other names":
        save_file({"some.thing": torch.ones(2)}, folder / "model.safetensors")
    elif content == "no tensors":
        (folder / "model.safetensors").write_bytes(b"junk")
    told = {"nothing": "has no weights", "other names": "no weights that fit the encoder", "no tensors": "cannot be"}
    with pytest.raises(ModelError, match=rf"{told[content]}(.|\n)*model.checkpoint"):
        base_of(bert_folder, checkpoint=str(folder))


def test_a_fine_tuned_folder_gives_its_encoder_and_not_its_head(bert_folder, tmp_path):
    model = build_model(base_of(bert_folder), seed=3)
    with torch.no_grad():
        model.bert.encoder.layer[1].output.dense.weight.add_(1)
    model.save_pretrained(tmp_path / "tuned")
    base = base_of(bert_folder, checkpoint=str(tmp_path / "tuned"))
    assert torch.equal(base.tensors[ENCODER], model.state_dict()[ENCODER])
    assert base.missing == ("classifier.bias", "classifier.weight")


def test_reinitialised_layers_are_drawn_for_each_seed_and_the_others_stay(bert_folder):
    base, plain = base_of(bert_folder, reinit_layers=1), base_of(bert_folder)
    one, same, other = (build_model(base, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    lower = "bert.encoder.layer.0.output.dense.weight"
    assert torch.equal(one[lower], plain.tensors[lower])
    assert not torch.equal(one[ENCODER], plain.tensors[ENCODER])
    assert not torch.equal(one[ENCODER], other[ENCODER])
    assert one[ENCODER].std().item() == pytest.approx(0.02, rel=0.1)  # BERT's own rule
    assert torch.equal(one["bert.encoder.layer.1.output.LayerNorm.weight"], torch.ones(32))
