"""Fits compared with each other, and fits whose dev scores are given."""

from __future__ import annotations

import dataclasses
import hashlib

from nertune.train.predict import score_predictions


def digest(model):
    """One number for all the bits of a model."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        hashed.update(name.encode() + tensor.numpy().tobytes())
    return hashed.hexdigest()


def same(one, other):
    return (
        one.record.dev == other.record.dev and one.losses == other.losses and digest(one.model) == digest(other.model)
    )


def scripted(scores):
    """A stand-in for scoring that gives these f1 values, one an evaluation."""
    given = iter(scores)

    def score(predictions, **options):
        real = score_predictions(predictions, **options)
        return dataclasses.replace(real, overall={**real.overall, "f1": next(given)})

    return score
