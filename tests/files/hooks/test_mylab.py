from mylab.callbacks import EpochTimes
from mylab.heads import gated
from mylab.readers import slashed
from mylab.scores import all_right

from nertune.testing import check_callback, check_head, check_reader, check_score


def test_head():
    check_head(gated)


def test_reader(tmp_path):
    check_reader(slashed, tmp_path, good="Ada/B-PER lives/O in/O Oslo/B-LOC\nBob/B-PER sings/O\n")


def test_score():
    check_score(all_right, task="token")


def test_callback():
    check_callback(EpochTimes)
