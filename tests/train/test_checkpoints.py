"""A saved model is any transformers program's model."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    TrainingArguments,
    pipeline,
)

from nertune.train.checkpoints import save_model

CLASSES = {"token": AutoModelForTokenClassification, "sequence": AutoModelForSequenceClassification}


@pytest.mark.parametrize("task", ["token", "sequence"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_saved_model_gives_the_same_logits_in_plain_transformers(run, material, tmp_path, task, precision):
    model = run(task, epochs=1, precision=precision).model
    save_model(model, tokenizer=material(task).tokenizer, folder=tmp_path / "saved")
    plain = CLASSES[task].from_pretrained(tmp_path / "saved").eval()
    batch = AutoTokenizer.from_pretrained(tmp_path / "saved")(
        ["Ada lives in Oslo .", "fine"], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        assert torch.equal(plain(**batch).logits, model(**batch).logits)
    assert plain.config.label2id == material(task).base.config.label2id


def test_a_pipeline_of_transformers_finds_the_entities(run, material, tmp_path):
    save_model(run(epochs=8, batch_size=4).model, tokenizer=material().tokenizer, folder=tmp_path / "saved")
    find = pipeline("token-classification", str(tmp_path / "saved"), aggregation_strategy="first", device="cpu")
    assert {found["entity_group"] for found in find("Alan Turing lives in New York .")} == {"PER", "LOC"}


def test_training_arguments_and_state_are_left_beside(run, tmp_path):
    record = run(epochs=2).record
    state = json.loads((tmp_path / "fit" / "trainer_state.json").read_text())
    args = torch.load(tmp_path / "fit" / "training_args.bin", weights_only=False)  # ours, made a moment ago
    assert type(args) is TrainingArguments
    assert (args.num_train_epochs, args.learning_rate) == (2, 3e-3)
    assert (state["global_step"], state["best_global_step"]) == (10, record.best_step)
    assert [entry["eval_f1"] for entry in state["log_history"] if "eval_f1" in entry]
