"""Every head, kind of piece and pooling learns, is saved, and says the same when it is loaded again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForTokenClassification

from nertune.data.examples import SequenceExample, Span, Split, TokenExample
from nertune.data.labels import count_repairs
from nertune.errors import Where
from nertune.models.build import build_model, load_saved
from nertune.models.composed import EncoderWithHeads
from nertune.models.losses import IGNORED
from nertune.spec.study import DataSpec
from nertune.train.batches import Layout, collate
from nertune.train.predict import infer, predict, score_predictions

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TOKEN_HEADS = [
    {"head": "mlp", "hidden": [24]},
    {"head": "mlp", "hidden": [24, 16, 12], "activation": "gelu"},
    {"crf": True},
    {"head": "crf"},
    {"head": "mlp", "hidden": [24], "crf": True, "crf_constraints": False},
    {"head_dropout": 0.2},
    {"pieces": "all"},
    {"pieces": "x"},
    {"pieces": "mean"},
    {"pieces": "mean", "crf": True},
]
SEQUENCE_HEADS = [{"head": "mlp", "hidden": [16]}, {"pooling": "mean"}, {"pooling": "mean", "head": "mlp"}]


def same_outputs(one, other):
    return all(
        np.allclose(one[name].probabilities, other[name].probabilities, atol=1e-5)
        and np.array_equal(one[name].decoded, other[name].decoded)
        for name in one
    )


@pytest.mark.parametrize(
    ("task", "model"),
    [*(("token", model) for model in TOKEN_HEADS), *(("sequence", model) for model in SEQUENCE_HEADS)],
    ids=str,
)
def test_every_head_learns_and_says_the_same_when_loaded_again(learn, tmp_path, task, model):
    done = learn(task, model, epochs=10)
    assert done.record.dev.overall["f1"] > 0.4
    assert min(done.losses) < done.losses[0]
    saved = build_model(load_saved(str(done.save(tmp_path / "saved"))), seed=9).eval()
    one, other = (infer(each, done.dev, device="cpu", precision="fp32") for each in (done.model, saved))
    assert same_outputs(one, other)
    assert score_predictions(done.predict(), encoded=done.dev, data=DataSpec()).overall == pytest.approx(
        done.record.dev.overall, abs=1e-5
    )


def test_equal_seeds_give_equal_bits_and_other_seeds_others(learn):
    model = {"head": "mlp", "hidden": [24], "crf": True, "pieces": "mean"}
    one, same, other = (learn(model=model, epochs=1, seed=seed).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["heads.head.crf.transitions"], other["heads.head.crf.transitions"])


@pytest.mark.parametrize("model", [{"crf": True}, {"pieces": "all"}, {"pieces": "mean"}], ids=str)
def test_parts_of_a_batch_give_the_losses_of_the_whole(learn, model):
    model = {**model, "config": NO_DROPOUT}
    whole = learn(model=model, batch_size=20, learning_rate=1e-3)
    parts = learn(model=model, batch_size=20, learning_rate=1e-3, device_batch_size=7)
    assert parts.losses == pytest.approx(whole.losses, abs=1e-4)


def test_a_saved_linear_head_is_transformers_own_and_others_leave_it_the_encoder(learn, tmp_path):
    plain, crf = learn(epochs=1), learn(model={"crf": True}, epochs=1)
    loaded = AutoModelForTokenClassification.from_pretrained(plain.save(tmp_path / "plain"))
    assert torch.equal(loaded.classifier.weight, plain.model.classifier.weight)
    folder = crf.save(tmp_path / "crf")
    whole = EncoderWithHeads.from_pretrained(folder).eval()
    assert all(torch.equal(whole.state_dict()[name], tensor) for name, tensor in crf.model.state_dict().items())
    encoder = AutoModel.from_pretrained(folder)
    assert torch.equal(encoder.embeddings.word_embeddings.weight, crf.model.bert.embeddings.word_embeddings.weight)
    inputs = crf.tokenizer(["Ada", "met"], is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        assert whole(**inputs).logits.shape == (1, inputs["input_ids"].shape[1], 5)


def test_a_crf_never_says_a_sequence_that_the_scheme_forbids(learn):
    spoiled = learn(model={"crf": True}, epochs=1, learning_rate=1e-12)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        spoiled.model.heads["head"].layers[1].weight.normal_(generator=generator).mul_(9)  # any tag follows any other
    decoded = infer(spoiled.model, spoiled.dev, device="cpu", precision="fp32")[""].decoded
    starts = np.concatenate([[0], np.cumsum(spoiled.dev.n_words)])
    tags = [[spoiled.dev.labels[i] for i in decoded[a:b]] for a, b in pairwise(starts)]
    assert len({tag for sentence in tags for tag in sentence}) == 5
    assert sum(count_repairs(sentence, scheme="iob2") for sentence in tags) == 0


def test_a_crf_reads_a_sentence_of_several_windows_as_one(learn):
    whole = learn(model={"crf": True}, epochs=2)
    long = TokenExample(tuple(["Ada", "met", "Bob", "in", "Oslo", "."] * 4), (), Where(Path("t"), 1))
    cut = learn(model={"crf": True}, epochs=2, max_pieces=12, overlap_pieces=4, corpus=(
        Split("train", whole.train.examples[:8], "0"), Split("dev", (long,), "1"),
    ))  # fmt: skip
    assert len(cut.dev.windows) > 1
    probabilities = infer(cut.model, cut.dev, device="cpu", precision="fp32")[""].probabilities
    assert probabilities.shape == (24, 5)
    assert probabilities.sum(1) == pytest.approx(np.ones(24), abs=1e-4)


def test_no_word_is_given_the_label_of_later_pieces(learn):
    done = learn(model={"pieces": "x"}, epochs=1, learning_rate=1e-12)
    assert done.base.heads[0].labels[-1] == "X"
    with torch.no_grad():
        done.model.classifier.bias[-1] = 50.0
    output = infer(done.model, done.dev, device="cpu", precision="fp32")[""]
    assert output.decoded.max() < 5
    assert output.probabilities[:, -1].max() == 0


OVERLAPPING = tuple(
    TokenExample(
        ("the", name, "of", place, "opened"),
        (Span("ORG", 1, 4), Span("LOC", 3, 4)) if number % 3 else (Span("LOC", 3, 4),),
        Where(Path("t.txt"), number + 1),
    )
    for number, (name, place) in enumerate(
        zip(["museum", "bank", "river", "club"] * 6, ["Oslo", "Paris", "Rome"] * 8, strict=True)
    )
)


def test_words_of_several_types_are_learned(learn):
    corpus = (Split("train", OVERLAPPING, "0"), Split("dev", OVERLAPPING, "1"))
    done = learn(model={"problem": "multi_label"}, labels=("LOC", "ORG"), corpus=corpus, epochs=25)
    predictions = done.predict()
    assert done.record.dev.labels["LOC"]["f1"] > 0.9
    assert done.record.dev.labels["ORG"]["f1"] > 0.6
    assert "B-LOC|I-ORG" in {tag for tags in predictions.tags for tag in tags}


def test_several_heads_learn_their_own_labels_on_one_encoder(learn, tmp_path):
    heads = {
        "places": {"labels": ["LOC"], "crf": True, "problem": "single_label"},
        "groups": {"labels": ["ORG"], "head": "mlp", "hidden": [16], "weight": 0.5, "problem": "single_label"},
    }
    corpus = (Split("train", OVERLAPPING, "0"), Split("dev", OVERLAPPING, "1"))
    done = learn(model={"heads": heads}, labels=("LOC", "ORG"), corpus=corpus, epochs=25)
    scores = done.record.dev
    own = [scores.overall["places.f1"], scores.overall["groups.f1"]]
    assert min(own) > 0.6
    assert scores.overall["f1"] == pytest.approx(np.mean(own))
    assert scores.overall["loss"] == pytest.approx(
        scores.overall["places.loss"] + 0.5 * scores.overall["groups.loss"], rel=1e-5
    )
    assert set(scores.labels) == {"LOC", "ORG"}
    predictions = done.predict()
    assert {span.label for spans in predictions.spans for span in spans} == {"LOC", "ORG"}
    saved = build_model(load_saved(str(done.save(tmp_path / "saved"))), seed=9)
    assert predict(saved, done.dev, device="cpu", precision="fp32").spans == predictions.spans


def test_the_objective_can_be_the_score_of_one_head(learn):
    heads = {"tone": {"labels": ["bad", "good"]}, "mix": {"labels": ["mixed"], "problem": "multi_label"}}
    heads["tone"]["problem"] = "multi_label"
    done = learn("sequence", {"heads": heads}, epochs=3, search={"objective": "mix.f1"})
    assert set(done.record.dev.overall) >= {"f1", "tone.f1", "mix.f1", "mix.loss"}
    predictions = done.predict()
    assert predictions.labels == ("bad", "good", "mixed")
    assert predictions.probabilities.shape == (15, 3)


def several(numbers, name):
    words = ("blame", "gift", "plain")
    examples = [
        SequenceExample(
            f"a {' '.join(word for bit, word in enumerate(words) if number >> bit & 1)} text",
            tuple(word for bit, word in enumerate(words) if number >> bit & 1),
            Where(Path("t.tsv"), number + 1),
        )
        for number in numbers
    ]
    return Split(name, tuple(examples), "0")


def test_tuned_thresholds_are_those_of_the_best_epoch_and_saved_with_its_weights(learn, tmp_path):
    model = {"problem": "multi_label", "threshold": "tuned"}
    corpus = (several(range(40), "train"), several(range(16), "dev"))
    done = learn("sequence", model, labels=("blame", "gift", "plain"), corpus=corpus, epochs=1, learning_rate=3e-4)
    fixed = learn(
        "sequence", {"problem": "multi_label"}, labels=("blame", "gift", "plain"), corpus=corpus, epochs=1,
        learning_rate=3e-4,
    )  # fmt: skip
    saved = load_saved(str(done.save(tmp_path / "saved")))
    thresholds = saved.heads[0].thresholds
    assert len(set(thresholds)) == 3
    assert done.record.dev.overall["f1"] > fixed.record.dev.overall["f1"]
    again = predict(build_model(saved, seed=1), done.dev, device="cpu", precision="fp32")
    assert score_predictions(again, encoded=done.dev, data=DataSpec()).overall["f1"] == pytest.approx(
        done.record.dev.overall["f1"]
    )


@pytest.mark.parametrize(
    ("task", "model", "train"),
    [
        ("token", {}, {"balance": 1.0}),
        ("token", {"crf": True}, {"balance": 1.0}),
        ("token", {"pieces": "x"}, {"balance": 0.5}),
        ("token", {}, {"loss": "focal"}),
        ("sequence", {"problem": "multi_label"}, {"balance": 0.5}),
        ("sequence", {"problem": "multi_label"}, {"loss": "focal", "focal_gamma": 1.0}),
        ("sequence", {}, {"loss": "focal", "focal_gamma": 5.0}),
    ],
    ids=str,
)
def test_every_loss_learns_and_is_another_than_plain_cross_entropy(learn, task, model, train):
    plain, other = learn(task, model, epochs=3), learn(task, model, epochs=3, **train)
    assert other.losses[-1] < other.losses[0]
    assert other.losses[0] != pytest.approx(plain.losses[0], rel=1e-3)
    assert other.record.dev.overall["loss"] > 0


@pytest.mark.parametrize("pieces", ["first", "all", "x", "mean"])
def test_the_pieces_of_a_word_have_what_the_layout_says(encode, pieces):
    *_, encoded, _ = encode(model={"pieces": pieces})
    labels = encoded.labels
    numbers = range(len(encoded.windows))
    batch = collate(encoded, numbers, layout=Layout(pieces, edges=True))
    expected = np.full(batch["input_ids"].shape, IGNORED)
    firsts = np.tile(np.arange(expected.shape[1]), (len(expected), 1))
    windows = encoded.windows
    for row in numbers:
        for home in range(windows.home_starts[row], windows.home_starts[row + 1]):
            place, size, tag = windows.places[home], windows.sizes[home], labels[windows.targets[home]]
            later = {"all": tag.replace("B-", "I-"), "x": "X"}.get(pieces)
            expected[row, place] = labels.index(tag)
            for piece in range(place + 1, place + size):
                expected[row, piece] = IGNORED if later is None else labels.index(later)
                firsts[row, piece] = place
    assert windows.sizes.max() > 1
    assert batch["labels"][""].tolist() == expected.tolist()
    assert ("first_pieces" in batch) == (pieces == "mean")
    assert pieces != "mean" or batch["first_pieces"].tolist() == firsts.tolist()
    assert batch["begins"].all()
    assert batch["ends"].all()
