"""Useful work: what fits compute by what the cores can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from searched import TWO_SLOTS, WORK, run_of
from transformers import AutoModel

import useful
from sets import Encoder
from useful import MatrixRun, count_parameters, make_row, rates_at_once, run_matrices, useful_rate


def test_parameters_are_those_of_the_layers(bert_folder: Path) -> None:
    model = AutoModel.from_pretrained(bert_folder)
    assert count_parameters(Encoder(str(bert_folder))) == sum(one.numel() for one in model.encoder.parameters())


def test_useful_rate_counts_pieces_of_all_epochs_by_the_time_that_fits_shared() -> None:
    run = run_of(0.5, 0.4, seconds=(3.0, 5.0), record=TWO_SLOTS)
    # 2 fits x 3 epochs x 1000 pieces x 6 operations x 10 parameters in (3 + 5) / 2 seconds
    assert useful_rate(run, work=replace(WORK, epochs=3), parameters=10) == 90_000


def test_share_is_of_the_faster_type_of_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(useful, "count_parameters", lambda encoder: 10)
    search = run_of(0.5, 0.4, seconds=(3.0, 5.0), record=TWO_SLOTS)
    row = make_row(WORK, {"matrices": [MatrixRun(1.0, {"bf16": 60_000.0, "fp32": 20_000.0})], "nertune": [search]})
    assert (row.figure, row.figure_unit, row.is_met) == (50.0, "%", True)


def test_processes_that_multiply_at_once_each_tell_their_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(useful, "SECONDS", 0.05)
    assert [rate > 1e6 for rate in rates_at_once("fp32", n=2, folder=tmp_path)] == [True, True]


def test_cores_are_measured_in_both_types_of_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {"bf16": [1.0, 2.0], "fp32": [3.0, 5.0]}
    monkeypatch.setattr(useful, "rates_at_once", lambda dtype, *, n, folder: rates[dtype])
    assert run_matrices(folder=tmp_path).rates == {"bf16": 3.0, "fp32": 8.0}
