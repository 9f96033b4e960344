from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForTokenClassification

from nertune.errors import UserError
from nertune.pretrain.mlm import (
    MlmRecord,
    build_model,
    make_windows,
    mask_one_at_least,
    masked_loss,
    split_windows,
    train_mlm,
)
from nertune.pretrain.options import PretrainOptions
from nertune.pretrain.tokenizer import train_tokenizer


@pytest.fixture
def tokenizer(lines: list[str]) -> Any:
    return train_tokenizer(lines, vocabulary_size=120, lower_case=False, max_pieces=16)


@pytest.fixture
def train(lines: list[str], tokenizer: Any, tiny: PretrainOptions, tmp_path: Path) -> Any:
    def run(**changed: Any) -> tuple[MlmRecord, dict[str, torch.Tensor]]:
        options, folder = replace(tiny, **changed), tmp_path / "mlm"
        record = train_mlm(lines, tokenizer=tokenizer, options=options, folder=folder, tell=lambda _: None)
        return record, load_file(folder / "model.safetensors")

    return run


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_equal_seeds_give_equal_weights_and_others_differ(train: Any, unchanged: Any) -> None:
    assert equal(train()[1], unchanged)
    assert not equal(train(seed=2)[1], unchanged)


@pytest.fixture(scope="module")
def unchanged(lines: list[str], tiny: PretrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("unchanged")
    made = train_tokenizer(lines, vocabulary_size=120, lower_case=False, max_pieces=16)
    train_mlm(lines, tokenizer=made, options=tiny, folder=folder, tell=lambda _: None)
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(
    "changed", [{"steps": 6}, {"batch_size": 5}, {"learning_rate": 1e-2}, {"mask_share": 0.5}, {"dropout": 0.5}]
)
def test_each_option_of_the_training_changes_the_weights(train: Any, unchanged: Any, changed: dict[str, Any]) -> None:
    assert not equal(train(**changed)[1], unchanged)


def test_the_model_has_the_asked_shape_and_loads_for_other_tasks(train: Any, tmp_path: Path) -> None:
    train(layers=2, width=32, heads=4, intermediate=24, dropout=0.2)
    config = AutoModelForMaskedLM.from_pretrained(tmp_path / "mlm").config
    shape = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size)
    assert (*shape, config.max_position_embeddings, config.hidden_dropout_prob) == (2, 32, 4, 24, 16, 0.2)
    assert AutoModelForTokenClassification.from_pretrained(tmp_path / "mlm", num_labels=3).num_labels == 3


def test_the_loss_falls_and_is_told_step_by_step(lines: list[str], tokenizer: Any, tiny: Any, tmp_path: Path) -> None:
    told: list[Any] = []
    options = replace(tiny, steps=40, learning_rate=1e-2)
    record = train_mlm(lines, tokenizer=tokenizer, options=options, folder=tmp_path, tell=told.append)
    assert [tale["step"] for tale in told] == list(range(2, 41, 2))
    assert (record.first_loss, record.last_loss) == (told[0]["loss"], told[-1]["loss"])
    assert record.held_out_loss is not None
    assert record.last_loss < record.first_loss - 0.5


def test_a_loss_that_is_not_finite_ends_the_training(train: Any) -> None:
    with pytest.raises(UserError, match=r"the loss is (nan|inf) at step[\s\S]*--learning-rate"):
        train(learning_rate=1e30, steps=8)


def test_the_loss_is_the_one_of_the_whole_model(tiny: PretrainOptions) -> None:
    torch.manual_seed(0)
    model = build_model(30, options=tiny)
    ids, labels = torch.randint(5, 30, (2, 9)), torch.full((2, 9), -100)
    labels[0, 3], labels[1, 5] = 7, 11
    mask = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])
    whole = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    torch.testing.assert_close(masked_loss(model, input_ids=ids, attention_mask=mask, labels=labels), whole)


def test_a_batch_without_a_masked_piece_gets_one() -> None:
    batch = {"input_ids": torch.tensor([[2, 7, 8, 3]]), "labels": torch.tensor([[-100, -100, -100, -100]])}
    masked = mask_one_at_least(batch, mask_id=4)
    assert (masked["input_ids"].tolist(), masked["labels"].tolist()) == ([[2, 4, 8, 3]], [[-100, 7, -100, -100]])


def test_masked_batches_stay_as_they_are() -> None:
    batch = {"input_ids": torch.tensor([[2, 7, 4, 3]]), "labels": torch.tensor([[-100, -100, 8, -100]])}
    assert mask_one_at_least(batch, mask_id=4)["input_ids"].tolist() == [[2, 7, 4, 3]]


def test_the_number_of_threads_is_put_back(train: Any) -> None:
    before = torch.get_num_threads()
    train(threads=before + 1)
    assert torch.get_num_threads() == before


def test_long_lines_are_cut_and_nothing_is_lost(tokenizer: Any) -> None:
    line = " ".join(["ferry"] * 40)
    windows = [window["input_ids"] for window in make_windows([line], tokenizer=tokenizer, max_pieces=16)]
    pieces = tokenizer(line, add_special_tokens=False)["input_ids"]
    assert [piece for window in windows for piece in window[1:-1]] == pieces
    assert max(map(len, windows)) == 16


def test_every_fiftieth_window_is_held_out() -> None:
    windows = [{"input_ids": [n]} for n in range(1, 101)]
    trained_on, held_out = split_windows(windows)
    assert held_out == [{"input_ids": [50]}, {"input_ids": [100]}]
    assert len(trained_on) == 98
