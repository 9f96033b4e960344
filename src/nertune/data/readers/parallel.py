"""Parallel files: words in one, a sentence a line with blanks between them; their tags in another, line for line.

The file of tags lies beside the file of words; their names differ in one part: `train.words` and `train.tags`,
`train.words.txt` and `train.labels.txt`, `train.in` and `train.out`, `seq.in` and `seq.out` (ATIS, SNIPS), `text.txt`
and `tags.txt`, `train.txt` and `train.tags`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from nertune.data.readers.conll_layout import is_tag
from nertune.data.readers.slots import split_words, unequal_numbers
from nertune.data.source import Source, TaggedSentence

TAGS = ("tags", "labels", "tag", "label", "slots", "ner", "bio", "iob")
# a part of the name of the file of words -> what stands there in the name of the file of tags, the likeliest first
COMPANIONS = {
    **dict.fromkeys(("words", "word", "tokens", "token", "text", "texts", "sentences", "sents", "txt"), TAGS),
    "in": ("out",),
    "source": ("target",),
    "src": ("tgt",),
}
BETWEEN_PARTS = re.compile(r"([._-])")


def read_parallel(source: Source) -> Iterator[TaggedSentence]:
    """The sentences of a file of words with the tags of the file beside it.

    Raises   DataError if no file of tags lies beside it
    """
    path = tags_file_of(source.path)
    if path is None:
        fix = "Name both alike, for example: train.words and train.tags"
        raise source.problem("no file of tags lies beside this file of words", fix=fix)
    if source.columns:
        raise source.problem("data.columns is about columns, but parallel files have none", fix="Delete data.columns.")
    lines = zip_longest(source.lines(), source.beside(path).lines())
    n_words, n_tags, n_filled = 0, 0, 0  # lines of each; the last one that is not blank where only one file goes on
    for number, (words, tags) in enumerate(lines, 1):
        if words is not None and tags is not None:
            yield from _sentence(source, number=number, words=split_words(words), tags=split_words(tags))
        elif split_words(words or tags or ""):
            n_filled = number
        n_words += words is not None
        n_tags += tags is not None
    if n_filled:
        message = f"{n_words} lines of words, but {n_tags} lines of tags in {path.name}"
        source.fault(message, line=min(n_words, n_tags), fix="Look for a line that is missing in one of the two files.")


def looks_like_parallel(source: Source) -> bool:
    """Whether a file of tags lies beside the file, and half of the first lines have as many tags as words."""
    path = tags_file_of(source.path)
    if path is None:
        return False
    pairs = [
        (split_words(words), split_words(tags))
        for words, tags in zip(source.head_lines, source.beside(path).head_lines, strict=False)
        if words or tags
    ]
    fitting = [tags for words, tags in pairs if len(words) == len(tags)]
    all_tags = [tag for tags in fitting for tag in tags]
    return len(fitting) * 2 >= len(pairs) and sum(map(is_tag, all_tags)) * 2 > len(all_tags)


def tags_file_of(path: Path) -> Path | None:
    """The file of tags that belongs to a file of words by its name, None if there is none beside it."""
    parts = BETWEEN_PARTS.split(path.name)
    for place, part in enumerate(parts):
        for name in COMPANIONS.get(part.casefold(), ()):
            shown = name.upper() if part.isupper() else name.title() if part.istitle() else name
            companion = path.with_name("".join([*parts[:place], shown, *parts[place + 1 :]]))
            if _is_file(companion):
                return companion
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long for a file
        return False


def _sentence(source: Source, *, number: int, words: list[str], tags: list[str]) -> Iterator[TaggedSentence]:
    if len(words) != len(tags):
        unequal_numbers(source, line=number, words=words, tags=tags)
    elif not words:
        source.notice("empty-sentences", line=number)
    else:
        yield TaggedSentence(tuple(words), tuple(tags), [number] * len(words))
