"""Read standard input for an upload: once, in order, and cut into parts while it is read."""

import os
import select
import stat
from collections.abc import Iterator
from typing import NamedTuple

from catactl.blobs.store import CHUNK_BYTES
from catactl.content import part_ranges
from catactl.content.part_ranges import Plan, Range
from catactl.content.source import SourceError, unreadable_error
from catactl.domain.file import File

STANDARD_INPUT = "-"
DESCRIPTOR = 0  # of standard input


class StreamSource:
    """Standard input or another stream. The offset to read at must be the current position."""

    path = STANDARD_INPUT
    size_bytes = None

    def __init__(self, file: int) -> None:
        self._file = file
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._ahead = self._buffer[:0]
        self._offset = 0

    def plan(self, name: str, part_bytes: int | None, existing: File | None) -> Plan:
        sizes = part_ranges.growing_sizes(existing, part_bytes)
        part_ranges.check_capacity(name, self._remaining_bytes(), existing, part_bytes)
        shrinking: set[int] = set()
        if existing is not None and not existing.completed:
            shrinking = {part.number for part in existing.parts}
        return Plan(self._ranges(name, sizes, part_bytes, existing), shrinking)

    def _ranges(
        self, name: str, sizes: Iterator[int], part_bytes: int | None, existing: File | None
    ) -> Iterator[Range]:
        """Yield the next part while the stream has content. Its size is a maximum."""
        number = 0
        for number, size_bytes in enumerate(sizes, start=1):
            if size_bytes > 0 and self.is_at_end():
                number -= 1
                break
            yield Range(number, self._offset, size_bytes)
        if existing is not None and existing.completed:
            if number < existing.parts.count or not self.is_at_end():
                raise part_ranges.other_content_error(existing)
        elif not self.is_at_end():
            raise part_ranges.too_large_error(name, existing, part_bytes)
        part_ranges.check_no_more(existing, number)

    def is_at_end(self) -> bool:
        """Wait for the next byte. Return whether the stream has ended."""
        if not self._ahead:
            self._ahead = self._receive()
        return not self._ahead

    def read(self, offset: int, size_bytes: int) -> Iterator[memoryview]:
        """Yield at most that many bytes."""
        assert offset == self._offset, "a stream is read in order"
        while size_bytes > 0 and not self.is_at_end():
            chunk = self._ahead[:size_bytes]
            self._ahead = self._ahead[len(chunk) :]
            self._offset += len(chunk)
            yield chunk
            size_bytes -= len(chunk)

    def check_unchanged(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _remaining_bytes(self) -> int:
        """Return the bytes left in a regular file; 0 for a pipe, because its size is not known."""
        try:
            status = os.fstat(self._file)
            if not stat.S_ISREG(status.st_mode):
                return 0
            return status.st_size - os.lseek(self._file, 0, os.SEEK_CUR)
        except OSError as error:
            raise SourceError(unreadable_error(STANDARD_INPUT, error)) from error

    def _receive(self) -> memoryview:
        while True:
            try:
                return self._buffer[: os.readv(self._file, [self._buffer])]
            except BlockingIOError:  # because another process may make a shared pipe non-blocking
                select.select([self._file], [], [])
            except OSError as error:
                raise SourceError(unreadable_error(STANDARD_INPUT, error)) from error


class StandardInput(NamedTuple):
    """Standard input, and the name that its file gets."""

    name: str
    file: int
    path: str = STANDARD_INPUT

    def open(self) -> StreamSource:
        return StreamSource(self.file)
