"""One fp32 fit in a process that did nothing before; tells its losses and the bits of its weights as JSON.

Run by test_same_bits.py with {"base", "train", "dev"} as its argument.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import torch

from nertune.models.build import load_base
from nertune.spec.study import StudySpec
from nertune.tasks.cache import open_encoded
from nertune.train.fit import fit

torch.set_num_threads(1)
asked = json.loads(sys.argv[1])
train, dev = open_encoded(Path(asked["train"])), open_encoded(Path(asked["dev"]))
spec = StudySpec.model_validate(
    {
        "name": "tiny",
        "task": "token",
        "data": {"dir": "."},
        "model": {"base": asked["base"]},
        "train": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "fp32"},
        "output": ".",
    }
)
losses: list[float] = []
with tempfile.TemporaryDirectory() as folder:
    _, model = fit(
        load_base(spec.model, task="token", labels=train.labels),
        train=train,
        dev=dev,
        spec=spec,
        seed=1,
        device="cpu",
        precision="fp32",
        folder=Path(folder),
        tell=lambda step: losses.append(step.values["loss"]),
        ask=lambda step: "continue",
    )
hashed = hashlib.sha256()
for name, tensor in sorted(model.state_dict().items()):
    hashed.update(name.encode() + tensor.numpy().tobytes())

from huggingface_hub import constants  # noqa: E402  # to see what nertune's imports made of it

print(
    json.dumps(
        {
            "losses": losses,
            "digest": hashed.hexdigest(),
            "hub_telemetry_is_off": bool(constants.HF_HUB_DISABLE_TELEMETRY),
        }
    )
)
