"""What a tokenizer and its windows do to a corpus is told before any training, and equals what encoding then does."""

from __future__ import annotations

import json

import numpy as np
import pytest

from corpora import sentence, text_corpus, token_corpus
from nertune.data.audit import audit
from nertune.models.tokenizers import load_tokenizer
from nertune.tasks import heads_to_learn
from nertune.tasks.audit import audit_pieces, word_homes
from nertune.tasks.token import VANISHED, encode
from nertune.tasks.windows import Frame, find_frame

LONG = "we met {Ada|PER} in {New York|LOC} and " + "the museum of {Oslo|LOC} and " * 8


@pytest.fixture
def look(bert_folder, study):
    """`look(corpus, max_pieces=…)`: findings by kind and split, and the numbers of the first split."""

    def run(corpus, *, limit=None, folder=bert_folder, **train):
        tokenizer = load_tokenizer(str(folder), task=corpus.task)
        train = study(corpus.task, **train).train
        frame = find_frame(tokenizer, train=train, position_limit=64)
        findings, summary = audit_pieces(corpus, tokenizer=tokenizer, frame=frame, train=train, limit=limit)
        return {(finding.kind, finding.split): finding for finding in findings}, summary

    return run


def test_ordinary_sentences_have_pieces_and_no_finding(look):
    findings, summary = look(token_corpus({"train": ["{Ada|PER} lives in {New York|LOC} ."], "dev": []}))
    train, dev = summary.splits
    assert findings == {}
    assert (train.words, train.beyond, train.unknown, train.documents_beyond) == (6, 0, 0, None)
    assert train.pieces == train.lengths["max"] >= 6
    assert (dev.examples, dev.pieces_per_word, dev.lengths["max"]) == (0, 0.0, 0.0)


def test_what_a_single_window_would_lose_is_counted_by_label(look, bert_folder):
    corpus = token_corpus({"train": ["short .", LONG]})
    findings, summary = look(corpus, max_pieces=20)
    words = corpus.splits["train"].examples[1].words
    sizes = [
        len(pieces)
        for pieces in load_tokenizer(str(bert_folder), task="token")(list(words), add_special_tokens=False)["input_ids"]
    ]
    first_outside = next(n for n in range(len(words)) if sum(sizes[:n]) >= 18)
    outside = [span for span in corpus.splits["train"].examples[1].spans if span.end > first_outside]
    assert summary.splits[0].beyond == 1
    assert summary.splits[0].words_outside == len(words) - first_outside
    assert sum(summary.splits[0].entities_outside.values()) == len(outside) > 0
    finding = findings["beyond-length", "train"]
    assert (finding.severity, finding.count, finding.places[0].where.line) == ("notice", 1, 2)
    assert "1 of the 2 sentences of train (50.0 %) with more than 18 pieces" in finding.message


def test_entities_that_windows_cut_are_told_by_label(look):
    text = "{" + " ".join(["museum"] * 30) + "|ORG} and " + "the " * 30
    findings, summary = look(token_corpus({"train": [text]}), max_pieces=20)
    assert summary.splits[0].entities_cut == {"ORG": 1}
    assert findings["window-cuts", "train"].message.endswith("(ORG 1)")


def test_homes_are_those_of_the_windows():
    frame = Frame(prefix=(1,), suffix=(2,), length=8, overlap=2)
    assert word_homes(np.array([1, 1, 0, 1, 1, 1, 1, 1, 1]), frame=frame) == [0, 0, None, 0, 0, 0, 1, 1, 1]


def test_words_that_vanish_are_named_and_their_entities_lost(look, bert_folder, study):
    corpus = token_corpus({"train": ["{Ada \u200b|PER} in {Oslo|LOC} \u200b"]})
    findings, summary = look(corpus)
    assert (summary.splits[0].vanished, summary.splits[0].entities_lost) == (2, {"PER": 1})
    assert findings["lost-entities", "train"].severity == "warning"
    assert '"\\u200b" U+200B ZERO WIDTH SPACE (2)' in findings["vanished-words", "train"].message
    tokenizer = load_tokenizer(str(bert_folder), task="token")
    frame = find_frame(tokenizer, train=study("token").train, position_limit=64)
    heads = heads_to_learn(["LOC", "PER"], spec=study("token"))
    told = encode(corpus.splits["train"].examples, heads=heads, tokenizer=tokenizer, frame=frame, spec=study("token"))
    assert told[2][VANISHED] == 2


def test_unknown_words_are_listed_the_most_frequent_first(look):
    texts = ["Ada ☃ and ☃ in ✈ .", "the museum " * 20]
    findings, summary = look(token_corpus({"train": texts}))
    finding = findings["unknown-pieces", "train"]
    assert summary.splits[0].unknown == finding.count == 3
    assert finding.message == 'train: 3 words (6.4 %) with an unknown piece: "☃" (2), "✈" (1)'
    assert (finding.severity, str(finding.places[0])) == ("warning", 'train.txt:1: "☃" (word 2)')


def test_byte_level_tokenizers_know_every_word(look, roberta_folder):
    findings, _ = look(token_corpus({"train": ["Ada ☃ in ✈ ."]}), folder=roberta_folder)
    assert findings == {}


def test_words_longer_than_a_window_are_told(look):
    findings, summary = look(token_corpus({"train": ["a " + "museum" * 16]}), max_pieces=20)
    assert (summary.splits[0].cut_words, findings["cut-words", "train"].count) == (1, 1)


def test_long_documents_are_counted(look):
    texts = [sentence("the museum of Oslo and the river", line=line, document=str(line % 2)) for line in range(1, 9)]
    findings, summary = look(token_corpus({"train": texts}), max_pieces=20)
    assert summary.splits[0].documents_beyond == 2
    assert findings["beyond-length-documents", "train"].places[0].where.line == 1


@pytest.mark.parametrize("pair", ["", "\tthe museum of Oslo and the long river"])
def test_cut_texts_are_told_with_the_share_of_pieces_lost(look, pair):
    corpus = text_corpus({"train": [("a fine film", "x"), ("the museum and the river " * 6 + pair, "y")]})
    findings, summary = look(corpus, max_pieces=16, truncate="tail")
    (train,) = summary.splits
    finding = findings["cut-texts", "train"]
    assert (train.beyond, finding.count, finding.places[0].where.line) == (1, 1, 2)
    assert train.pieces_lost == train.lengths["max"] - (13 if pair else 14)
    assert finding.message.endswith("of all pieces are cut (train.truncate: tail)")


def test_unknown_and_vanished_texts_are_told(look):
    corpus = text_corpus({"train": [("a ☃ film", "x"), ("\u200b", "y")]})
    findings, _ = look(corpus)
    assert findings["unknown-pieces", "train"].places[0].detail == '"☃"'
    assert findings["vanished-words", "train"].message.startswith("train: 1 text without a piece")


def test_places_are_kept_up_to_the_limit(look):
    findings, _ = look(token_corpus({"train": ["☃ ☃ ☃"] * 5}), limit=2)
    assert (findings["unknown-pieces", "train"].count, len(findings["unknown-pieces", "train"].places)) == (15, 2)


def test_findings_join_those_of_the_data_and_all_become_json(look):
    corpus = token_corpus({"train": ["{Ada|PER} ☃", "{Ada|PER} ☃"]})
    findings, summary = look(corpus)
    joined = audit(corpus).with_findings(findings.values())
    assert {"duplicates", "unknown-pieces"} <= {finding.kind for finding in joined.findings}
    told = json.loads(json.dumps({**joined.to_json(), "pieces": summary.to_json()}))
    assert told["pieces"]["splits"][0]["unknown"] == 2
