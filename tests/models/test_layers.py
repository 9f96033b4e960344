"""The parts of encoders of many architectures."""

from __future__ import annotations

import pytest
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMConfig,
)

from nertune.errors import ModelError
from nertune.models.layers import find_parts, names_anew

SIZES = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 12,
}
SPECIAL = dict.fromkeys(("pad_token_id", "cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id"), 0)
DEBERTA = {"relative_attention": True, "position_buckets": 4, "norm_rel_ebd": "layer_norm", "pos_att_type": ["c2p"]}
CONFIGS = {  # and where their layers are
    "bert.encoder.layer": BertConfig(**SIZES),
    "roberta.encoder.layer": RobertaConfig(**SIZES),
    "distilbert.transformer.layer": DistilBertConfig(vocab_size=20, dim=8, n_layers=3, n_heads=2, hidden_dim=8),
    "electra.encoder.layer": ElectraConfig(**SIZES, embedding_size=4),
    "mpnet.encoder.layer": MPNetConfig(**SIZES),
    "deberta.encoder.layer": DebertaV2Config(**SIZES, **DEBERTA),
    "model.layers": ModernBertConfig(**SIZES, **SPECIAL),
}


def model_of(config, kind=AutoModelForSequenceClassification):
    return kind.from_config(config)


@pytest.mark.parametrize("layers", CONFIGS)
def test_layers_are_found_from_the_lowest_up(layers):
    parts = find_parts(model_of(CONFIGS[layers]))
    assert parts.layers == tuple(f"{layers}.{number}." for number in range(3))
    assert list(parts.top(2, key="any")) == [2, 3]


@pytest.mark.parametrize("layers", CONFIGS)
def test_every_parameter_is_on_the_level_of_its_part(layers):
    model = model_of(CONFIGS[layers])
    parts = find_parts(model)
    found = {name: parts.level(name) for name, _ in model.named_parameters()}
    assert set(found.values()) >= {0, 1, 2, 3, parts.head}
    for name, level in found.items():
        inside = next((number for number in range(3) if f"{layers}.{number}." in name), None)
        if inside is not None:
            assert level == 1 + inside, name
        elif "embeddings" in name or "relative_attention_bias" in name or name == "deberta.encoder.LayerNorm.weight":
            assert level == 0, name
        elif name.startswith(("bert.pooler", "model.final_norm")):
            assert level == parts.above, name
        else:
            assert level in ({0} if name.startswith(parts.encoder) else {parts.head}), name


def test_the_top_layers_and_a_pooler_are_what_is_drawn_anew():
    model = model_of(CONFIGS["bert.encoder.layer"])
    names = dict(model.named_parameters())
    anew = names_anew(find_parts(model), names, n_layers=1)
    assert anew == {name for name in names if name.startswith(("bert.encoder.layer.2.", "bert.pooler."))}
    assert names_anew(find_parts(model), names, n_layers=0) == set()


def test_a_final_norm_is_no_pooler_and_keeps_its_weights():
    model = model_of(CONFIGS["model.layers"], AutoModelForTokenClassification)
    names = dict(model.named_parameters())
    assert "model.final_norm.weight" not in names_anew(find_parts(model), names, n_layers=3)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (AlbertConfig(**SIZES, embedding_size=4), r"'albert' has the weights of 1 for all 3"),
        (XLMConfig(n_words=20, emb_dim=8, n_layers=3, n_heads=2), r"'xlm' has several stacks"),
    ],
)
def test_an_encoder_whose_layers_are_not_its_own_has_embeddings_and_a_rest(config, told):
    model = model_of(config)
    parts = find_parts(model)
    with pytest.raises(ModelError, match=f"train.top_layers needs layers(.|\n)*{told}(.|\n)*Leave train.top_layers"):
        parts.top(1, key="train.top_layers")
    levels = {parts.level(name) for name, _ in model.base_model.named_parameters(prefix=model.base_model_prefix)}
    assert levels >= {0, 1}
    assert parts.head not in levels


def test_more_layers_than_there_are_is_told():
    with pytest.raises(ModelError, match=r"is 4, but the encoder has 3 layers only\n.*model.reinit_layers: 3"):
        find_parts(model_of(CONFIGS["bert.encoder.layer"])).top(4, key="model.reinit_layers")
