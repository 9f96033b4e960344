from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nertune.execute.wire import BrokenMessageError, LineReader, encode

messages = st.lists(st.fixed_dictionaries({"type": st.text(), "payload": st.text()}), max_size=5)


@given(sent=messages, cuts=st.lists(st.integers(0, 300), max_size=10))
@settings(max_examples=50, deadline=None)
def test_messages_arrive_whole_whatever_the_pieces(sent, cuts):
    data = b"".join(map(encode, sent))
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reader = LineReader()
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert [message for piece in pieces for message in reader.feed(piece)] == sent


def test_messages_before_a_broken_one_are_delivered():
    messages = LineReader().feed(encode({"type": "done"}) + b"torn\n")
    assert next(messages) == {"type": "done"}
    with pytest.raises(BrokenMessageError, match="not JSON"):
        next(messages)


@pytest.mark.parametrize("line", [b"\xff\n", b"\n", b"[" * 100_000 + b"\n", b"7\n", b'{"type": 7}\n'])
def test_what_is_no_message_is_refused(line):
    with pytest.raises(BrokenMessageError):
        list(LineReader().feed(line))


def test_endless_message_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr("nertune.execute.wire.MAX_LINE_BYTES", 1000)
    reader = LineReader()
    assert list(reader.feed(b"x" * 1000)) == []
    with pytest.raises(BrokenMessageError, match="longer than 1000 bytes"):
        list(reader.feed(b"x"))
