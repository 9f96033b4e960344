"""Copies of texts: equal and nearly equal ones agree with comparing each with each, and no data make it slow."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.data.duplicates import (
    FEWEST_WORDS,
    SIMILAR,
    TextPrints,
    find_repeated,
    form_hash,
    join_similar,
    letters_of,
    prefix_size,
    runs_of,
)

WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta", "Eta", "iota-2"])
TEXTS = st.lists(st.tuples(st.integers(0, 2), st.lists(WORDS, min_size=6, max_size=14).map(" ".join)), max_size=14)


def prints_of(texts):
    prints = TextPrints()
    for group, text in texts:
        prints.add(text, group=group)
    return prints


def jaccard(one, other):
    return len(one & other) / len(one | other) if one | other else 0.0


@settings(deadline=None)
@given(TEXTS)
def test_similar_texts_are_those_that_comparing_each_with_each_finds(texts):
    texts = sorted(texts, key=lambda text: text[0])
    words = [letters_of(text) for _, text in texts]
    runs = [runs_of(each) if len(each) >= FEWEST_WORDS else set() for each in words]
    wanted = set()
    for later, (_, _text) in enumerate(texts):
        for group in range(texts[later][0] + 1):
            before = [earlier for earlier in range(later) if texts[earlier][0] == group]
            if any(form_hash(words[earlier]) == form_hash(words[later]) for earlier in before):
                continue  # found by its letters
            if any(jaccard(runs[earlier], runs[later]) >= SIMILAR for earlier in before):
                wanted.add((later, group))
    found = join_similar(prints_of(texts))
    assert found.n_given_up == 0
    assert {(match.later, texts[match.earlier][0]) for match in found.matches} == wanted
    assert all(jaccard(runs[match.later], runs[match.earlier]) >= SIMILAR for match in found.matches)


@given(st.lists(st.integers(-3, 3)))
def test_repeated_hashes_are_those_that_count_more_than_once(hashes):
    assert find_repeated(hashes).tolist() == [value != 0 and hashes.count(value) > 1 for value in hashes]


@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(0, 9), min_size=1))
def test_similar_sets_share_a_run_of_their_prefixes(one, other):
    prefixes = [set(sorted(runs)[: prefix_size(len(runs))]) for runs in (one, other)]
    assert jaccard(one, other) < SIMILAR or prefixes[0] & prefixes[1]


def test_letters_leave_out_case_numbers_and_punctuation_in_every_script():
    assert letters_of("Dose: 10 mg/kg of CD4-x, STRASSE/Straße .") == ["dose", "mgkg", "of", "cd4x", "strassestrasse"]
    assert letters_of("हिन्दी 漢字 Ελλάς ❤") == ["हिन्दी", "漢字", "ελλάσ"]


def test_texts_with_few_letters_have_no_form():
    assert form_hash(letters_of("Fig . 1")) == 0
    assert form_hash(letters_of("a long enough text")) == form_hash(letters_of("A long enough, 2.5 text"))


def similar_to_all(number):
    """30 words of which one is the text's own: 0.81 like every other."""
    return " ".join(f"w{chr(97 + place % 26)}{'x' * (place // 26)}" for place in range(30)) + f" {letters(number)}"


def short_of_all(number):
    """24 words, one of the text's own in the middle: 0.76 like every other, two of whose prefix it shares."""
    words = similar_to_all(0).split()[:23]
    return " ".join([*words[:11], letters(number), *words[11:]])


def letters(number):
    return "".join(chr(97 + int(digit)) for digit in str(number))


def seconds_for(make, n=10_000):
    prints = prints_of((0, make(number)) for number in range(n))
    start = time.perf_counter()
    found = join_similar(prints)
    return found, time.perf_counter() - start


def test_equal_and_nearly_equal_texts_take_no_time_of_square():
    found, seconds = seconds_for(similar_to_all)
    assert len(found.matches) == 9_999
    assert seconds < 10  # 50 million pairs would take minutes
    found, seconds = seconds_for(lambda number: similar_to_all(1))
    assert (found.matches, found.n_given_up) == ([], 0)  # they have the same letters
    assert seconds < 10


def test_texts_with_too_many_look_alikes_are_counted_as_given_up():
    found, seconds = seconds_for(short_of_all)
    assert found.n_given_up > 9_000
    assert seconds < 15


def test_prints_cost_some_bytes_a_text():
    prints = prints_of([(0, "one two three")] * 100)
    assert (len(prints), len(prints.runs)) == (100, 0)
    assert np.asarray(prints.exact).itemsize == 8
