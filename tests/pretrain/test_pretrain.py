"""The workflow: what it leaves, what it refuses, and how it comes through a kill."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoModelForMaskedLM, AutoTokenizer

from nertune.errors import DataError, Problems, StudyConflictError, UserError
from nertune.pretrain import output
from nertune.pretrain.options import PretrainOptions
from nertune.workflows.run_pretrain import PretrainRecord, pretrain


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(scope="module")
def kept(lines: list[str], tiny: PretrainOptions, tmp_path_factory: pytest.TempPathFactory) -> PretrainRecord:
    corpus = tmp_path_factory.mktemp("text") / "corpus.txt"
    corpus.write_text("\n".join(lines), encoding="utf-8")
    return pretrain(corpus, output_dir=tmp_path_factory.mktemp("kept"), options=tiny)


@pytest.fixture
def made(kept: PretrainRecord, out: Path) -> PretrainRecord:
    shutil.copytree(kept.model.parent, out)
    return replace(kept, tokenizer=out / "tokenizer", model=out / "mlm")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_leaves_a_tokenizer_and_a_model_that_load(made: PretrainRecord) -> None:
    tokenizer = AutoTokenizer.from_pretrained(made.tokenizer)
    model = AutoModelForMaskedLM.from_pretrained(made.model)
    assert len(tokenizer) == made.vocabulary_size == model.config.vocab_size
    assert (made.n_lines, made.n_parameters) == (60, model.num_parameters())
    assert AutoTokenizer.from_pretrained(made.model).get_vocab() == tokenizer.get_vocab()


def test_leaves_nothing_else(made: PretrainRecord, out: Path) -> None:
    assert {path.name for path in out.iterdir()} == {"tokenizer", "mlm", "pretrain.json", ".pretrain.lock"}
    assert not list(made.model.glob("*.bin"))


def test_the_same_command_again_does_nothing(made: PretrainRecord, corpus: Path, out: Path, tiny: PretrainOptions):
    before, told = everything(out), []
    again = pretrain(corpus, output_dir=out, options=replace(tiny, threads=2), tell=told.append)
    assert again == replace(made, made=False)
    assert everything(out) == before
    assert "already; nothing to do" in told[0]


def test_other_options_are_refused_by_name(
    made: PretrainRecord, corpus: Path, out: Path, tiny: PretrainOptions
) -> None:
    with pytest.raises(StudyConflictError, match=r"\(steps: 5 there, 6 now\)[\s\S]*--fresh"):
        pretrain(corpus, output_dir=out, options=replace(tiny, steps=6))


def test_another_corpus_is_refused(made: PretrainRecord, corpus: Path, out: Path, tiny: PretrainOptions) -> None:
    corpus.write_text("Quite another text.\n")
    with pytest.raises(StudyConflictError, match="another corpus"):
        pretrain(corpus, output_dir=out, options=tiny)


def test_fresh_keeps_the_old_model_aside(made: PretrainRecord, corpus: Path, out: Path, tiny: PretrainOptions) -> None:
    old = (made.model / "model.safetensors").read_bytes()
    pretrain(corpus, output_dir=out, options=replace(tiny, seed=9), fresh=True)
    assert (out / "mlm@1" / "model.safetensors").read_bytes() == old
    assert (out / "mlm" / "model.safetensors").read_bytes() != old


def test_a_folder_of_someone_else_is_not_touched(corpus: Path, out: Path, tiny: PretrainOptions) -> None:
    (out / "mlm").mkdir(parents=True)
    with pytest.raises(StudyConflictError, match="mlm lies there already and was not made by nertune pretrain"):
        pretrain(corpus, output_dir=out, options=tiny)


def test_a_missing_part_is_made_again(made: PretrainRecord, corpus: Path, out: Path, tiny: PretrainOptions) -> None:
    weights = (made.model / "model.safetensors").read_bytes()
    (made.model).rename(out / "moved")
    assert pretrain(corpus, output_dir=out, options=tiny).made
    assert (made.model / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("n_renames", range(4))
def test_killed_between_any_two_renames_the_same_command_completes(
    n_renames: int, corpus: Path, out: Path, tiny: PretrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, left = Path.rename, iter(range(n_renames))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda path, to: rename(path, to) if next(left, None) is not None else 1 / 0)
        if n_renames < 3:
            with pytest.raises(ZeroDivisionError):
                pretrain(corpus, output_dir=out, options=tiny)
        else:
            pretrain(corpus, output_dir=out, options=tiny)
    assert not pretrain(corpus, output_dir=out, options=tiny).made
    assert {path.name for path in out.iterdir()} == {"tokenizer", "mlm", "pretrain.json", ".pretrain.lock"}


def test_a_failing_training_leaves_the_old_model(
    made: PretrainRecord, corpus: Path, out: Path, tiny: PretrainOptions
) -> None:
    def fail_at_progress(told: object) -> None:
        if isinstance(told, dict):
            assert told["time"].endswith(" left")
            raise UserError("enough")

    before = everything(out)
    with pytest.raises(UserError, match="enough"):
        pretrain(corpus, output_dir=out, options=replace(tiny, seed=9), fresh=True, tell=fail_at_progress)
    assert everything(out) == before


def test_two_at_once_are_refused(corpus: Path, out: Path, tiny: PretrainOptions) -> None:
    with output.own(out), pytest.raises(StudyConflictError, match="another nertune pretrain is writing here"):
        pretrain(corpus, output_dir=out, options=tiny)


def test_wrong_options_and_missing_text_make_no_folder(corpus: Path, out: Path, tiny: PretrainOptions) -> None:
    with pytest.raises(Problems, match="2 heads do not divide"):
        pretrain(corpus, output_dir=out, options=replace(tiny, width=17))
    with pytest.raises(DataError, match="no such file"):
        pretrain(corpus.with_name("gone.txt"), output_dir=out, options=tiny)
    assert not out.exists()


def test_the_record_reads_well_and_becomes_json(made: PretrainRecord) -> None:
    assert f"{made.n_parameters:,} parameters" in str(made)
    assert made.to_json()["model"] == str(made.model)
