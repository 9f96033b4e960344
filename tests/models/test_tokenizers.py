"""Tokenizers mark words, and say clearly what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, ByT5Tokenizer, PreTrainedTokenizerFast

from nertune.errors import ModelError
from nertune.models.tokenizers import load_tokenizer, marks_words


def pieces(tokenizer, words):
    ids = tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return tokenizer.convert_ids_to_tokens(ids)


def save_backend(backend: Tokenizer, folder: Path) -> str:
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>").save_pretrained(folder)
    return str(folder)


def test_plain_loading_of_byte_level_bpe_loses_the_mark_of_every_word(roberta_folder):
    assert pieces(AutoTokenizer.from_pretrained(roberta_folder), ["river", "river"]) == [
        "river",
        "river",
    ]  # the trap itself


def test_byte_level_bpe_marks_words_and_still_does_when_saved_and_loaded_plainly(roberta_folder, tmp_path):
    tokenizer = load_tokenizer(str(roberta_folder), task="token")
    tokenizer.save_pretrained(tmp_path)
    assert pieces(tokenizer, ["river", "river"]) == ["Ġriver", "Ġriver"]
    assert pieces(AutoTokenizer.from_pretrained(tmp_path), ["river", "river"]) == ["Ġriver", "Ġriver"]


def test_byte_level_bpe_without_a_class_of_its_own_marks_words_too(tmp_path, lines):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "<pad>"], show_progress=False)
    )
    tokenizer = load_tokenizer(save_backend(backend, tmp_path / "plain"), task="token")
    tokenizer.save_pretrained(tmp_path / "saved")
    assert pieces(AutoTokenizer.from_pretrained(tmp_path / "saved"), ["river", "river"]) == ["Ġriver", "Ġriver"]


def test_byte_level_after_a_split_marks_the_word_and_not_its_parts(tmp_path, lines):
    backend = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(r"'t| ?\p{L}+| ?[^\s\p{L}]+|\s+"), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "<pad>"], show_progress=False)
    )
    tokenizer = load_tokenizer(save_backend(backend, tmp_path), task="token")
    assert pieces(tokenizer, ["river", "river,"]) == ["Ġriver", "Ġriver", ","]


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_metaspace_tokenizers_mark_each_word(tmp_path, scheme):
    vocabulary = [("<unk>", 0.0), ("<pad>", 0.0), ("▁a", -1.0), ("a", -2.0), ("▁", -3.0)]
    backend = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer = load_tokenizer(save_backend(backend, tmp_path), task="token")
    assert pieces(tokenizer, ["a", "a"]) == ["▁a", "▁a"]


def test_sequence_tasks_leave_the_tokenizer_as_it_was_trained(roberta_folder):
    tokenizer = load_tokenizer(str(roberta_folder), task="sequence")
    assert not marks_words(tokenizer)


def test_a_tokenizer_without_word_marks_of_any_kind_is_refused(tmp_path):
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "<pad>": 1, "a": 2, " ": 3}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_next")
    with pytest.raises(ModelError, match="does not mark where a word begins"):
        load_tokenizer(save_backend(backend, tmp_path), task="token")


def test_a_slow_only_tokenizer_is_refused_for_token_tasks_only(tmp_path):
    ByT5Tokenizer().save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path), task="sequence") is not None
    with pytest.raises(ModelError, match=r"only a slow tokenizer.*\n.*tokenizer\.json"):
        load_tokenizer(str(tmp_path), task="token")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("./no/such/folder", "does not exist"),
        ("no-such-org/no-such-model", r"no folder here, and the hub is switched off(.|\n)*Write the folder"),
    ],
)
def test_a_tokenizer_that_is_not_there_is_told_with_a_way_out(source, told, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=told):
        load_tokenizer(source, task="token")


def test_a_folder_without_tokenizer_files_names_them(tmp_path):
    with pytest.raises(ModelError, match=r"has no tokenizer: none of tokenizer\.json"):
        load_tokenizer(str(tmp_path), task="token")


def test_a_broken_tokenizer_file_is_the_users_to_mend(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_tokenizer(str(tmp_path), task="token")


def text_pieces(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("folder", ["bert_folder", "roberta_folder"])
@pytest.mark.parametrize("task", ["token", "sequence"])
def test_lower_case_makes_capitals_and_small_letters_the_same_pieces(request, tmp_path, folder, task):
    source = str(request.getfixturevalue(folder))
    cased, lowered = load_tokenizer(source, task=task), load_tokenizer(source, task=task, lower_case=True)
    assert text_pieces(cased, "the River") != text_pieces(cased, "the river")
    assert text_pieces(lowered, "the River") == text_pieces(lowered, "the river") == text_pieces(cased, "the river")
    lowered.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("The River")["input_ids"] == lowered("the river")["input_ids"]
    assert again.model_max_length == cased.model_max_length == 64
    assert again.special_tokens_map == cased.special_tokens_map


@pytest.mark.parametrize(
    "normalizer",
    [
        normalizers.Lowercase(),
        normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]),
        normalizers.BertNormalizer(lowercase=True),
    ],
)
def test_lower_case_false_keeps_capitals_in_a_tokenizer_that_lowered_them(tmp_path, normalizer):
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "<pad>": 1, "abc": 2, "ABC": 3}, unk_token="<unk>"))
    backend.normalizer, backend.pre_tokenizer = normalizer, pre_tokenizers.Whitespace()
    source = save_backend(backend, tmp_path / "lowering")
    assert text_pieces(load_tokenizer(source, task="token"), "ABC abc") == ["abc", "abc"]
    tokenizer = load_tokenizer(source, task="token", lower_case=False)
    tokenizer.save_pretrained(tmp_path / "saved")
    for kept in (tokenizer, AutoTokenizer.from_pretrained(tmp_path / "saved")):
        assert text_pieces(kept, "ABC abc") == ["ABC", "abc"]


def test_a_tokenizer_of_bytes_has_no_case_to_change(tmp_path):
    ByT5Tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"model.lower_case: true cannot be had with the tokenizer of .*\n.*Leave"):
        load_tokenizer(str(tmp_path), task="sequence", lower_case=True)


def test_options_go_into_the_tokenizer_and_are_saved_with_it(bert_folder, tmp_path):
    options = {"strip_accents": True, "model_max_length": 20}
    tokenizer = load_tokenizer(str(bert_folder), task="token", options=options)
    tokenizer.save_pretrained(tmp_path)
    for kept in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        assert (text_pieces(kept, "rivér"), kept.model_max_length) == (["river"], 20)
    assert text_pieces(load_tokenizer(str(bert_folder), task="token"), "rivér") != ["river"]


@pytest.mark.parametrize(
    ("option", "told"), [("strip_acents", r"\{strip_accents: True\}"), ("xyz", "It knows: .*strip_accents")]
)
def test_an_option_that_the_tokenizer_does_not_know_is_told_with_a_near_one(bert_folder, option, told):
    with pytest.raises(ModelError, match=rf"model.tokenizer_options has '{option}'(.|\n)*{told}"):
        load_tokenizer(str(bert_folder), task="token", options={option: True})
