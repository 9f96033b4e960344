"""Words and pieces: what the tokenizer makes of each word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from nertune.data.examples import Example, SequenceExample, TokenExample
from nertune.tasks.encoded import Ints

AT_ONCE = 2000  # sentences to a call: enough for all threads of `tokenizers`, little memory


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of one sentence, special ones left out.

    Shapes  P pieces, n words
        ids    [P] ids of the pieces, word after word
        sizes  [n] int64   pieces of each word; 0 for a word that the tokenizer turns into nothing
    """

    ids: Sequence[int]
    sizes: Ints


def split_words(sentences: Sequence[Sequence[str]], *, tokenizer: PreTrainedTokenizerBase) -> Iterator[Pieces]:
    """The pieces of each sentence, in order.

    A word that looks like a special piece ("[SEP]") is taken apart like any other.
    BERT's normaliser drops words such as U+200B: they have no piece, and are predicted as O.
    """
    for begin in range(0, len(sentences), AT_ONCE):
        batch = [list(words) for words in sentences[begin : begin + AT_ONCE]]
        encoded = tokenizer(
            batch,
            is_split_into_words=True,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # it warns of lengths, which windows take care of
        )
        for words, encoding in zip(batch, encoded.encodings, strict=True):
            yield Pieces(encoding.ids, np.bincount(np.array(encoding.word_ids, dtype=np.int64), minlength=len(words)))


def split_sentences(
    examples: Sequence[Example], *, tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[TokenExample, Pieces]]:
    """Each sentence with its pieces, in order; few of them are objects at a time."""
    for begin in range(0, len(examples), AT_ONCE):
        batch = [example for example in examples[begin : begin + AT_ONCE] if isinstance(example, TokenExample)]
        yield from zip(batch, split_words([each.words for each in batch], tokenizer=tokenizer), strict=True)


def split_texts(texts: Sequence[str], *, tokenizer: PreTrainedTokenizerBase) -> Iterator[list[int]]:
    """The ids of each text, special pieces left out, in order; as plain transformers would encode it."""
    for begin in range(0, len(texts), AT_ONCE):
        encoded = tokenizer(
            list(texts[begin : begin + AT_ONCE]),
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        yield from encoded["input_ids"]


def count_pieces(examples: Sequence[Example], *, tokenizer: PreTrainedTokenizerBase) -> Iterator[int]:
    """How many pieces each example has, special ones left out; of a pair, those of both texts."""
    yield from (len(pieces.ids) for _, pieces in split_sentences(examples, tokenizer=tokenizer))
    yield from (len(first) + len(second) for _, first, second in split_pairs(examples, tokenizer=tokenizer))


def split_pairs(
    examples: Sequence[Example], *, tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[SequenceExample, list[int], list[int]]]:
    """Each text with its pieces and those of its pair, none where it has no pair; few are objects at a time."""
    for begin in range(0, len(examples), AT_ONCE):
        batch = [example for example in examples[begin : begin + AT_ONCE] if isinstance(example, SequenceExample)]
        firsts = split_texts([example.text for example in batch], tokenizer=tokenizer)
        seconds = split_texts([example.pair or "" for example in batch], tokenizer=tokenizer)
        yield from zip(batch, firsts, seconds, strict=True)
