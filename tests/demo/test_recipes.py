"""Every recipe in studies/ and on the pages that names the demo's data learns something with the demo's model."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nertune.spec.load import load_study

ROOT = Path(__file__).parents[2]
LEAST_F1 = {"token": 0.3, "sequence": 0.4}  # a setting that learns nothing has 0, and 0.2
YAML = re.compile(r"^```yaml\n(# study\n.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes():
    """Each study file of the demo's data, and each block of a page that is one."""
    files = [path for path in sorted((ROOT / "studies").rglob("*.yaml")) if "demo/data" in path.read_text("utf-8")]
    found = [pytest.param(path.read_text("utf-8"), id=path.stem) for path in files]
    for page in sorted((ROOT / "docs").glob("*.md")):
        for number, code in enumerate(YAML.findall(page.read_text("utf-8"))):
            if "demo/data" in code:
                found.append(pytest.param(code, id=f"{page.stem}-{number}"))
    return found


def nertune(*words, folder):
    told = subprocess.run(
        [sys.executable, "-m", "nertune.cli", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "model"
    nertune("pretrain", "--corpus", ROOT / "demo/data/lm", "--output-dir", folder, folder=ROOT)
    return folder


def test_there_are_recipes():
    assert len(recipes()) > 15


@pytest.mark.slow
@pytest.mark.parametrize("code", recipes())
def test_a_recipe_learns(code, demo_model, tmp_path):
    code = code.replace("../demo/model", str(demo_model)).replace("../demo/data", str(ROOT / "demo/data"))
    study = tmp_path / "studies" / "recipe.yaml"
    study.parent.mkdir()
    study.write_text(re.sub(r"^(output|storage|track):.*\n", "", code, flags=re.MULTILINE), encoding="utf-8")
    spec = load_study(study)
    nertune(
        "search",
        study,
        "--quiet",
        "--trials",
        2 if spec.search.sampler == "grid" else 5,
        "--set",
        "track.aim=null",
        folder=tmp_path,
    )
    with (spec.output / "trials.csv").open(encoding="utf-8") as file:
        scores = [float(row["dev_f1"]) for row in csv.DictReader(file)]
    assert max(scores) > LEAST_F1[spec.task]
