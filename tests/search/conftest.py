import pytest

from nertune.spec.load import read_study
from nertune.spec.yaml_lines import YamlTree


@pytest.fixture
def make_study(tmp_path):
    """A study in a folder of its own, with keys of `search` given."""

    def make(*, train=None, **search):
        values = {
            "task": "token",
            "data": {"dir": "data"},
            "model": {"base": "owner/model"},
            "train": train or {},
            "search": search,
            "output": "output",
        }
        return read_study(YamlTree(tmp_path / "tiny.yaml", values))

    return make
