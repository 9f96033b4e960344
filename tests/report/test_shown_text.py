import time
import unicodedata
from datetime import datetime

import pytest

from nertune.report.text import (
    duration_text,
    epoch_text,
    file_size_text,
    left_text,
    moment_text,
    safe_text,
    score_text,
    share_text,
    short_key,
    value_text,
)


def test_no_control_character_reaches_the_terminal():
    everything = "".join(map(chr, range(0x10000)))
    shown = safe_text(everything)
    assert len(shown) == len(everything)
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in shown)
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(shown)


def test_escape_sequences_of_a_hostile_label_are_made_visible():
    assert safe_text("\x1b[2Jgone\x07\r\n") == "�[2Jgone���"


@pytest.mark.parametrize("text", ["naïve 東京 שלום", "مرحبا", "👩\u200d🔬 क्\u200dष", "[bold]x[/bold]"])
def test_text_of_any_script_stays_as_it_is(text):
    assert safe_text(text) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.04, "0.0s"),
        (3.26, "3.3s"),
        (48, "48s"),
        (59.7, "1m00s"),
        (192, "3m12s"),
        (3599.6, "1h00m"),
        (7500, "2h05m"),
    ],
)
def test_durations_are_as_exact_as_they_need_to_be(seconds, text):
    assert duration_text(seconds) == text


def test_numbers_are_shown_short():
    assert [score_text(value) for value in (0.81234, None, 1.0)] == ["0.8123", "–", "1.0000"]
    assert [value_text(value) for value in (1e-5, 0.001, 16, "a\x1b", [1, 2], None)] == [
        "1e-05",
        "0.001",
        "16",
        "a�",
        "[1, 2]",
        "None",
    ]
    assert [epoch_text(value) for value in (3.0, 2.5, 1 / 3, None)] == ["3", "2.5", "0.33", "–"]


def test_keys_are_shown_as_words():
    keys = ["train.learning_rate", "model.base", "model.config.hidden_dropout_prob"]
    assert [short_key(key) for key in keys] == ["learning rate", "base", "hidden dropout prob"]


@pytest.mark.parametrize(
    ("share", "text"), [(1 / 9, "1/9"), (1 / 3, "1/3"), (0.15, "3/20"), (1.0, "1"), (0.1234567, "0.123"), (None, "–")]
)
def test_shares_are_told_as_fractions_where_they_are_such(share, text):
    assert share_text(share) == text


def test_time_left_follows_from_what_is_done():
    assert left_text(25, 100, seconds=10) == "about 30s left"
    assert left_text(100, 100, seconds=10) == "about 0.0s left"
    assert left_text(0, 100, seconds=10) == "time left unknown"


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1024, "1.0 KiB"), (90_278_288, "86.1 MiB"), (1_395_864_371, "1.3 GiB")],
)
def test_sizes_of_files_are_told_in_their_unit(n_bytes, text):
    assert file_size_text(n_bytes) == text


def test_moments_are_told_in_local_time(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        this_year = datetime.now().year
        assert moment_text(f"{this_year}-06-21T20:00:00.000+00:00") == "06-22 01:30"
        assert moment_text("1999-06-21T20:00:00.000+00:00") == "1999-06-22"
    finally:
        monkeypatch.undo()
        time.tzset()
