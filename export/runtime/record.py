"""How many rows of an array are done, and by which hash they are known again."""

import functools
import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

VERSION = 2
BLOCK = 1 << 20  # bytes that are read at once
LINE = re.compile(rb"(\d{1,18}) [0-9a-f]{64}\n")
LONGEST_LINE = 84


class Record:
    """A file of lines: so many rows are done, and the hash of the request and of all these rows.

    A line is written after its rows, so what a kill cuts short is one line, and a line that is not
    true of the rows tells that they, or it, were changed.

    Args:
        file: where the lines stand.
        request: what determines the rows, as JSON.
        count: how many rows the array has.
        size: bytes of a row.

    Attributes:
        done: how many rows are done.
        damaged: whether rows or lines were found that are not as they were.
    """

    def __init__(self, file: Path, request: dict[str, Any], count: int, size: int) -> None:
        self.file, self.done, self.damaged = file, 0, False
        self._count, self._size = count, size
        about = json.dumps({"version": VERSION, "request": request})
        self._hash = hashlib.sha256(about.encode())
        self._first = self._line()

    def add(self, rows: Any) -> None:
        """Counts and hashes rows that are done; `write` tells of them."""
        self._hash.update(rows)
        self.done += len(rows)

    def write(self) -> None:
        """Adds a line about the rows that are done, which must be on the disk by now."""
        with self.file.open("ab") as file:
            file.write(self._line() if file.tell() else self._first + self._line())

    def check(self, rows: BinaryIO) -> None:
        """Goes on after the last line that is true of the rows, and removes those behind it.

        Args:
            rows: the file of the rows, open for reading at the first of them.
        """
        kept = 0
        with suppress(FileNotFoundError), self.file.open("rb") as lines:
            for line in iter(functools.partial(lines.readline, LONGEST_LINE), b""):
                if not self._is_true(line, rows):
                    another_request = not kept and LINE.fullmatch(line)
                    self.damaged = not another_request and line.endswith(b"\n")
                    break  # with no end, it was being written
                kept += len(line)
        if self.done:
            os.truncate(self.file, kept)

    def _is_true(self, line, rows):
        """Whether the line is what was written after so many rows; then these are done."""
        told = LINE.fullmatch(line)
        done = int(told[1]) if told else -1
        if not self.done <= done <= self._count:
            return False
        before = self.done, self._hash.copy()
        left, self.done = self._size * (done - self.done), done
        while left > 0 and (block := rows.read(min(left, BLOCK))):
            self._hash.update(block)
            left -= len(block)
        if line == self._line():
            return True
        self.done, self._hash = before
        return False

    def _line(self):
        return b"%d %s\n" % (self.done, self._hash.hexdigest().encode())
