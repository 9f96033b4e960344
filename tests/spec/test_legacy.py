"""What every importer of other programs' files keeps to."""

import copy
import functools
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, settings
from hypothesis import given as forall
from hypothesis import strategies as st
from legacy_files import EXAMPLES, LEGACY, draft, draft_of, drafts, fates, record, study

from json_values import VALUES
from nertune.errors import Problems, StudyFileError
from nertune.spec.legacy import IMPORTERS, kind_of, pymarlin
from nertune.spec.legacy.completion import Given, complete
from nertune.spec.legacy.ledger import as_text, tree_of
from nertune.spec.legacy.old_file import flat_keys, read_old_file
from nertune.spec.study import StudySpec


def test_every_kind_has_an_example():
    assert EXAMPLES.keys() == IMPORTERS.keys()
    assert set(LEGACY.iterdir()) == {*EXAMPLES.values(), LEGACY / "tag_lists.json"}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_file_is_recognised_as_one_kind(kind):
    values = read_old_file(EXAMPLES[kind]).values
    assert [name for name, importer in IMPORTERS.items() if importer.recognise(values)] == [kind]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_key_of_a_file_is_told_once(kind):
    for ledger in drafts(EXAMPLES[kind], Given(data_dir=LEGACY)):
        assert ledger.problems == []
        values = ledger.old.values[ledger.at[0]] if ledger.at else ledger.old.values
        told = [one.key for one in ledger.records if one.key]
        assert told == [*flat_keys(values)]
        assert fates(ledger, "unknown") == set()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_is_said_to_be_in_the_study_is_there(kind):
    for ledger in drafts(EXAMPLES[kind], Given(data_dir=LEGACY)):
        last = {name: value for one in ledger.records for name, value in one.became.items()}
        assert last.items() <= ledger.study.items()
        spec = StudySpec.model_validate(as_text({**tree_of(ledger.study), "name": "s", "output": "o"}))
        assert spec.search.space == {}


@settings(max_examples=40, deadline=None)
@forall(st.sampled_from([*EXAMPLES]), st.dictionaries(st.text("abcXYZ_", min_size=9, max_size=9), VALUES, max_size=3))
@example("pymarlin", {"abcabcabc": {"lr": None}})
@example("pymarlin", {"abcabcabc": {"lr": []}})
@example("pymarlin", {"abcabcabc": {"lr": {"lr": 0.5, "x": 1}}})
@example("cerebras", {"abcabcabc": {"lr": 0.5}})
def test_no_unknown_key_is_dropped_unseen(kind, more):
    values = read_old_file(EXAMPLES[kind]).values
    more = json.loads(json.dumps(more, default=str).replace("NaN", "null").replace("Infinity", "9"))
    experiment = {**(values["linear_top"] if kind == "gene-tagging" else values), **more}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("x.json")
        path.write_text(json.dumps(experiment), encoding="utf-8")
        (ledger,) = drafts(path, Given(data_dir=Path(folder), model="people/bert"))
    known_in_any_group = {*pymarlin.RULES, *pymarlin.SHARES} if kind == "pymarlin" else set()
    keys = {*flat_keys(more)} - {""}
    faulty = {problem.message.partition(" is ")[0] for problem in ledger.problems}
    assert fates(ledger, "unknown") == {key for key in keys if key.rpartition(".")[2] not in known_in_any_group}
    assert keys <= {one.key for one in ledger.records} | faulty


@settings(max_examples=60, deadline=None)
@forall(st.data())
def test_any_value_at_a_known_key_is_converted_or_told(data):
    kind = data.draw(st.sampled_from([*EXAMPLES]))
    old = read_old_file(EXAMPLES[kind])
    values = copy.deepcopy(old.values)
    path, _ = data.draw(st.sampled_from([*flat_keys(values).values()]))
    holder = functools.reduce(lambda inside, part: inside[part], path[:-1], values)
    holder[path[-1]] = data.draw(VALUES)
    for ledger in IMPORTERS[kind].convert(replace(old, values=values)):
        complete(ledger, Given(LEGACY, "people/bert"))
        assert all(problem.where.path == EXAMPLES[kind] for problem in ledger.close())


@pytest.mark.parametrize("values", [None, [], "text", 3, {}, {"a": 1}, {"MODEL": {}}, {"train_input": {}}, {"tmgr": 3}])
def test_other_files_are_of_no_kind(values):
    assert kind_of(values) is None


@settings(max_examples=60, deadline=None)
@forall(VALUES)
def test_any_json_is_recognised_or_not_without_an_error(values):
    assert kind_of(values) in {None, *IMPORTERS}


def test_a_value_that_cannot_be_converted_is_told_with_file_line_and_key(tmp_path):
    text = '{"x": {"EPOCH_TOP": "few",\n "grad_e2e": false,\n "BATCH_SIZE": 2.5}}'
    ledger = draft_of(tmp_path, "exp.json", text)
    told = "\n".join(map(str, ledger.problems))
    assert "exp.json:1: EPOCH_TOP is 'few'; a number is needed" in told
    assert "exp.json:3: BATCH_SIZE is 2.5; a whole number is needed" in told


def test_a_value_that_no_study_may_have_is_told_with_the_old_key_and_its_line(tmp_path):
    ledger = draft_of(tmp_path, "exp.json", '{"x": {"EPOCH_TOP": 2, "grad_e2e": false,\n "lr": -1}}')
    (problem,) = ledger.problems
    assert str(problem).endswith("exp.json:2: lr becomes train.learning_rate: -1, but it should be greater than 0")


def test_data_and_encoder_that_nothing_names_are_asked_for(tmp_path):
    path = tmp_path / "exp.json"
    path.write_text('{"x": {"EPOCH_TOP": 2, "grad_e2e": false}}')
    fixes = [problem.fix for problem in draft(path).problems]
    assert ["--data-dir" in fixes[0], "--model" in fixes[1]] == [True, True]


def test_given_data_and_encoder_come_before_those_of_the_file(tmp_path):
    ledger = draft(EXAMPLES["pymarlin"], Given(data_dir=tmp_path, model="other/bert"))
    assert study(ledger, "data.dir", "data.train", "model.base") == {
        "model.base": "other/bert",
        "data.dir": str(tmp_path),
    }
    assert record(ledger, "filename").note == "--data-dir says where the data are"
    assert record(ledger, "model.hf_model").note == "--model says which encoder"


def test_a_path_is_looked_for_beside_the_file_above_it_and_here(tmp_path, monkeypatch):
    deep = tmp_path / "configs" / "best"
    for folder in (deep / "a", tmp_path / "b", tmp_path / "work" / "c"):
        folder.mkdir(parents=True)
    (deep / "x.yaml").write_text("tmgr: {}")
    monkeypatch.chdir(tmp_path / "work")
    old = read_old_file(deep / "x.yaml")
    found = [old.find(name) for name in ("a", "b", "c", "d", "/nowhere/e", "~/f")]
    assert found == [deep / "a", tmp_path / "b", tmp_path / "work" / "c", deep / "d", "/nowhere/e", "~/f"]


def test_a_model_is_a_folder_where_there_is_one_and_else_a_hub_id(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "x.yaml").write_text("tmgr: {}")
    old = read_old_file(tmp_path / "x.yaml")
    assert [old.find_model(name) for name in ("saved", "people/bert", "./new")] == [
        tmp_path / "saved",
        "people/bert",
        tmp_path / "new",
    ]


def test_json_with_tabs_is_read_and_json_with_a_fault_is_told_with_its_line(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{\n\t"tmgr": {\n\t\t"epochs": 2}}')
    assert read_old_file(path).values == {"tmgr": {"epochs": 2}}
    path.write_text('{\n "tmgr": {,}}')
    with pytest.raises(StudyFileError, match=r"x\.json:2: is not JSON"):
        read_old_file(path)


@pytest.mark.parametrize("name", ["x.json", "x.yaml"])
def test_a_key_that_stands_twice_is_refused(tmp_path, name):
    (tmp_path / name).write_text('{"tmgr": {"epochs": 2,\n "epochs": 3}}')
    with pytest.raises(Problems, match=r":2: tmgr\.epochs stands here again"):
        read_old_file(tmp_path / name)


def test_truth_and_numbers_are_read_as_yaml_1_1_and_json_write_them(tmp_path):
    text = (
        "tmgr: {epochs: '2', clip_grads: off, max_grad_norm: 3, fp16: yes, train_batch_size: 8.0}\nmodule: {lr: 4e-5}"
    )
    found = study(draft_of(tmp_path, "x.yaml", text))
    wanted = {"train.epochs": 2, "train.max_grad_norm": 0, "train.precision": "auto", "train.batch_size": 8}
    assert (wanted | {"train.learning_rate": 4e-5}).items() <= found.items()
