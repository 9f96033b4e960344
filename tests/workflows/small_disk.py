"""A real disk that is small, can be filled up and made read-only; no right of an administrator is needed."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

MAKE = 'mount -t tmpfs -o size="$1" none "$2" && echo made && exec cat'


class SmallDisk:
    """A file system of some bytes at a folder, in a name space of its own that ends with the block.

    inside  the words before a command that is to see it
    seen    the folder, as seen from here
    """

    def __init__(self, folder: Path, *, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", MAKE, "sh", size, str(folder)]
        try:
            self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except FileNotFoundError:
            pytest.skip("needs unshare")
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "made\n":
            self._end()
            pytest.skip("no file system can be mounted here")
        self.inside = ("nsenter", "--target", str(self._holder.pid), "--user", "--mount", "--preserve-credentials")
        self.seen = Path(f"/proc/{self._holder.pid}/root{folder}")

    def fill(self, *, but: int = 0) -> None:
        """Not a byte is left, or so many."""
        with (self.seen / "ballast").open("ab", buffering=0) as stream:
            with suppress(OSError):
                while True:
                    stream.write(bytes(2**12))
            stream.truncate(max(0, stream.tell() - but))

    def make_room(self) -> None:
        (self.seen / "ballast").unlink()

    def enlarge(self, size: str) -> None:
        self._remount(f"size={size}")

    def make_read_only(self) -> None:
        self._remount("ro")

    def _remount(self, options: str) -> None:
        subprocess.run(
            [*self.inside, "mount", "--options-mode", "ignore", "-o", f"remount,{options}", str(self.folder)],
            check=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._holder.communicate()
