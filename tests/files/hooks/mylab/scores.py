def all_right(gold, predicted):
    """The share of sentences whose entities are all found, and none besides."""
    right = sum(true == found for true, found in zip(gold, predicted, strict=True))
    return right / len(gold) if gold else 0.0
