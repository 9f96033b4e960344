"""Small statistics of corpora, as JSON gives them back."""

from __future__ import annotations

import json
from pathlib import Path

from nertune.data.examples import Corpus, SequenceExample, Span, Split, TokenExample
from nertune.data.statistics import describe_corpus
from nertune.errors import Where


def sentence(text, *spans):
    return TokenExample(tuple(text.split(" ")), tuple(Span(*span) for span in spans), Where(Path("train.txt"), 1))


def text(words, labels):
    return SequenceExample(words, tuple(labels.split()), Where(Path("train.tsv"), 1))


def told_of(task, problem="single_label", *, n_pieces=None, **splits):
    read = {name: Split(name, tuple(examples), "f" * 64) for name, examples in splits.items()}
    found = {
        label
        for examples in splits.values()
        for example in examples
        for label in ([span.label for span in example.spans] if task == "token" else example.labels)
    }
    corpus = Corpus(task, read, tuple(sorted(found)), "iob2" if task == "token" else None, "conll", problem)
    return json.loads(json.dumps(describe_corpus(corpus, n_pieces=n_pieces).to_json(), allow_nan=False))


def entities(*, per="PER", name="Ada Lovelace", n_pieces=None):
    train = [sentence(f"{name} met Bo", (per, 0, 2), (per, 3, 4)), sentence("In Oslo .", ("LOC", 1, 2)), sentence("x")]
    dev = [sentence("Bo saw Turin", (per, 0, 1), ("LOC", 2, 3))]
    return told_of("token", train=train, dev=dev, n_pieces=n_pieces)


def classes():
    train = [text("good film", "pos"), text("bad", "neg"), text("fine and good", "pos")]
    return told_of("sequence", train=train, dev=[text("new words", "neg")])


def several_classes():
    train = [text("a b", "joy trust"), text("c", "fear"), text("d", "joy trust"), text("e", "joy"), text("f", "")]
    return told_of("sequence", "multi_label", train=train, test=[text("a", "fear")])
