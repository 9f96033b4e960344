"""`nertune import-config`: files of other programs become study files that `nertune check` accepts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from real_study import write_token_files

from nertune.data.examples import Split
from nertune.errors import Problems, StudyFileError, UserError
from nertune.spec.load import load_study
from nertune.spec.yaml_lines import read_yaml
from nertune.workflows.run_check import check
from nertune.workflows.run_import import import_config

LEGACY = Path(__file__).parents[1] / "files" / "legacy"
KINDS = {
    "exp_config.json": ["crf-on-top", "linear_top"],
    "cerebras.yaml": ["cerebras"],
    "pymarlin.yaml": ["pymarlin"],
    "functional_genomics.json": ["functional_genomics"],
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nertune(nertune: Run) -> Run:
    """`nertune import-config WORDS`."""
    return partial(nertune, "import-config")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, token_train: Split, token_dev: Split) -> Path:
    """A folder with train, dev and test."""
    folder = tmp_path_factory.mktemp("corpus")
    splits = {"train": token_train, "dev": token_dev, "test": token_dev}
    write_token_files(folder, {name: split.examples for name, split in splits.items()})
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_check_accepts_what_was_imported(name: str, tmp_path: Path, corpus: Path, bert_folder: Path) -> None:
    record = import_config(LEGACY / name, output=tmp_path, data_dir=corpus, model=str(bert_folder))
    assert sorted(study.name for study in record.studies) == KINDS[name]
    for study in record.studies:
        edits = ("execute.kind=inline", "execute.threads=1", "train.precision=fp32")
        told = check(study.path, tell=print, edits=edits).to_json()
        assert (told["study"], told["cells"]) == (study.name, 1)


def test_study_files_say_how_they_are_run_and_what_became_of_each_key(nertune: Run, tmp_path: Path) -> None:
    code, out, _ = nertune(LEGACY / "exp_config.json", "--data-dir", tmp_path)
    lines = (tmp_path / "studies" / "linear_top.yaml").read_text().splitlines()
    assert code == 0
    assert lines[0] == "# nertune search studies/linear_top.yaml"
    assert lines[1].startswith("# Made of exp_config.json, experiment linear_top (gene-tagging).")
    assert "# MAX_LEN               renamed          train.max_pieces (longer sentences are read in" in "\n".join(lines)
    assert "# LOAD_BEST_MODEL       no meaning here  the best epoch on dev is always kept" in lines
    assert not any(str(tmp_path) in line for line in lines)
    assert ["stages.1.top_layers: 1" in out, "Next          nertune check studies" in out] == [True, True]


def test_paths_are_relative_to_the_new_study_file(tmp_path: Path) -> None:
    shutil.copy(LEGACY / "pymarlin.yaml", tmp_path / "old.yaml")
    import_config(tmp_path / "old.yaml", output=tmp_path / "deep" / "studies")
    written = tmp_path / "deep" / "studies" / "old.yaml"
    assert read_yaml(written).values["data"]["train"] == "../../corpora/news.tsv"
    assert load_study(written).data.train == tmp_path / "corpora" / "news.tsv"


def test_importing_again_changes_nothing_and_another_study_is_kept(nertune: Run, tmp_path: Path) -> None:
    words = (LEGACY / "exp_config.json", "--data-dir", tmp_path)
    nertune(*words)
    path = tmp_path / "studies" / "crf-on-top.yaml"
    path.write_text("# mine\n" + path.read_text())
    code, out, _ = nertune(*words)
    assert (code, path.read_text()[:6], "was there already, and is the same" in out) == (0, "# mine", True)
    path.write_text(path.read_text().replace("epochs: 5", "epochs: 6"))
    (tmp_path / "studies" / "linear_top.yaml").unlink()
    code, out, err = nertune(*words)
    assert (code, out) == (2, "")
    assert "says something else than exp_config.json does" in err
    assert not (tmp_path / "studies" / "linear_top.yaml").exists()


def test_a_folder_becomes_a_folder_and_the_rest_is_named(nertune: Run, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(LEGACY, old / "deep")
    (old / "broken.yaml").write_text("a: [\n")
    (old / "no.json").write_text('{"x": {"EPOCH_TOP": "many", "grad_e2e": true}}')
    code, out, err = nertune(old, "--output", "new", "--data-dir", old, "--model", "people/bert")
    written = sorted(path.relative_to("new").as_posix() for path in Path("new").rglob("*.yaml"))
    assert written == sorted(f"deep/{name}.yaml" for names in KINDS.values() for name in names)
    assert "Passed over   old/deep/tag_lists.json: is of no known kind" in out
    assert "Passed over   old/broken.yaml: is not YAML" in out
    assert (code, "old/no.json:1: EPOCH_TOP is 'many'" in err, "The other files became studies" in err) == (
        2,
        True,
        True,
    )


def test_studies_of_one_name_are_numbered(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text('{"same": {"EPOCH_TOP": 1, "grad_e2e": true}}')
    for _ in range(2):
        record = import_config(tmp_path, output=tmp_path / "new", data_dir=tmp_path, model="m")
        assert [study.name for study in record.studies] == ["same", "same-2"]


def test_json_has_every_key_once(nertune: Run, tmp_path: Path) -> None:
    code, out, _ = nertune(LEGACY / "pymarlin.yaml", "--json")
    told = json.loads(out)
    (study,) = told["studies"]
    assert (code, study["path"], told["refused"], told["passed_over"]) == (0, "studies/pymarlin.yaml", [], [])
    fates = {one["key"]: (one["fate"], one["became"]) for one in study["keys"]}
    assert fates["tmgr.epochs"] == ("kept", {"train.epochs": 2})
    assert fates["max_seq_length"] == ("renamed", {"train.max_pieces": 64})
    assert fates["ckpt.period"] == ("meaningless", {})


def test_what_data_in_a_folder_lack_is_taken_out_of_train(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for split in ("train", "dev"):
        (tmp_path / "data" / f"{split}.txt").write_text("Ada\tB-PER\n")
    record = import_config(LEGACY / "cerebras.yaml", output=tmp_path, data_dir=tmp_path / "data", model="m")
    split = load_study(record.studies[0].path).data.split
    assert split is not None
    assert (split.dev, split.test) == (0.0, 0.1)


def test_keys_cannot_leave_the_comment(tmp_path: Path) -> None:
    experiment = {"EPOCH_TOP": 1, "grad_e2e": True, "odd\nname: evil\u2028x": 1}
    (tmp_path / "exp.json").write_text(json.dumps({"x\ny: z": experiment}))
    (study,) = import_config(tmp_path / "exp.json", output=tmp_path, data_dir=tmp_path, model="m").studies
    assert load_study(study.path).name == "x-y-z"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.yaml", "task: token\n", "is of no known kind"),
        ("x.json", "{", "is not JSON"),
        ("x.yaml", "tmgr: {epochs: 1}\n", "x names no encoder"),
        ("x.yaml", "tmgr: {epochs: 1}\nmodel: m\n", "x does not say where its data are"),
    ],
)
def test_a_file_that_gives_no_study_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises((StudyFileError, Problems)) as caught:
        import_config(tmp_path / name, output=tmp_path / "new")
    assert told in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_without_such_files_and_data_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="holds no experiment file of a known kind"):
        import_config(tmp_path, output=tmp_path / "new")
    with pytest.raises(UserError, match="is no folder"):
        import_config(LEGACY / "pymarlin.yaml", output=tmp_path, data_dir=tmp_path / "none")
