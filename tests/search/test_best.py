import shutil

import pytest

from cell_rows import make_cell
from nertune.errors import StudyConflictError
from nertune.search.best import read_best, write_best
from nertune.spec.load import load_study, read_study
from nertune.spec.yaml_lines import YamlTree

SPACE = {"train.batch_size": [8, 16], "model.config.dropout": [0.1, 0.2]}
POINT = {"train.batch_size": 8, "model.config.dropout": 0.2}


@pytest.fixture
def written(make_study):
    """A study, its best.yaml, and what the record says of it."""
    study = make_study(space=SPACE)
    path = study.output / "best.yaml"
    digest = write_best(study, make_cell(3, POINT, f1=0.8), path=path)
    return study, path, {"digest": digest, "cell": 3}


def test_best_file_is_a_study_file_with_the_chosen_values(written):
    study, path, record = written
    spec = load_study(path)
    assert (spec.name, spec.train.batch_size, spec.search.space) == ("tiny", 8, {})
    assert path.read_text().startswith("# Best setting of the search tiny: f1 0.8000 on dev, cell 3.\n")
    best = read_best(path, study=study, written=record)
    assert (best.point, best.cell, best.edited_by_hand) == (POINT, 3, False)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("batch_size: 8", "batch_size: 4", "train.batch_size"),
        ("epochs: 4", "epochs: 9", "train.epochs"),
        ("dropout: 0.2", "dropout: 0.3", "model.config.dropout"),
        ("owner/model", "owner/other", "model.base"),
    ],
)
def test_setting_that_was_edited_by_hand_is_used_and_marked(written, old, new, key):
    study, path, record = written
    before = read_best(path, study=study, written=record)
    path.write_text(path.read_text().replace(old, new))
    best = read_best(path, study=study, written=record)
    assert (best.cell, best.edited_by_hand) == (None, True)
    assert best.point != before.point
    assert key in best.point
    assert best.point_id != before.point_id


def test_comments_and_results_settings_are_no_edit_of_the_setting(written):
    study, path, record = written
    path.write_text("# mine\n" + path.read_text().replace("candidates: 1", "candidates: 2"))
    assert not read_best(path, study=study, written=record).edited_by_hand


def test_project_that_was_moved_is_not_edited(make_study, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    values = {"task": "token", "data": {"dir": "d"}, "model": {"base": "./model"}, "search": {"space": SPACE}}
    study = read_study(YamlTree(tmp_path / "tiny.yaml", {**values, "output": "output"}))
    digest = write_best(study, make_cell(3, POINT, f1=0.8), path=tmp_path / "output" / "best.yaml")
    moved = shutil.copytree(tmp_path, tmp_path.with_name(tmp_path.name + "-moved"))
    shutil.rmtree(tmp_path / "model")
    study = read_study(YamlTree(moved / "tiny.yaml", {**values, "output": "output"}))
    best = read_best(moved / "output" / "best.yaml", study=study, written={"digest": digest, "cell": 3})
    assert (best.cell, best.edited_by_hand, best.point) == (3, False, POINT)


def test_missing_best_file_says_how_to_make_one(make_study, tmp_path):
    with pytest.raises(StudyConflictError, match="there is no best setting yet\n    nertune search"):
        read_best(tmp_path / "best.yaml", study=make_study(), written={})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: tiny", "name: other", "holds the setting of other, not of tiny"),
        ("space: {}", "space: {train.epochs: [1]}", "holds ranges"),
    ],
)
def test_best_file_of_another_study_or_with_ranges_is_refused(written, old, new, message):
    study, path, record = written
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(StudyConflictError, match=message):
        read_best(path, study=study, written=record)
