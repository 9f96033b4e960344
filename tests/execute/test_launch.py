import os

import pytest

from nertune.execute.launch import template_environment


@pytest.fixture
def machine(monkeypatch):
    """Sets how many cores there are and how many of them others want."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)

    def set_up(*, cores, load):
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))

    return set_up


@pytest.mark.parametrize(
    ("threads", "cores", "load", "is_short"),
    [(2, 2, 0.3, False), (2, 2, 1.0, True), (2, 8, 5.0, False), (2, 8, 7.0, True), (1, 2, 9.0, False)],
)
def test_threads_sleep_soon_where_cores_are_short(machine, threads, cores, load, is_short):
    machine(cores=cores, load=load)
    assert ("GOMP_SPINCOUNT" in template_environment(threads)) is is_short


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "7")])
def test_how_threads_wait_is_left_to_who_says_it(machine, monkeypatch, name, value):
    machine(cores=2, load=9.0)
    monkeypatch.setenv(name, value)
    said = {
        name: value for name, value in template_environment(2).items() if name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    assert said == {name: value}


def test_a_system_that_tells_no_load_is_idle(machine, monkeypatch):
    def refuse():
        raise OSError

    machine(cores=2, load=9.0)
    monkeypatch.setattr(os, "getloadavg", refuse)
    assert "GOMP_SPINCOUNT" not in template_environment(2)
