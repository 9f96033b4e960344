from torch import nn


def gated(n_features, n_labels, *, dropout, options):
    """A gated layer (Dauphin et al. 2017, arXiv:1612.08083), as wide as `model.hidden` says first, then the labels."""
    width = options.hidden[0]
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(n_features, 2 * width),
        nn.GLU(),
        nn.Dropout(dropout),
        nn.Linear(width, n_labels),
    )
