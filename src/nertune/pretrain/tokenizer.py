"""A WordPiece tokenizer from plain text, as BERT's: trained here, loaded by any transformers program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertTokenizer

SPECIAL_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_tokenizer(lines: Sequence[str], *, vocabulary_size: int, lower_case: bool, max_pieces: int) -> Any:
    """A fast BERT tokenizer whose pieces are learned from the lines.

    Returns  transformers.BertTokenizer with at most `vocabulary_size` pieces, `model_max_length` = `max_pieces`
    The same lines and options give the same pieces with the same ids.
    """
    blank = _blank_tokenizer(lower_case)
    letters = choose_letters(_count_words(lines, tokenizer=blank), vocabulary_size=vocabulary_size)
    blank.train_from_iterator(lines, _trainer(letters, vocabulary_size=vocabulary_size))
    return BertTokenizer(vocab=blank.get_vocab(), do_lower_case=lower_case, model_max_length=max_pieces)


def save_tokenizer(tokenizer: Any, *, folder: Path) -> None:
    """Write the tokenizer's files, and `vocab.txt` (a piece a line, in the order of ids) for programs that want it."""
    tokenizer.save_pretrained(str(folder))
    vocabulary = tokenizer.get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")


def choose_letters(words: Counter[str], *, vocabulary_size: int) -> list[str]:
    """The letters that get a piece: the most frequent ones, in at most half of the vocabulary.

    Each letter takes two places (`x` and `##x`). Words with another letter become [UNK].
    """
    counts: Counter[str] = Counter()
    for word, n in words.items():
        for letter in word:
            counts[letter] += n
    room = (vocabulary_size - len(SPECIAL_PIECES)) // 4
    return sorted(counts, key=lambda letter: (-counts[letter], letter))[:room]


def _blank_tokenizer(lower_case: bool) -> Any:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _count_words(lines: Sequence[str], *, tokenizer: Any) -> Counter[str]:
    words: Counter[str] = Counter()
    for line in lines:
        normal = tokenizer.normalizer.normalize_str(line)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    return words


def _trainer(letters: Sequence[str], *, vocabulary_size: int) -> Any:
    # The trainer numbers `##x` in the order of a hash map, so equal corpora gave different pieces (seen with tokenizers
    # 0.22). What is called special is numbered first, in the order given. `special` ends with this trainer: the
    # tokenizer that is returned is made anew from the vocabulary.
    return trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[*SPECIAL_PIECES, *letters, *(f"##{letter}" for letter in letters)],
        initial_alphabet=list(letters),
        limit_alphabet=len(letters),
        show_progress=False,
    )
