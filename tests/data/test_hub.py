"""Data sets of `datasets`: saved folders and names on the hub, whose features say what is read."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nertune.data.readers.hub import has_split, hub_task, is_saved, looks_like_hub, read_hub
from nertune.data.source import LabelledText, Source, TaggedSentence
from nertune.errors import DataError
from nertune.spec.study import DataSpec

TAGS = ClassLabel(names=["O", "B-PER"])
TOKEN_FEATURES = Features({"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(TAGS)})
SENTENCES = [
    TaggedSentence(("Ada", "slept"), ("B-PER", "O"), (1, 1)),
    TaggedSentence(("Nobody",), ("O",), (2,)),
]


@pytest.fixture(autouse=True)
def _no_progress_bars():
    datasets.disable_progress_bars()


@pytest.fixture
def token_set() -> Dataset:
    columns = {"id": ["0", "1"], "tokens": [["Ada", "slept"], ["Nobody"]], "ner_tags": [[1, 0], [0]]}
    return Dataset.from_dict(columns, features=TOKEN_FEATURES)


@pytest.fixture
def saved(tmp_path, token_set):
    """A saved folder with splits named as on the hub; test is broken, and fails where it is opened."""
    folder = tmp_path / "saved"
    DatasetDict(train=token_set, validation=token_set.select([1]), test=token_set).save_to_disk(folder)
    (folder / "test" / "state.json").write_text("{")
    return folder


def save(tmp_path, *, features=None, **columns):
    folder = tmp_path / "one"
    Dataset.from_dict(columns, features=features and Features(features)).save_to_disk(folder)
    return folder


def read(folder, *, split="train", **data):
    source = Source(Path(folder), DataSpec(**data), split=split)
    return list(read_hub(source)), source


def test_tags_have_the_names_of_the_features(saved):
    items, source = read(saved)
    assert items == SENTENCES
    assert (is_saved(saved), looks_like_hub(source), hub_task(source)) == (True, True, "token")


def test_our_dev_is_their_validation_and_no_other_split_is_opened(saved):
    assert [item.words for item in read(saved, split="dev")[0]] == [("Nobody",)]
    assert (has_split(saved, split="dev"), has_split(saved / "train", split="dev")) == (True, False)
    with pytest.raises(DataError, match="this data set cannot be read"):
        read(saved, split="test")


def test_the_folder_of_a_split_is_read_as_it_is(saved):
    assert is_saved(saved / "validation")
    assert len(read(saved / "validation", split="train")[0]) == 1


def test_a_split_that_is_not_there_is_told_with_those_that_are(tmp_path, token_set):
    DatasetDict(train=token_set, extra=token_set).save_to_disk(tmp_path / "x")
    with pytest.raises(
        DataError, match=r'no split is named validation or .*; there are "train", "extra"(.|\n)*split: {dev: 0.1}'
    ):
        read(tmp_path / "x", split="dev")


def test_a_folder_without_splits_is_train_and_never_dev_as_well(tmp_path, token_set):
    folder = tmp_path / "x"
    token_set.save_to_disk(folder)
    assert read(folder, dir=folder)[0] == SENTENCES
    assert read(folder, split="dev", dev=folder, train="y")[0] == SENTENCES
    with pytest.raises(DataError, match=r"all of it is train; dev is missing(.|\n)*data: {split: {dev: 0.1}}"):
        read(folder, split="dev", dir=folder)


def test_texts_have_the_classes_of_the_features(tmp_path):
    features = {"sentence": Value("string"), "label": ClassLabel(names=["bad", "good"])}
    items, source = read(save(tmp_path, features=features, sentence=["a", "b"], label=[1, 0]))
    assert items == [LabelledText("a", ("good",), 1), LabelledText("b", ("bad",), 2)]
    assert hub_task(source) == "sequence"


def test_pairs_and_several_labels_are_found_by_their_columns(tmp_path):
    features = {"premise": Value("string"), "hypothesis": Value("string"), "labels": List(ClassLabel(names=["x", "y"]))}
    folder = save(tmp_path, features=features, premise=["a"], hypothesis=["b"], labels=[[0, 1]])
    assert read(folder)[0] == [LabelledText("a", ("x", "y"), 1, pair="b")]


def test_columns_choose_and_decide_for_words_or_texts(tmp_path):
    folder = save(tmp_path, form=[["Ada"]], fine=[["B-queen"]], text=["Ada"], mood=["good"])
    assert read(folder, columns={"word": "form", "tag": "fine"})[0][0].tags == ("B-queen",)
    assert read(folder, columns={"text": "text", "label": "mood"})[0][0].labels == ("good",)
    with pytest.raises(DataError, match='no column is named "fien"'):
        read(folder, columns={"word": "form", "tag": "fien"})


def test_columns_that_are_not_found_are_told_with_those_that_are(tmp_path):
    folder = save(tmp_path, question=["a"], answer=["b"])
    assert hub_task(Source(folder)) is None
    with pytest.raises(DataError, match='the columns are "question", "answer"'):
        read(folder)


def test_rows_with_what_is_missing_are_faults_with_their_number(tmp_path):
    features = {"text": Value("string"), "label": ClassLabel(names=["bad", "good"])}
    _, source = read(save(tmp_path, features=features, text=["a", None, "c"], label=[1, 1, None]))
    assert [fault.where.line for fault in source.faults.shown] == [2, 3]


def test_numbers_without_names_are_refused_for_words_and_classes_for_texts(tmp_path):
    with pytest.raises(DataError, match=r"ner_tags holds numbers \(1\)"):
        read(save(tmp_path, tokens=[["Ada"]], ner_tags=[[1]]))
    assert read(save(tmp_path / "x", text=["a"], label=[1]))[0][0].labels == ("1",)


def test_the_fingerprint_changes_with_the_rows_and_with_the_names_of_labels(tmp_path, token_set):
    def fingerprint(name, dataset):
        dataset.save_to_disk(tmp_path / name)
        return read(tmp_path / name)[1].fingerprint

    renamed = token_set.cast_column("ner_tags", List(ClassLabel(names=["O", "B-LOC"])))
    found = [fingerprint("a", token_set), fingerprint("b", token_set.select([0])), fingerprint("c", renamed)]
    assert len(set(found)) == 3
    assert fingerprint("d", token_set) == found[0]


# ---- the hub


@pytest.fixture
def hub(monkeypatch, token_set):
    """The hub as a stand-in: keeps what was asked for, and answers with `answer`."""

    class Hub:
        asked: tuple = ()
        answer: object = DatasetDict(train=token_set, validation=token_set.select([1]))

        def load_dataset(self, *asked):
            self.asked = asked
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    hub = Hub()
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    return hub


@pytest.mark.parametrize(
    ("name", "asked"),
    [("conll2003", ("conll2003", None)), ("a/b", ("a/b", None)), ("a/b:c-1", ("a/b", "c-1")), ("b:c", ("b", "c"))],
)
def test_a_name_on_the_hub_may_have_an_owner_and_a_configuration(hub, name, asked):
    items, source = read(name, hub=name, split="dev")
    assert hub.asked == asked
    assert [item.words for item in items] == [("Nobody",)]
    assert looks_like_hub(source)
    assert len(source.digests) == 1


@pytest.mark.parametrize("name", ["a/b/c", "a:", "", "a b"])
def test_what_is_no_name_is_refused_with_the_form(hub, name):
    with pytest.raises(DataError, match=r"is no name of a data set on the hub(.|\n)*OWNER/NAME:CONFIGURATION"):
        read(name, hub=name)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ConnectionError("Couldn't reach 'x' on the Hub"),
            r"not in the cache, and the hub is switched off(.|\n)*save_to_disk",
        ),
        (datasets.exceptions.DatasetNotFoundError("no"), r"there is no data set \"x\" on the hub(.|\n)*hf auth login"),
        (ValueError("Config name is missing.\nPick one"), r"Config name is missing(.|\n)*hub: x:CONFIGURATION"),
        (RuntimeError("Dataset scripts are no longer supported"), "Dataset scripts are no longer supported"),
        (KeyError(), "cannot be loaded: KeyError"),
    ],
)
def test_what_the_hub_fails_with_is_told_with_what_to_type(hub, monkeypatch, error, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.answer = error
    with pytest.raises(DataError, match=message):
        read("x", hub="x")


# ---- broken folders


STATE, INFO, TABLE = "state.json", "dataset_info.json", "data-00000-of-00001.arrow"
BROKEN = [(name, content) for name in (STATE, INFO, TABLE) for content in (b"", b"{", b"[]", b"\xff\x00", None)]


@pytest.mark.parametrize(("name", "content"), [*BROKEN, (STATE, b"{}"), (STATE, b'{"_data_files": 5}'), (TABLE, b"{}")])
def test_a_broken_folder_is_a_data_error(tmp_path, token_set, name, content):
    folder = tmp_path / "x"
    token_set.save_to_disk(folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError):
        read(folder)


@pytest.mark.parametrize("splits", ["{", "[]", '{"splits": [1]}', '{"splits": ["../one"]}', '{"splits": ["gone"]}'])
def test_a_broken_list_of_splits_is_a_data_error(tmp_path, splits):
    (tmp_path / "dataset_dict.json").write_text(splits)
    with pytest.raises(DataError):
        read(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_changed_bytes_are_read_or_refused_with_a_data_error(tmp_path_factory, token_set, data):
    folder = tmp_path_factory.mktemp("any")
    token_set.save_to_disk(folder)
    info = json.loads((folder / "dataset_info.json").read_text())
    info["features"]["tokens"] = data.draw(
        st.sampled_from([{}, None, 5, {"_type": "Value", "dtype": "int32"}, {"_type": "X"}])
    )
    if data.draw(st.booleans()):
        (folder / "dataset_info.json").write_text(json.dumps(info))
    table = folder / "data-00000-of-00001.arrow"
    content = bytearray(table.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    table.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        items, _ = read(folder)
    except DataError:
        return
    assert all(len(item.words) == len(item.tags) for item in items)
