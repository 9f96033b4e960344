"""LoRA: additions learn, the encoder's own weights do not, and what is saved is a plain model."""

from __future__ import annotations

import pytest
import torch
from fits import same
from transformers import AutoModelForTokenClassification

from nertune.errors import ModelError
from nertune.models.build import build_model
from nertune.spec.study import LoraSpec
from nertune.train.checkpoints import save_model
from nertune.train.lora import add_adapters, check_adapters, is_adapter, merge_adapters
from nertune.train.parts import Freezer

LINEAR = ("query.weight", "key.weight", "value.weight", "dense.weight")


@pytest.fixture
def adapted(material):
    """`adapted(targets=("query",))`: a model with adapters on all levels, and its base."""
    pytest.importorskip("peft")

    def make(levels=range(10), seed=1, **lora):
        base = material().base
        model = build_model(base, seed=1)
        add_adapters(model, lora=LoraSpec(**lora), base=base, levels=frozenset(levels), seed=seed)
        return model, base

    return make


def adapters(model):
    return {name.partition(".lora_")[0] for name, _ in model.named_parameters() if is_adapter(name)}


def test_merged_before_any_step_the_model_is_the_base_to_the_bit(adapted, material):
    model, base = adapted()
    merge_adapters(model)
    plain = build_model(base, seed=1).state_dict()
    assert model.state_dict().keys() == plain.keys()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in model.state_dict().items())


def test_every_linear_layer_of_the_encoder_gets_an_addition_and_the_head_none(adapted):
    model, _ = adapted()
    layers = [f"bert.encoder.layer.{number}" for number in range(2)]
    parts = [f"attention.self.{name}" for name in ("query", "key", "value")]
    parts += ["attention.output.dense", "intermediate.dense", "output.dense"]
    assert adapters(model) == {f"{layer}.{part}" for layer in layers for part in parts}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"targets": ("query", "value"), "levels": [2]}, {"self.query", "self.value"}),
        ({"targets": ("output.dense",), "levels": [2]}, {"attention.output.dense", "output.dense"}),
        ({"levels": [7]}, set()),
    ],
)
def test_additions_are_on_the_targets_of_the_levels_asked_for(adapted, options, found):
    names = adapters(adapted(**options)[0])
    assert names == {f"bert.encoder.layer.1.{'attention.' * name.startswith('self')}{name}" for name in found}


def test_additions_follow_from_the_seed_and_leave_the_generator_alone(adapted):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, other = adapted(seed=1)[0].state_dict(), adapted(seed=2)[0].state_dict()
    torch.rand(5)
    again = adapted(seed=1)[0].state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert {name for name in one if not torch.equal(one[name], other[name])} == {n for n in one if "lora_A" in n}
    torch.manual_seed(3)
    assert torch.equal(before, torch.get_rng_state())


def test_only_additions_and_the_head_learn(material, study):
    pytest.importorskip("peft")
    base, train = material().base, study(lora={}).train
    model = build_model(base, seed=1)
    freezer = Freezer(model, base=base)
    add_adapters(model, lora=train.lora, base=base, levels=frozenset(range(10)), seed=1)
    freezer.freeze(train)
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learning == {n for n, _ in model.named_parameters() if is_adapter(n) or n.startswith("classifier")}


def test_a_fit_changes_nothing_but_what_the_additions_were_merged_into(run, material, weights):
    pytest.importorskip("peft")
    start = weights(build_model(material().base, seed=1))
    end = weights(run(lora={"rank": 2}, epochs=2, learning_rate=1e-2).model)
    assert start.keys() == end.keys()
    changed = {name for name in start if not torch.equal(start[name], end[name])}
    assert changed == {name for name in start if name.endswith(LINEAR) or name.startswith("classifier")}
    deltas = [torch.linalg.matrix_rank(end[n] - start[n], atol=1e-5) for n in changed if n.endswith(LINEAR)]
    assert max(deltas) <= 2


def test_a_fit_with_additions_repeats_itself_and_depends_on_its_options(run):
    pytest.importorskip("peft")
    options = {"learning_rate": 1e-2, "epochs": 1}
    plain = run(lora={}, **options)
    assert same(plain, run(lora={}, **options))
    for other in ({"rank": 4}, {"alpha": 64.0}, {"dropout": 0.5}, {"targets": ["query"]}):
        assert run(lora=other, **options).losses != plain.losses


def test_the_saved_folder_loads_in_plain_transformers_and_says_the_same(run, material, tmp_path):
    pytest.importorskip("peft")
    model = run(lora={}, epochs=2, learning_rate=1e-2).model
    save_model(model, tokenizer=material().tokenizer, folder=tmp_path / "saved")
    ids = torch.arange(5, 20)[None]
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path / "saved").eval()
    assert torch.equal(plain(input_ids=ids).logits, model(input_ids=ids).logits)
    assert not any("lora" in name for name in model.state_dict())


def test_the_weights_of_the_best_epoch_are_merged(run, weights):
    pytest.importorskip("peft")
    options = {"lora": {}, "epochs": 3, "learning_rate": 1e-2}
    whole = run(**options)
    until = run(**options, dev=False, stop_after_epoch=whole.record.best_epoch)
    first, second = weights(whole.model), weights(until.model)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_top_layers_and_stages_say_where_additions_learn(run, material, weights):
    pytest.importorskip("peft")
    start = weights(build_model(material().base, seed=1))
    stages = [{"epochs": 1, "freeze": "encoder"}, {"epochs": 1, "top_layers": 1}]
    end = weights(run(lora={}, stages=stages, learning_rate=1e-2).model)
    changed = {name for name in start if not torch.equal(start[name], end[name])}
    assert changed == {
        name for name in start if ("layer.1" in name and name.endswith(LINEAR)) or name.startswith("classifier")
    }


@pytest.mark.parametrize(
    ("is_there", "targets", "told"),
    [
        (True, ("qery",), r"has 'qery', but no linear layer(.|\n)*targets: \[dense, key, query, value\]"),
        (False, None, r"needs the package peft, which is not installed\n.*pip install 'nertune\[lora\]'"),
    ],
)
def test_additions_that_cannot_be_had_are_told_with_a_way_out(material, monkeypatch, is_there, targets, told):
    monkeypatch.setattr("nertune.train.lora.importlib.util.find_spec", lambda name: is_there or None)
    base = material().base
    with pytest.raises(ModelError, match=told):
        check_adapters(build_model(base, seed=1), lora=LoraSpec(targets=targets), base=base)
