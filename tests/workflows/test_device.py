"""`--device`: what is there is taken, what is not there is told with what to type."""

from __future__ import annotations

import pytest

from nertune.errors import UserError
from nertune.workflows import device
from nertune.workflows.run_train import _edits_of


@pytest.mark.parametrize(
    ("gpus", "wanted", "found"),
    [
        ((), "auto", "cpu"),
        (("cuda:0", "cuda:1"), "auto", "cuda:0"),
        (("cuda:0", "cuda:1"), "cuda", "cuda:0"),
        (("cuda:0", "cuda:1"), "cuda:1", "cuda:1"),
        (("cuda:0",), "cpu", "cpu"),
    ],
)
def test_what_is_asked_for_is_taken_when_it_is_there(monkeypatch, gpus, wanted, found):
    monkeypatch.setattr(device, "find_gpus", lambda: list(gpus))
    assert device.find_device(wanted) == found


@pytest.mark.parametrize(
    ("gpus", "wanted", "told"),
    [
        ((), "cuda", r"(?s)no CUDA device.*--device auto"),
        (("cuda:0",), "cuda:1", r"(?s)there is cuda:0 here.*--device auto"),
        ((), "cudda", r"(?s)none of cpu, cuda, cuda:1 and auto.*--device cuda"),
    ],
)
def test_what_is_not_there_is_told(monkeypatch, gpus, wanted, told):
    monkeypatch.setattr(device, "find_gpus", lambda: list(gpus))
    with pytest.raises(UserError, match=told):
        device.find_device(wanted)


def test_a_fit_takes_the_device_as_its_study_would_say_it(monkeypatch):
    monkeypatch.setattr(device, "find_gpus", lambda: ["cuda:0", "cuda:1"])
    assert [_edits_of(wanted) for wanted in ("auto", "cpu", "cuda:1")] == [
        [],
        ["execute.devices=cpu"],
        ["execute.devices=[cuda:1]"],
    ]
