"""Files between jobs that a disk has lost a part of: a job makes them anew, and gives the same numbers."""

from __future__ import annotations

import pytest

from nertune.trials import splits as trial_splits


@pytest.fixture
def run_afresh(run):
    """A job in a worker that has nothing open yet; its scores."""

    def go(job):
        trial_splits._open.cache_clear()
        return run(job)[0]["scores"]

    return go


def tear(file, *, share):
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("share", [0, 0.98])
@pytest.mark.parametrize("pattern", ["*/windows.arrow", "*/examples.arrow", "*/meta.json", "*.key"])
def test_torn_encoded_data_are_encoded_again(job, run_afresh, tmp_path, pattern, share):
    made = job(epochs=1)
    scores = run_afresh(made)
    torn = list((tmp_path / "encoded").glob(pattern))
    assert len(torn) == 2  # of train and dev
    for file in torn:
        tear(file, share=share)
    assert run_afresh(made) == scores
    assert len(list((tmp_path / "encoded").glob(pattern))) == 2


@pytest.mark.parametrize("share", [0.5])
def test_torn_states_of_frozen_layers_are_computed_again(job, run_afresh, tmp_path, share):
    made = job(epochs=1, freeze="encoder")
    scores = run_afresh(made)
    sizes = {file: file.stat().st_size for file in (tmp_path / "encoded").glob("*/states-*")}
    assert len(sizes) == 2
    for file in sizes:
        tear(file, share=share)
    assert run_afresh(made) == scores
    assert {file: file.stat().st_size for file in sizes} == sizes
