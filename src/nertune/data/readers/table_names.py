"""Names by which the columns of a table of texts are known: of texts, pairs of texts, labels and ids."""

from __future__ import annotations

import re
from collections.abc import Sequence

# The plain names come first: beside a column `label`, a column `topic` is something else.
LABEL_NAMES = (
    frozenset({"label", "labels"}),
    frozenset(
        {"category", "categories", "class", "classes", "intent", "intents", "sentiment", "sentiments", "emotion"}
        | {"emotions", "target", "targets", "topic", "topics", "tag", "tags", "gold", "gold_label", "stance"}
        | {"label_id", "label_name", "label_text", "class_id", "polarity", "rating", "stars", "is_duplicate"}
        | {"klasse", "kategorie", "thema", "stimmung"}
    ),
)
SEVERAL_NAMES = frozenset(
    {"labels", "categories", "classes", "intents", "sentiments", "emotions", "targets", "topics", "tags"}
)
TEXT_NAMES = frozenset(
    {"text", "texts", "sentence", "sentences", "tweet", "tweets", "verse", "utterance", "query", "content", "review"}
    | {"comment", "comment_text", "review_text", "review_body", "tweet_text", "message", "post", "body", "document"}
    | {"passage", "question", "headline", "abstract", "description", "phrase", "paragraph", "satz", "sms", "email"}
)
PAIRS = (
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "answer"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("context", "response"),
    ("query", "passage"),
    ("query", "document"),
    ("claim", "evidence"),
)
PAIR_NAMES = frozenset(name for pair in PAIRS for name in pair)
ID_NAMES = frozenset({"", "id", "ids", "idx", "index", "guid", "uid", "uuid", "#", "no", "nr", "unnamed:_0"})
KNOWN_NAMES = TEXT_NAMES | PAIR_NAMES | LABEL_NAMES[0] | LABEL_NAMES[1]


def fold(name: str) -> str:
    return re.sub(r"[\s-]", "_", name.strip().casefold())


def count_known_names(cells: Sequence[str]) -> int:
    """2 where both a text and a label are named among the cells, 1 where one of them is, else 0."""
    folded = {fold(cell) for cell in cells}
    return bool(folded & (TEXT_NAMES | PAIR_NAMES)) + any(folded & names for names in LABEL_NAMES)


def texts_by_name(folded: Sequence[str]) -> list[int]:
    """The columns that are named as a text."""
    return [place for place, name in enumerate(folded) if name in TEXT_NAMES | PAIR_NAMES]


def labels_by_name(folded: Sequence[str]) -> list[int]:
    """The columns that are named as a label, by the plainest of the names that are there."""
    found = ([place for place, name in enumerate(folded) if name in names] for names in LABEL_NAMES)
    return next((places for places in found if places), [])


def is_numbered_label(folded: str) -> bool:
    """`label1`, `emotion_2`: one of several labels."""
    stem = folded.rstrip("0123456789")
    return stem != folded and any(stem.rstrip("_") in names for names in LABEL_NAMES)


def pair_by_name(folded: Sequence[str]) -> tuple[int, int] | None:
    """First and second text, where these two are the only texts by name."""
    texts = texts_by_name(folded)
    names = {folded[place]: place for place in texts}
    pairs = (pair for pair in PAIRS if names.keys() == set(pair))
    first, second = next(pairs, ("", ""))
    return (names[first], names[second]) if first and len(texts) == 2 else None
