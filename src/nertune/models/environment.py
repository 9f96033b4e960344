"""The process's settings for the model hub, made before anything imports transformers."""

from __future__ import annotations

import os

SETTINGS = {
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # else from_pretrained asks a hub service to convert .bin files
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # a worker's standard error is a log file
}


def set_environment() -> None:
    """Make the settings, except where the user said otherwise."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


set_environment()
