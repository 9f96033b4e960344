import contextlib

import pytest
from driving import Driver


@pytest.fixture
def drive(tmp_path):
    """Open executors by kind; all are closed in the end."""
    with contextlib.ExitStack() as stack:

        def open_driver(kind="processes", **options):
            driver = Driver(kind, logs=tmp_path / "logs", **options)
            stack.callback(driver.executor.close)
            return driver

        yield open_driver
