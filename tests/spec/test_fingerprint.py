import shutil

import pytest
from pydantic import ValidationError

from nertune.spec.fingerprint import (
    NOT_IDENTITY,
    PATHS,
    fingerprint,
    fingerprint_model,
    identity_changes,
    point_id,
    setting_digest,
    study_identity,
)
from nertune.spec.load import load_study
from nertune.spec.study import StudySpec, sections

DATA = {"train": "1" * 64, "dev": "2" * 64}
SPACE = "search: {space: {train.batch_size: [8, 16]}}\n"
# Whatever the type of a key, one of these is another valid value of it.
OTHERS = (
    2,
    64,
    0.5,
    "other",
    True,
    ["other"],
    {"a": "b"},
    {"train.epochs": [1]},
    [7],
    "tpe",
    "iob1",
    "io",
    "cosine",
    "shuffled",
    "fp32",
    "tail",
    "sequence",
    "inline",
    "cpu",
    "5s",
    "blanks",
    "documents",
    "drop",
    "innermost",
    "none",
    "multi_label",
    {"dev": 0.1},
    [{"epochs": 3}],
    "mean",
    "gelu",
    False,
    "tuned",
    {"one": {"labels": ["A"]}},
    "encoder",
    {"rank": 4},
    "focal",
    "average",
    "halving",
    [0.5, 1.0],
    "best",
)
# Keys that decide where, how long or how fast, never what comes out
FREE = {f"{section}.{name}" for section, name in PATHS} | {
    "search.trials",
    "search.timeout",
    "search.patience",
    "search.keep",
    "output",
    "storage",
}
FREE |= {"protocol.final"}  # what becomes of the best setting
FREE -= {"model.base", "model.tokenizer", "model.checkpoint"}  # not their paths but what lies there counts


def all_keys():
    tops = [name for name in StudySpec.model_fields if name not in sections()]
    return tops + [f"{name}.{key}" for name, section in sections().items() for key in section.model_fields]


def changed(spec, key):
    """The study with another valid value at one key."""
    for other in OTHERS:
        tree = spec.model_dump()
        section, _, name = key.rpartition(".")
        holder = tree[section] if section else tree
        if holder[name] in (other, tuple(other) if isinstance(other, list) else other):
            continue
        holder[name] = other
        try:
            return StudySpec.model_validate(tree)
        except ValidationError:
            continue
    raise AssertionError(f"no other value of {key} is known to this test")


@pytest.mark.parametrize("key", [key for key in all_keys() if key != "nertune"])
def test_identity_changes_with_a_key_if_it_decides_a_result(load, key):
    spec = load(SPACE)
    changes = identity_changes(study_identity(spec, data=DATA), study_identity(changed(spec, key), data=DATA))
    is_free = key in FREE or key.partition(".")[0] in NOT_IDENTITY or key == "train.batch_size"  # which is searched
    assert any(change.startswith(key) for change in changes) != is_free
    assert not (is_free and changes)


def test_every_key_was_walked():
    assert len(all_keys()) > 50
    assert {"train.learning_rate", "search.objective", "data.keep", "name"} < set(all_keys())


def test_order_of_keys_and_comments_do_not_count(load):
    one = load(
        "train: {epochs: 2, batch_size: 4}\nsearch: {seed: 1, space: {train.epochs: [1], train.patience: [2]}}\n"
    )
    two = load(
        "# hello\nsearch:\n  space: {train.patience: [2], train.epochs: [1]}  # two\n  seed: 1\n"
        "train: {batch_size: 4, epochs: 2}\n"
    )
    assert study_identity(one, data=DATA) == study_identity(two, data=DATA)
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})


def test_widened_space_is_the_same_study_and_a_new_dimension_is_another(load):
    old = study_identity(load(SPACE), data=DATA)
    wider = load("search: {space: {train.batch_size: [4, 8, 16, 32]}}\n")
    assert study_identity(wider, data=DATA) == old
    more = load("search: {space: {train.batch_size: [8, 16], train.epochs: [1]}}\n")
    assert [change.split()[0] for change in identity_changes(old, study_identity(more, data=DATA))] == [
        "search.space",
        "train.epochs",
    ]


def test_change_is_named_with_both_values_and_data_by_its_split(load):
    old = study_identity(load(), data=DATA)
    new = study_identity(load("train: {schedule: cosine}\n"), data={**DATA, "dev": "3" * 64})
    assert identity_changes(old, new) == ["data.dev", 'train.schedule ("linear" → "cosine")']


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "vocab.txt").write_text("a\nb\n")
    (folder / "model.safetensors").write_bytes(bytes(100))
    (folder / "README.md").write_text("hello")
    return folder


@pytest.mark.parametrize(
    ("name", "content", "counts"),
    [
        ("config.json", "[]", True),
        ("vocab.txt", "a\nc\n", True),
        ("model.safetensors", "x", True),
        ("README.md", "", False),
    ],
)
def test_model_is_named_by_what_it_holds(model, name, content, counts):
    before = fingerprint_model(str(model))
    (model / name).write_text(content)
    assert (fingerprint_model(str(model)) != before) == counts


def test_weights_do_not_name_a_tokenizer_and_a_hub_id_names_itself(model):
    before = fingerprint_model(str(model), weights=False)
    (model / "model.safetensors").write_bytes(b"other")
    assert fingerprint_model(str(model), weights=False) == before
    assert fingerprint_model("owner/name") == "owner/name"


def test_project_that_was_moved_keeps_its_identity_and_the_names_of_its_points(model, tmp_path):
    (tmp_path / "mine.yaml").write_text("task: token\ndata: {dir: data}\nmodel: {base: ./model}\n")
    old = load_study(tmp_path / "mine.yaml")
    shutil.copytree(tmp_path, tmp_path.with_name(tmp_path.name + "-moved"))
    new = load_study(tmp_path.with_name(tmp_path.name + "-moved") / "mine.yaml")
    assert old.model.base != new.model.base
    assert study_identity(old, data=DATA) == study_identity(new, data=DATA)
    assert point_id(old, {"train.epochs": 1}) == point_id(new, {"train.epochs": 1})


def test_other_weights_are_another_point(model, load):
    spec = load(edits=["model.base=./model"])
    before = setting_digest(spec)
    (model / "model.safetensors").write_bytes(b"other")
    assert setting_digest(spec) != before


def test_point_is_named_by_its_values_and_not_by_how_they_are_written(load):
    spec = load()
    assert point_id(spec, {"train.weight_decay": 1}) == point_id(spec, {"train.weight_decay": 1.0})
    assert point_id(spec, {"train.epochs": spec.train.epochs}) == point_id(spec, {})
    assert point_id(spec, {"train.epochs": 9}) != point_id(spec, {})
    assert len(point_id(spec, {})) == 16


def test_a_record_from_before_a_key_existed_had_its_default(load):
    spec = load(SPACE)
    now = study_identity(spec, data=DATA)
    before = {key: value for key, value in now.items() if key not in ("data.split", "data.words", "data.size")}
    assert identity_changes(before, now) == []
    other = spec.model_copy(update={"data": spec.data.model_copy(update={"words": "blanks"})})
    assert identity_changes(before, study_identity(other, data=DATA)) == ['data.words ("punctuation" → "blanks")']
