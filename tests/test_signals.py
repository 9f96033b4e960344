"""Signals end a block with a message that says what is kept, if anything is."""

from __future__ import annotations

import os
import signal

import pytest

from nertune.errors import StoppedError
from nertune.signals import stopped_by_signals


@pytest.mark.parametrize(
    ("kept", "message"), [("all is saved", "Stopped by SIGTERM; all is saved"), (None, "Stopped by SIGTERM")]
)
def test_a_signal_ends_the_block_and_the_handlers_are_as_before(kept, message):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StoppedError) as raised, stopped_by_signals(kept):
        os.kill(os.getpid(), signal.SIGTERM)
    assert str(raised.value) == message
    assert signal.getsignal(signal.SIGTERM) == before
