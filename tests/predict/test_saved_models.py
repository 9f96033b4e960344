"""Saved models: which folders a command means, what is refused, and that several are the mean of the single ones."""

from __future__ import annotations

import json
import shutil

import pytest

from nertune.data.examples import SequenceExample, TokenExample
from nertune.errors import ModelError, Where
from nertune.predict.ensemble import Ensemble, cuts_alike
from nertune.predict.load import find_models, load_model, load_models
from nertune.train.batches import evaluation_batches


def answer(*models, examples):
    return Ensemble(models, device="cpu").predict(examples).predictions


@pytest.fixture
def sentences(token_train):
    return list(token_train.examples[:12])


def plain_model(folder, bert_folder, *, kind, labels, **config):
    """A model of transformers' own, as another program would save it."""
    import transformers

    names = dict(enumerate(labels))
    auto = getattr(transformers, f"AutoModelFor{kind}Classification")
    own = transformers.AutoConfig.from_pretrained(bert_folder, id2label=names, **config)
    auto.from_config(own).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(bert_folder).save_pretrained(folder)
    return str(folder)


def without_entry(folder, target):
    """The folder as nertune wrote it before it told of heads in config.json."""
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    del config["nertune"]
    (target / "config.json").write_text(json.dumps(config))
    return str(target)


# ---- which folders


def test_a_folder_of_seeds_means_all_of_them(tagger):
    assert find_models(str(tagger.folder)) == [str(seed) for seed in sorted(tagger.seeds)]
    assert find_models(str(tagger.seeds[0])) == [str(tagger.seeds[0])]


def test_an_output_folder_means_the_seeds_of_its_summary(tmp_path):
    for name in ("old_1", "new_1", "new_2/fold-1", "new_2/fold-2", "logs"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "summary.json").write_text('{"folders": {"1": "new_1", "2": "new_2"}}')
    assert find_models(str(tmp_path)) == [str(tmp_path / name) for name in ("new_1", "new_2/fold-1", "new_2/fold-2")]
    assert find_models(str(tmp_path / "new_2")) == [str(tmp_path / "new_2" / f"fold-{fold}") for fold in (1, 2)]


def test_a_name_that_is_no_folder_is_one_on_the_hub():
    assert find_models("someone/a-model") == ["someone/a-model"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("./modle", r"(?s)no such folder.*Did you mean .*model\?"),
        ("./model", "holds no saved model"),
        ("./f", "is a file"),
    ],
)
def test_what_is_no_model_is_told(tmp_path, monkeypatch, name, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "f").touch()
    with pytest.raises(ModelError, match=told):
        find_models(name)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("model.safetensors", "no weights", "the weights in .* cannot be loaded"),
        ("config.json", "{", "the config in .* cannot be loaded"),
        ("tokenizer.json", None, "tokenizer"),
    ],
)
def test_a_model_that_cannot_be_read_is_told_with_what_to_name(tagger, tmp_path, file, content, told):
    folder = shutil.copytree(tagger.seeds[0], tmp_path / "model")
    for path in folder.glob("tokenizer*") if content is None else ():
        path.unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(ModelError, match=rf"(?s){told}.*Name the folder of a seed"):
        load_model(str(folder))


# ---- models of other programs


def test_a_folder_of_an_earlier_nertune_says_the_same(tagger, sentences, tmp_path):
    new, old = (
        load_model(folder) for folder in (str(tagger.seeds[0]), without_entry(tagger.seeds[0], tmp_path / "old"))
    )
    ours, theirs = (answer(one, examples=sentences) for one in (new, old))
    assert (ours.spans, ours.probabilities) == (theirs.spans, theirs.probabilities)
    assert any(ours.spans)


@pytest.mark.parametrize(
    "labels",
    [
        ("O", "B-PER", "I-PER", "L-PER", "U-PER"),
        ("PER", "O", "LOC"),
        ("O", "b-per", "i-per"),
    ],
)
def test_a_plain_token_model_gives_entities_whatever_its_tags_look_like(tmp_path, bert_folder, sentences, labels):
    model = load_model(plain_model(tmp_path, bert_folder, kind="Token", labels=labels))
    (head,) = model.heads
    assert set(head.kinds) <= {"PER", "LOC", "per"}
    found = answer(model, examples=sentences)
    assert {span.label for spans in found.spans for span in spans} <= set(head.kinds)
    assert [len(tags) for tags in found.tags] == [len(one.words) for one in sentences]


@pytest.mark.parametrize(
    ("config", "n_classes"), [({}, {1}), ({"problem_type": "multi_label_classification"}, {0, 1, 2})]
)
def test_a_plain_sequence_model_gives_classes(tmp_path, bert_folder, config, n_classes):
    model = load_model(plain_model(tmp_path, bert_folder, kind="Sequence", labels=("no", "yes"), **config))
    texts = [
        SequenceExample("a fine film", (), Where(tmp_path)),
        SequenceExample("a dull one", ("other",), Where(tmp_path)),
    ]
    found = answer(model, examples=texts)
    assert {len(classes) for classes in found.classes} <= n_classes
    assert found.labels == ("no", "yes")


@pytest.mark.parametrize(
    ("kind", "labels", "config", "told"),
    [
        ("Token", ("LABEL_0", "LABEL_1"), {}, "none of the labels .* is O"),
        ("Sequence", ("LABEL_0",), {}, "regression"),
        ("Sequence", ("a", "b"), {"problem_type": "regression"}, "regression"),
    ],
)
def test_a_model_for_something_else_is_refused(tmp_path, bert_folder, kind, labels, config, told):
    with pytest.raises(ModelError, match=told):
        load_model(plain_model(tmp_path, bert_folder, kind=kind, labels=labels, **config))


def test_an_encoder_without_a_trained_head_is_refused(bert_folder):
    with pytest.raises(ModelError, match="labels words or texts"):
        load_model(str(bert_folder))


def test_models_with_other_labels_are_not_averaged(tagger, tmp_path, bert_folder):
    shutil.copytree(tagger.seeds[0], tmp_path / "a")
    plain_model(tmp_path / "b", bert_folder, kind="Token", labels=("O", "B-PER", "I-PER"))
    with pytest.raises(ModelError, match=r"(?s)give the same labels, but .*\"LOC\", \"PER\" and .*\"PER\""):
        load_models(str(tmp_path))


# ---- predictions


def test_every_word_of_a_sentence_longer_than_the_window_gets_a_tag(tagger):
    long = TokenExample(tuple(["Ada", "lives", "in", "New", "York", "."] * 30), (), Where(tagger.study))
    ensemble = Ensemble([load_model(str(tagger.seeds[0]))], device="cpu")
    found = ensemble.predict([long])
    assert found.encoded.counts["sentences in several windows"] == 1
    (tags,) = found.predictions.tags
    assert len(tags) == 180
    assert sum(tag == "B-PER" for tag in tags) > 20


def test_bf16_says_nearly_the_same(classifier):
    texts = [SequenceExample(text, (), Where(classifier.study)) for text in ("a fine film", "cold and slow", "so so")]
    models = load_models(str(classifier.seeds[0]))
    exact, quick = (Ensemble(models, device="cpu", precision=p).predict(texts).predictions for p in ("fp32", "bf16"))
    assert quick.probabilities == pytest.approx(exact.probabilities, abs=0.02)
    assert (quick.probabilities != exact.probabilities).any()


def test_fewer_pieces_at_a_time_are_more_and_smaller_batches_with_the_same_answer(classifier, monkeypatch):
    sizes = []

    def counted(encoded, *, max_pieces):
        for numbers in evaluation_batches(encoded, max_pieces=max_pieces):
            sizes.append(len(numbers))
            yield numbers

    monkeypatch.setattr("nertune.train.predict.evaluation_batches", counted)
    texts = [SequenceExample("a fine film", (), Where(classifier.study))] * 10
    models = load_models(str(classifier.seeds[0]))
    few, all_at_once = (Ensemble(models, device="cpu", max_pieces=n).predict(texts).predictions for n in (12, None))
    assert sizes[-1] == 10
    assert len(sizes) > 3
    assert max(sizes[:-1]) <= 3
    assert few.probabilities == pytest.approx(all_at_once.probabilities, abs=1e-6)


def test_several_models_say_the_mean_of_what_each_says(classifier):
    models = load_models(str(classifier.folder))
    texts = [SequenceExample(text, (), Where(classifier.study)) for text in ("a fine film", "cold and slow", "so so")]
    one, other, both = (answer(*chosen, examples=texts) for chosen in (models[:1], models[1:], models))
    assert both.probabilities == pytest.approx((one.probabilities + other.probabilities) / 2, abs=1e-6)
    assert both.classes == [(both.labels[i],) for i in both.probabilities.argmax(1)]


def test_of_several_taggers_the_mean_decides_each_word(tagger, sentences):
    models = load_models(str(tagger.folder))
    both = answer(*models, examples=sentences)
    assert both.spans != [[]] * len(both.spans)
    assert answer(*models[:1], *models[:1], examples=sentences).spans == answer(*models[:1], examples=sentences).spans


def test_thresholds_are_averaged(multi_classifier, tmp_path):
    shutil.copytree(multi_classifier.seeds[0], tmp_path / "a")
    shutil.copytree(multi_classifier.seeds[0], tmp_path / "b")
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    config["nertune"]["heads"][""]["thresholds"] = [0.0, 0.5, 1.0]
    (tmp_path / "b" / "config.json").write_text(json.dumps(config))
    models = load_models(str(tmp_path))
    first = models[0].base.heads[0].thresholds
    means = [(one + other) / 2 for one, other in zip(first, (0.0, 0.5, 1.0), strict=True)]
    assert Ensemble(models, device="cpu").heads[0].thresholds == pytest.approx(means)


def test_models_with_other_tokenizers_and_windows_are_averaged_word_by_word(tagger, sentences, tmp_path):
    one = load_model(str(tagger.seeds[0]))
    shutil.copytree(tagger.seeds[0], tmp_path / "other")
    spec = tmp_path / "other" / "spec.yaml"
    spec.write_text(spec.read_text().replace("max_pieces: 24", "max_pieces: 16"))
    other = load_model(str(tmp_path / "other"))
    assert not cuts_alike(one, other)
    long = [
        TokenExample((*["Ada", "lives", "in", "New", "York", "and", "Alan", "Turing"], "\u200b") * 5, (), Where(spec)),
        *sentences,
    ]
    single = answer(other, examples=long)
    twice = answer(other, load_model(str(tmp_path / "other")), examples=long)
    assert (twice.spans, single.n_words.tolist()) == (single.spans, twice.n_words.tolist())
    mixed = answer(one, other, examples=long)
    assert [len(tags) for tags in mixed.tags] == [len(example.words) for example in long]
    assert mixed.spans[1:] == answer(one, examples=long).spans[1:]


def test_no_examples_give_no_predictions(tagger, classifier):
    for trained in (tagger, classifier):
        ensemble = Ensemble(load_models(str(trained.folder)), device="cpu")
        assert len(ensemble.predict([]).encoded.n_words) == 0
