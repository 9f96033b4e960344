"""Windows: every word at home once, nothing longer than the model, as much context as can be had."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.errors import ModelError
from nertune.models.tokenizers import load_tokenizer
from nertune.tasks.windows import Window, cut_windows, find_frame, find_pair_frame, fit_pair


@st.composite
def cuts(draw):
    capacity = draw(st.integers(1, 20))
    sizes = draw(st.lists(st.integers(0, capacity), max_size=40))
    return sizes, capacity, draw(st.integers(0, capacity // 2))


@given(cuts())
def test_every_word_with_a_piece_is_at_home_exactly_once(cut):
    sizes, capacity, overlap = cut
    windows = cut_windows(sizes, capacity=capacity, overlap=overlap)
    assert sorted(word for window in windows for word in window.homes) == [
        word for word, size in enumerate(sizes) if size
    ]
    assert all(window.start <= word < window.end for window in windows for word in window.homes)


@given(cuts())
def test_windows_fit_cover_the_sentence_and_share_no_more_than_the_overlap(cut):
    sizes, capacity, overlap = cut
    windows = cut_windows(sizes, capacity=capacity, overlap=overlap)
    assert all(sum(sizes[window.start : window.end]) <= capacity for window in windows)
    assert (windows[0].start, windows[-1].end) == (0, len(sizes))
    for one, following in pairwise(windows):
        assert one.start < following.start <= one.end < following.end
        assert sum(sizes[following.start : one.end]) <= overlap


@given(cuts())
def test_home_is_the_window_with_most_context_on_the_poorer_side(cut):
    sizes, capacity, overlap = cut
    windows = cut_windows(sizes, capacity=capacity, overlap=overlap)

    def context(word, window):
        left = sum(sizes[window.start : word]) if window.start else 10**6
        right = sum(sizes[word + 1 : window.end]) if window.end < len(sizes) else 10**6
        return min(left, right)

    for home in windows:
        for word in home.homes:
            assert context(word, home) == max(
                context(word, window) for window in windows if window.start <= word < window.end
            )


def test_a_sentence_that_fits_is_one_window():
    assert cut_windows([1, 2, 0, 1], capacity=4, overlap=2) == [Window(0, 4, (0, 1, 3))]


def test_a_long_sentence_by_hand():
    assert cut_windows([1] * 10, capacity=6, overlap=2) == [
        Window(0, 6, (0, 1, 2, 3, 4)),
        Window(4, 10, (5, 6, 7, 8, 9)),
    ]


def test_the_frame_is_the_least_of_study_tokenizer_and_model(bert_folder, study):
    tokenizer = load_tokenizer(str(bert_folder), task="token")

    def length(position_limit, **train):
        return find_frame(tokenizer, train=study("token", **train).train, position_limit=position_limit).length

    assert [length(None), length(50), length(50, max_pieces=20), length(50, max_pieces=99)] == [64, 50, 20, 50]


def test_the_frame_knows_special_pieces_and_halves_a_large_overlap(bert_folder, study):
    tokenizer = load_tokenizer(str(bert_folder), task="token")
    frame = find_frame(tokenizer, train=study("token", max_pieces=20, overlap_pieces=64).train, position_limit=None)
    assert (frame.prefix, frame.suffix) == ((tokenizer.cls_token_id,), (tokenizer.sep_token_id,))
    assert (frame.capacity, frame.overlap) == (18, 9)


def test_a_model_without_room_for_a_word_is_refused(bert_folder, study):
    tokenizer = load_tokenizer(str(bert_folder), task="token")
    with pytest.raises(ModelError, match="windows of 2 pieces leave no room"):
        find_frame(tokenizer, train=study("token").train, position_limit=2)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 40))
def test_a_pair_keeps_as_much_as_fits_and_loses_the_end_of_the_longer_text(first, second, capacity):
    kept = fit_pair(first, second, capacity=capacity)
    assert sum(kept) == min(first + second, capacity)
    assert kept[0] <= first
    assert kept[1] <= second
    for own, whole, other in ((kept[0], first, kept[1]), (kept[1], second, kept[0])):
        assert own == whole or own >= other - 1  # only a text that is as long as the other, but for one, was cut


def test_a_window_without_room_for_a_pair_is_refused(bert_folder):
    tokenizer = load_tokenizer(str(bert_folder), task="sequence")
    assert find_pair_frame(tokenizer, length=4).capacity == 1
    with pytest.raises(ModelError, match="no room for pairs"):
        find_pair_frame(tokenizer, length=3)
