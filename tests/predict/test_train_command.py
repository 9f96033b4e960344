"""`nertune train`: one fit of the written values, which leaves a model like a seed run's and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
from types import SimpleNamespace

import pytest

from nertune.errors import StoppedError, StudyConflictError
from nertune.workflows import train

SEED_FILES = {
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("train_results.json", "eval_results.json", "all_results.json", "eval_predictions.jsonl"),
    *("trainer_state.json", "training_args.bin", "spec.yaml", "environment.json"),
}
QUICK = ("execute.kind=inline", "execute.threads=1", "train.epochs=1", "train.batch_size=20")


@pytest.fixture
def study(tagger, tmp_path):
    shutil.copytree(tagger.data, tmp_path / "data")
    return shutil.copy(tagger.study, tmp_path)


def typed(*edits):
    return [word for edit in edits for word in ("--set", edit)]


def test_it_leaves_the_files_of_a_seed_run_and_does_not_open_test(study, tmp_path, nertune):
    (tmp_path / "data" / "test.txt").write_bytes(b"\x00")  # whoever opened it would say so
    code, out, err = nertune("train", study, *typed(*QUICK), "--seed", 7, "--device", "cpu")
    assert code == 0
    (folder,) = (tmp_path / "runs" / "tiny" / "train").iterdir()
    assert {path.name for path in folder.iterdir()} == SEED_FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "runs", "tiny.yaml"]
    assert "search.space is left aside; the values are those written: batch size 20, learning rate 0.003" in err
    assert "epoch 1/1  dev f1 " in err
    for line in (
        "Seed        7, best epoch 1",
        "Test        not opened",
        f"nertune predict runs/tiny/train/{folder.name} FILE",
    ):
        assert line in out
    code, _, err = nertune("train", study, *typed(*QUICK), "--seed", 7)
    assert (code, "the folder is not empty" in err) == (2, True)


def test_a_filled_folder_is_refused_before_anything_is_trained_and_moved_aside_on_request(study, tmp_path):
    output = tmp_path / "model"
    output.mkdir()
    (output / "note.txt").write_text("mine")
    with pytest.raises(StudyConflictError, match=r"(?s)not empty.*--fresh"):
        train(study, output=output, edits=QUICK)
    told = train(study, output=output, edits=QUICK, fresh=True)
    assert (told["folder"], told["seed"], set(told["scores"])) == (str(output), 1, {"dev"})
    assert told["scores"]["dev"]["f1"] == json.loads((output / "eval_results.json").read_text())["eval_f1"]
    assert (tmp_path / "model@1" / "note.txt").read_text() == "mine"


def test_a_fit_without_room_is_refused_before_it_begins(study, tmp_path, monkeypatch):
    said = []
    train(study, output=tmp_path / "model", edits=QUICK, tell=said.append)
    assert any("needs about" in line and line.endswith("free") for line in said)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=2**10))
    with pytest.raises(StoppedError, match="too full"):
        train(study, output=tmp_path / "other", edits=QUICK)
    assert not (tmp_path / "other").exists()


def test_protocol_is_left_aside_and_dev_is_needed(study, tmp_path, nertune):
    (tmp_path / "data" / "dev.txt").unlink()
    code, _, err = nertune("train", study, *typed("protocol={kfold: 2}", *QUICK))
    assert code == 2
    assert "protocol is left aside" in err
    assert "no file for dev" in err


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, StoppedError), (signal.SIGINT, KeyboardInterrupt)])
def test_a_fit_that_is_stopped_leaves_nothing(study, tmp_path, number, raised):
    def stop(message):
        if message.startswith("epoch"):
            os.kill(os.getpid(), number)

    with pytest.raises(raised):
        train(study, output=tmp_path / "out" / "model", edits=QUICK, tell=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_fit_that_does_not_converge_ends_with_3_and_leaves_no_folder(study, tmp_path, nertune):
    code, _, err = nertune("train", study, *typed(*QUICK, "train.learning_rate=1e30", "train.epochs=3"))
    assert (code, "is not finite at step" in err, "Traceback" in err) == (3, True, False)
    assert list((tmp_path / "runs" / "tiny" / "train").glob("*/")) == []
