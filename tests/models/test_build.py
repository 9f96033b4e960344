"""A base is loaded once; every model is new, float32, and its drawn parameters follow from the seed alone."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from transformers import AutoModelForTokenClassification, BertConfig, BertModel

from nertune.errors import ModelError
from nertune.models.build import build_model, check_vocabulary, load_base, position_limit
from nertune.models.tokenizers import load_tokenizer
from nertune.spec.study import ModelSpec

TAGS = ["B-LOC", "I-LOC", "O"]


def base_of(folder, *, task="token", labels=TAGS, **config):
    return load_base(ModelSpec(base=str(folder), config=config), task=task, labels=labels)


def copied(folder, target):
    shutil.copytree(folder, target, dirs_exist_ok=True)
    return target


def test_the_checkpoints_tensors_are_in_the_model_and_the_head_is_what_it_lacks(bert_folder):
    base = base_of(bert_folder)
    trained = BertModel.from_pretrained(bert_folder, add_pooling_layer=False).state_dict()
    model = build_model(base, seed=1)
    assert base.missing == ("classifier.bias", "classifier.weight")
    assert all(torch.equal(model.bert.state_dict()[name], tensor) for name, tensor in trained.items())


def test_missing_parameters_follow_from_the_seed_whatever_was_drawn_before(bert_folder):
    base = base_of(bert_folder, task="sequence", labels=["a", "b"])
    torch.manual_seed(5)
    first = build_model(base, seed=3).state_dict()
    torch.rand(17)
    second, other = build_model(base, seed=3).state_dict(), build_model(base, seed=4).state_dict()
    assert base.missing[:2] == ("bert.pooler.dense.bias", "bert.pooler.dense.weight")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["bert.pooler.dense.weight"], other["bert.pooler.dense.weight"])


def test_a_drawn_parameter_does_not_depend_on_what_else_is_missing(bert_folder, tmp_path):
    pooled = tmp_path / "pooled"
    torch.manual_seed(0)
    BertModel.from_pretrained(bert_folder).save_pretrained(pooled)  # now the pooler is in the checkpoint
    with_pooler, without = base_of(pooled, task="sequence"), base_of(bert_folder, task="sequence")
    assert len(with_pooler.missing) < len(without.missing)
    assert torch.equal(
        build_model(with_pooler, seed=1).classifier.weight, build_model(without, seed=1).classifier.weight
    )


def test_missing_parameters_are_drawn_by_the_architectures_own_rule(bert_folder):
    model = build_model(base_of(bert_folder, labels=[f"B-{i}" for i in range(200)], initializer_range=0.5), seed=1)
    assert model.classifier.weight.std().item() == pytest.approx(0.5, rel=0.05)
    assert not model.classifier.bias.any()


def test_building_leaves_the_generators_as_they_were(bert_folder):
    base = base_of(bert_folder)
    before = torch.get_rng_state()
    build_model(base, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_model_is_a_new_object_with_tensors_of_its_own(bert_folder):
    base = base_of(bert_folder)
    first = build_model(base, seed=1)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    second = build_model(base, seed=1)
    assert first is not second
    assert second.bert.embeddings.word_embeddings.weight.any()
    assert second.config is not first.config


def test_a_bf16_checkpoint_is_trained_in_float32(bert_folder, tmp_path):
    folder = copied(bert_folder, tmp_path)
    AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    assert AutoModelForTokenClassification.from_pretrained(folder).dtype == torch.bfloat16  # the trap itself
    model = build_model(base_of(folder), seed=1)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_head_for_other_labels_in_the_checkpoint_is_drawn_anew(bert_folder, tmp_path):
    build_model(base_of(bert_folder), seed=1).save_pretrained(tmp_path)
    base = base_of(tmp_path, labels=[*TAGS, "B-PER", "I-PER"])
    assert base.missing == ("classifier.bias", "classifier.weight")
    assert build_model(base, seed=1).classifier.weight.shape == (5, 32)


def test_labels_are_stored_in_the_config_both_ways(bert_folder, tmp_path):
    build_model(base_of(bert_folder), seed=1).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["id2label"] == {"0": "B-LOC", "1": "I-LOC", "2": "O"}
    assert config["label2id"] == {"B-LOC": 0, "I-LOC": 1, "O": 2}


@pytest.mark.parametrize(
    ("task", "problem", "labels", "told"),
    [
        ("sequence", "single_label", ["a", "b"], "single_label_classification"),
        ("sequence", "auto", ["a", "b"], "single_label_classification"),
        ("sequence", "multi_label", ["a", "b"], "multi_label_classification"),
        ("sequence", "multi_label", ["a"], "multi_label_classification"),
        ("sequence", "single_label", ["a"], None),  # transformers refuses it for one class
        ("token", "single_label", TAGS, None),
    ],
)
def test_the_problem_is_stored_whatever_the_base_was_trained_for(bert_folder, tmp_path, task, problem, labels, told):
    for before in ("single_label", "multi_label"):
        spec = ModelSpec(base=str(bert_folder), problem=before)
        build_model(load_base(spec, task="sequence", labels=["x", "y"]), seed=1).save_pretrained(tmp_path)
        base = load_base(ModelSpec(base=str(tmp_path), problem=problem), task=task, labels=labels)
        assert base.config.problem_type == told


@pytest.mark.parametrize(("threshold", "told"), [(0.3, 0.3), ("tuned", 0.5)])
def test_several_labels_have_a_threshold_each(bert_folder, threshold, told):
    spec = ModelSpec(base=str(bert_folder), problem="multi_label", threshold=threshold)
    (head,) = load_base(spec, task="sequence", labels=TAGS).heads
    assert (head.problem, head.thresholds, head.tunes_thresholds) == ("multi_label", (told,) * 3, threshold == "tuned")


def test_config_overrides_reach_the_model(bert_folder):
    model = build_model(base_of(bert_folder, hidden_dropout_prob=0.25, classifier_dropout=0.4), seed=1)
    assert (model.bert.embeddings.dropout.p, model.dropout.p) == (0.25, 0.4)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"hiden_dropout_prob": 0.2}, r"does not know\n.*hidden_dropout_prob: 0.2"),
        ({"hidden_dropout_prob": "much"}, "cannot be 'much'"),
        ({"num_labels": 7}, "follows from the data"),
        ({"num_hidden_layers": 3}, r"lacks 16 of the encoder's \d+ parameters"),
        ({"intermediate_size": 32}, r"dense.bias of .* has the shape \(64,\), but its config asks for \(32,\)"),
    ],
)
def test_a_config_key_that_cannot_be_is_refused_with_the_reason(bert_folder, config, told):
    with pytest.raises(ModelError, match=told):
        base_of(bert_folder, **config)


def test_an_unknown_head_is_answered_with_the_closest(bert_folder):
    with pytest.raises(ModelError, match=r"'linnear'(.|\n)*model\.head: linear"):
        load_base(ModelSpec(base=str(bert_folder), head="linnear"), task="token", labels=TAGS)


@pytest.mark.parametrize(
    ("removed", "told"),
    [("config.json", "has no config.json"), ("model.safetensors", "has no weights: none of model.safetensors")],
)
def test_a_folder_that_lacks_a_part_of_a_model_is_refused(bert_folder, tmp_path, removed, told):
    (copied(bert_folder, tmp_path) / removed).unlink()
    with pytest.raises(ModelError, match=told):
        base_of(tmp_path)


def test_weights_of_another_architecture_are_refused(bert_folder, roberta_folder, tmp_path):
    copied(bert_folder, tmp_path)
    shutil.copy(roberta_folder / "model.safetensors", tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"lacks \d+ of the encoder's \d+ parameters"):
        base_of(tmp_path)


def test_a_damaged_weight_file_is_told_in_one_line(bert_folder, tmp_path):
    (copied(bert_folder, tmp_path) / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(ModelError, match=r"the weights in .* cannot be loaded"):
        base_of(tmp_path)


class Evil:
    def __reduce__(self):
        return (open, ("/dev/null", "w"))


def test_a_bin_file_is_read_as_weights_only(bert_folder, tmp_path):
    folder = copied(bert_folder, tmp_path)
    tensors = BertModel.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert base_of(folder).missing == ("classifier.bias", "classifier.weight")
    torch.save({**tensors, "evil": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        base_of(folder)


def test_a_hub_id_while_offline_is_told_with_a_way_out(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"HF_HUB_OFFLINE(.|\n)*model\.base"):
        base_of("no-such-org/no-such-model")


def test_usable_positions_leave_out_those_that_padding_takes(bert_folder, roberta_folder):
    assert position_limit(base_of(bert_folder)) == 64
    assert position_limit(base_of(roberta_folder)) == 64  # of 66: RoBERTa counts from padding_idx + 1


def test_the_longest_usable_roberta_input_runs_and_one_more_piece_does_not(roberta_folder):
    base = base_of(roberta_folder)
    model = build_model(base, seed=1)
    model(input_ids=torch.full((1, position_limit(base)), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, position_limit(base) + 1), 5))


def test_a_tokenizer_with_more_ids_than_embeddings_is_refused(bert_folder, roberta_folder):
    base = base_of(bert_folder)
    check_vocabulary(base, tokenizer=load_tokenizer(str(bert_folder), task="token"))
    with pytest.raises(ModelError, match="do not belong together"):
        check_vocabulary(base, tokenizer=load_tokenizer(str(roberta_folder), task="token"))


def test_models_of_other_families_are_built_as_from_pretrained_would(tmp_path):
    """ModernBERT draws its head with another spread than its layers, by a rule on the module around it."""
    from transformers import ModernBertConfig, ModernBertModel

    config = ModernBertConfig(
        vocab_size=99, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, pad_token_id=0,
        max_position_embeddings=128, initializer_range=0.02, bos_token_id=1, eos_token_id=2, cls_token_id=1,
        sep_token_id=2,
    )  # fmt: skip
    ModernBertModel(config).save_pretrained(tmp_path)
    labels = [f"B-{i}" for i in range(300)]
    model = build_model(base_of(tmp_path, labels=labels), seed=1)
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path, num_labels=300)
    assert model.classifier.weight.std().item() == pytest.approx(plain.classifier.weight.std().item(), rel=0.1)
    assert torch.equal(model.model.layers[0].attn.Wqkv.weight, plain.model.layers[0].attn.Wqkv.weight)
    ids = torch.tensor([[1, 5, 6, 7, 2]])
    model.classifier.load_state_dict(plain.classifier.state_dict())
    model.head.load_state_dict(plain.head.state_dict())
    assert torch.equal(model.eval()(input_ids=ids).logits, plain.eval()(input_ids=ids).logits)  # rotary tables, too


def test_the_configs_of_bert_and_its_kin_are_known_key_by_key():
    assert {
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "classifier_dropout",
    } <= BertConfig().to_dict().keys()
