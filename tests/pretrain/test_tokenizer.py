from __future__ import annotations

from collections import Counter
from pathlib import Path

from transformers import AutoTokenizer

from nertune.pretrain.tokenizer import choose_letters, save_tokenizer, train_tokenizer


def test_equal_text_gives_equal_pieces_with_equal_ids(lines: list[str]) -> None:
    made = [train_tokenizer(lines, vocabulary_size=90, lower_case=False, max_pieces=16).get_vocab() for _ in range(4)]
    assert made[1:] == made[:3]


def test_the_saved_folder_loads_as_a_fast_tokenizer(lines: list[str], tmp_path: Path) -> None:
    tokenizer = train_tokenizer(lines, vocabulary_size=120, lower_case=False, max_pieces=16)
    save_tokenizer(tokenizer, folder=tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (loaded.is_fast, loaded.model_max_length, loaded.get_vocab()) == (True, 16, tokenizer.get_vocab())
    assert loaded("The ferry").input_ids == tokenizer("The ferry").input_ids


def test_vocab_txt_holds_the_pieces_in_the_order_of_ids(lines: list[str], tmp_path: Path) -> None:
    tokenizer = train_tokenizer(lines, vocabulary_size=120, lower_case=False, max_pieces=16)
    save_tokenizer(tokenizer, folder=tmp_path)
    pieces = (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert pieces[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokenizer.convert_tokens_to_ids(pieces) == list(range(len(tokenizer)))


def test_words_of_the_text_need_no_unknown_piece(lines: list[str]) -> None:
    tokenizer = train_tokenizer(lines, vocabulary_size=200, lower_case=False, max_pieces=16)
    ids = tokenizer(lines, add_special_tokens=False)["input_ids"]
    assert tokenizer.unk_token_id not in {piece for line in ids for piece in line}


def test_lower_case_makes_capitals_and_accents_equal(lines: list[str]) -> None:
    lower, cased = (train_tokenizer(lines, vocabulary_size=120, lower_case=on, max_pieces=16) for on in (True, False))
    assert lower.tokenize("CAFÉ") == lower.tokenize("cafe")
    assert cased.tokenize("Café") != cased.tokenize("cafe")


def test_the_vocabulary_stays_within_its_size(lines: list[str]) -> None:
    sizes = [len(train_tokenizer(lines, vocabulary_size=n, lower_case=False, max_pieces=16)) for n in (40, 90, 5000)]
    assert sizes[0] <= 40
    assert sizes[1] == 90 < sizes[2] < 5000


def test_rare_letters_give_way_to_pieces() -> None:
    assert choose_letters(Counter({"ab": 3, "b": 1, "c": 2}), vocabulary_size=15) == ["b", "a"]
