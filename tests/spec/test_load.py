import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.errors import Problems, StudyFileError
from nertune.spec.load import dump_study, load_study
from nertune.spec.study import StudySpec

STUDIES = Path(__file__).parents[2] / "studies"
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
# What YAML readers like to take for something else
TRICKY = ("1e-5", "007", "08", "on", "no", "null", "~", "true", "1:30", "2020-01-01", "", " a ", "# b", ".5", "a\x85b")
LABELS = st.sampled_from(TRICKY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PARTS = st.lists(NAMES, min_size=1, max_size=2).map("/".join)
NUMBERS = st.floats(1e-9, 1e9)
CHOICES = st.lists(NUMBERS, min_size=1, max_size=3)


@st.composite
def studies(draw, folder):
    """Valid studies with absolute paths, as `load_study` gives them."""
    path = PARTS.map(lambda part: str(folder / part))
    optional = st.none() | path
    values = {
        "name": draw(NAMES),
        "task": draw(st.sampled_from(["token", "sequence"])),
        "data": {
            "dir": draw(path),
            "test": draw(optional),
            "columns": draw(st.none() | st.dictionaries(LABELS, LABELS | st.integers(), max_size=2)),
            "labels": draw(st.none() | st.lists(LABELS, max_size=3)),
            "rename": draw(st.dictionaries(LABELS, LABELS.filter(str.strip), max_size=2)),
            "positive_label": draw(st.none() | LABELS),
        },
        "model": {
            "base": draw(path | st.just("owner/some-model")),
            "tokenizer": draw(optional),
            "config": draw(st.dictionaries(NAMES, LABELS | st.integers() | NUMBERS | st.booleans(), max_size=2)),
        },
        "train": {
            "learning_rate": draw(NUMBERS),
            "beta1": draw(st.floats(0, 0.999)),
            "patience": draw(st.none() | st.just(3)),
        },
        "search": {"timeout": draw(st.none() | NUMBERS), "space": {"train.learning_rate": draw(CHOICES)}},
        "final": {"seeds": draw(st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True))},
        "output": draw(path),
        "storage": draw(path | st.just("postgresql://host/base")),
        "track": {"aim": draw(optional)},
    }
    return StudySpec.model_validate(values)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_study_written_to_a_file_is_read_back_as_it_was(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "round"
    folder.mkdir(exist_ok=True)
    spec = data.draw(studies(folder))
    (folder / "study.yaml").write_text(dump_study(spec, folder=folder), encoding="utf-8", newline="\n")
    assert load_study(folder / "study.yaml") == spec


def test_text_that_looks_like_something_else_stays_text_in_a_written_study(load, tmp_path):
    spec = load()
    config = {text: [text, 1e-5, True, None] for text in TRICKY if text}
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"config": config})})
    (tmp_path / "mine.yaml").write_text(dump_study(spec, folder=tmp_path), encoding="utf-8")
    assert load_study(tmp_path / "mine.yaml").model.config == config


def test_written_study_moves_with_its_folder(load, tmp_path):
    spec = load("output: runs/a\n")
    text = dump_study(spec, folder=tmp_path)
    assert str(tmp_path) not in text
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "mine.yaml").write_text(text)
    assert load_study(tmp_path / "else" / "mine.yaml").output == tmp_path / "else" / "runs" / "a"


def test_name_and_output_come_from_the_file_when_it_is_silent(load, tmp_path):
    spec = load()
    assert (spec.name, spec.output) == ("mine", tmp_path / "runs" / "mine")


def test_paths_are_relative_to_the_study_file_from_wherever_it_is_read(load, tmp_path, monkeypatch):
    load()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    spec = load_study(Path("../mine.yaml"))
    assert (spec.data.dir, spec.storage) == (tmp_path / "data", str(tmp_path / "nertune.db"))


def test_model_that_is_no_folder_is_a_hub_id_and_a_folder_is_a_path(load, tmp_path):
    assert load().model.base == "some/model"
    (tmp_path / "some" / "model").mkdir(parents=True)
    assert load().model.base == str(tmp_path / "some" / "model")


def test_searched_models_are_found_beside_the_study_file_too(load, tmp_path):
    spec = load("search: {space: {model.base: [./a, owner/b]}}\n")
    assert spec.search.space == {"model.base": [str(tmp_path / "a"), "owner/b"]}


def test_model_with_a_name_longer_than_a_path_may_be_is_no_folder(load):
    assert load(head=f"task: token\ndata: {{dir: x}}\nmodel: {{base: {'m' * 5000}}}\n").model.base == "m" * 5000


def test_path_of_an_unknown_user_is_a_folder_that_is_not_there(load, tmp_path):
    assert (
        load(head="task: token\ndata: {dir: ~nobody-here/x}\nmodel: {base: m}\n").data.dir
        == tmp_path / "~nobody-here/x"
    )


def test_default_space_is_berts_recipe(load):
    assert load().search.space == {"train.batch_size": [16, 32], "train.learning_rate": [1e-5, 2e-5, 3e-5, 5e-5]}


def test_heading_without_anything_below_it_means_the_defaults(load):
    assert load("train:\nsearch:\n").train.epochs == 4


def test_set_edits_the_study_before_it_is_checked(load):
    spec = load(
        "train: {epochs: 0}\n", edits=["train.epochs=2", "model.config.dropout=0.2", "train.learning_rate=1e-4"]
    )
    assert (spec.train.epochs, spec.model.config, spec.train.learning_rate) == (2, {"dropout": 0.2}, 1e-4)


def test_set_reads_names_as_they_are_written_as_a_file_would(load):
    spec = load(edits=["data.labels=[007, on, 1e-5]", "data.positive_label=1", "name=2"])
    assert (spec.data.labels, spec.data.positive_label, spec.name) == (("007", "on", "1e-5"), "1", "2")


@pytest.mark.parametrize("before", ["", "search:\n", "search: {space: {train.epochs: [1]}}\n"])
def test_set_edits_one_dimension_of_the_space(load, before):
    spec = load(before, edits=["search.space.train.epochs=[2, 3]"])
    assert spec.search.space == {"train.epochs": [2, 3]}


def test_set_without_a_value_says_how_to_write_it(load):
    with pytest.raises(StudyFileError, match=r"--set train.epochs has no value") as caught:
        load(edits=["train.epochs"])
    assert caught.value.fix == "Write for example: --set train.epochs=2"


def test_problem_that_set_made_is_placed_at_set_and_not_in_the_file(load):
    with pytest.raises(Problems) as caught:
        load("train: {epochs: 1}\nfinal: {candidates: 0}\n", edits=["train.epochs=0", "trian.x=1"])
    assert [str(problem.where) for problem in caught.value.problems] == ["--set", "--set", "mine.yaml:6"]


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("2m", 120), ("1h30m", 5400), ("1d", 86400)])
def test_durations_are_read_as_seconds(load, text, seconds):
    assert load(f"execute: {{trial_timeout: {text}}}\n").execute.trial_timeout == seconds


def test_every_study_loads():
    found = sorted(path for folder, _, names in os.walk(STUDIES) for path in (Path(folder, name) for name in names))
    assert len(found) >= 5
    for path in found:
        assert load_study(path).name == path.stem
