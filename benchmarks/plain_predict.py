"""The other side of `nertune predict`: a Trainer with its defaults, as plain as the plain loop.

The sentences in the order of the file, 8 at a time, padded to the longest of each batch, on torch's own number of
threads. Nothing of nertune is imported here.

    python benchmarks/plain_predict.py --task token --model DIR --input FILE --output FILE

FILE     token: a word a line, an empty line after each sentence. sequence: a text a line
output   token: word<TAB>tag. sequence: class<TAB>probability<TAB>text
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from plain_loop import encode_words


def main() -> None:
    parser = argparse.ArgumentParser(description="Predictions of a plain Trainer.")
    parser.add_argument("--task", choices=sorted(PREDICT), required=True)
    parser.add_argument("--model", required=True, help="folder of a saved model")
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    text = options.input.read_bytes().decode("utf-8").strip("\n")
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    options.output.write_text(PREDICT[options.task](text, options.model, tokenizer), encoding="utf-8")


def predict_token(text: str, source: str, tokenizer: Any) -> str:
    sentences = [block.split("\n") for block in text.split("\n\n")]
    encoded, words = encode_words(tokenizer, sentences)
    model = AutoModelForTokenClassification.from_pretrained(source)
    logits = predict(model, encoded, collator=DataCollatorForTokenClassification(tokenizer))
    tags = [["O"] * len(sentence) for sentence in sentences]  # of what was cut off, or has no piece
    for row, places, ids in zip(tags, words, logits.argmax(-1), strict=True):
        for place, word in enumerate(places):
            if word is not None:
                row[word] = model.config.id2label[int(ids[place])]
    return "\n".join(
        "".join(f"{word}\t{tag}\n" for word, tag in zip(*pair, strict=True))
        for pair in zip(sentences, tags, strict=True)
    )


def predict_sequence(text: str, source: str, tokenizer: Any) -> str:
    texts = text.split("\n")
    model = AutoModelForSequenceClassification.from_pretrained(source)
    logits = predict(model, tokenizer(texts, truncation=True), collator=DataCollatorWithPadding(tokenizer))
    sure, ids = torch.from_numpy(logits).softmax(-1).max(-1)
    rows = zip(ids.tolist(), sure.tolist(), texts, strict=True)
    return "".join(f"{model.config.id2label[number]}\t{share:.4f}\t{line}\n" for number, share, line in rows)


def predict(model: Any, encoded: Any, *, collator: Any) -> Any:
    """Logits of all sentences, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(output_dir=folder, report_to="none")
        trainer = Trainer(model=model, args=arguments, data_collator=collator)
        return trainer.predict(Dataset.from_dict(dict(encoded))).predictions


PREDICT = {"token": predict_token, "sequence": predict_sequence}


if __name__ == "__main__":
    main()
