"""Read a regular file for an upload."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from catactl.blobs.durable_files import read_range
from catactl.content import part_ranges
from catactl.content.part_ranges import Plan
from catactl.content.source import (
    FILE_READER,
    SourceError,
    changed_error,
    irregular_error,
    pipe_hint,
    unreadable_error,
)
from catactl.domain.file import File
from catactl.errors import InvalidValue

# A change within the same tick of the kernel's clock does not change the modification time.
_TICK_NANOSECONDS = 20_000_000


@dataclass
class FileSource:
    """An open regular file. Several threads can read it at any offset.

    The file is refused if its size, modification time or status change time changes during the
    upload; GNU tar warns in the same cases. `below` is a folder that contains the path: no folder
    between them may be a symbolic link, unless links are followed. `reader` is the command that
    reads the content from standard input. Raises `SourceError` if the file cannot be read or does
    not end at its size.
    """

    path: str
    follow_links: bool
    below: str | None = None
    reader: str = FILE_READER

    def __post_init__(self) -> None:
        try:
            self._file = _open(self.path, self.below, follow_links=self.follow_links)
        except (OSError, ValueError) as error:
            raise SourceError(unreadable_error(self.path, error)) from error
        status = os.fstat(self._file)
        problem = irregular_error(self.path, status.st_mode, self.reader)
        if problem is not None:
            self.close()
            raise SourceError(problem)
        age = time.time_ns() - status.st_mtime_ns
        if 0 <= age < _TICK_NANOSECONDS:
            time.sleep((_TICK_NANOSECONDS - age) / 1e9)
            status = os.fstat(self._file)
        self.size_bytes = status.st_size
        self._signature = _signature(status)
        try:
            self._check_end()
        except SourceError:
            self.close()
            raise

    def plan(self, name: str, part_bytes: int | None, existing: File | None) -> Plan:
        return part_ranges.plan_file(name, self.size_bytes, part_bytes, existing)

    def read(self, offset: int, size_bytes: int) -> Iterator[memoryview]:
        """Yield exactly that many bytes."""
        try:
            for chunk in read_range(self._file, offset, size_bytes):
                yield chunk
                size_bytes -= len(chunk)
        except OSError as error:
            raise SourceError(unreadable_error(self.path, error)) from error
        if size_bytes > 0:
            raise self._wrong_end()

    def check_unchanged(self) -> None:
        if _signature(os.fstat(self._file)) != self._signature:
            raise changed_error(self.path)

    def close(self) -> None:
        os.close(self._file)

    def _check_end(self) -> None:
        """Raise `SourceError` unless the content ends at the file's size."""
        last = max(0, self.size_bytes - 1)
        try:
            read_bytes = len(os.pread(self._file, 2, last))
        except OSError as error:
            raise SourceError(unreadable_error(self.path, error)) from error
        if read_bytes != self.size_bytes - last:
            raise self._wrong_end()

    def _wrong_end(self) -> SourceError:
        """Return the error for a file whose content does not end at its size. Raise `SourceError`
        if the file changed.
        """
        self.check_unchanged()
        return SourceError(
            InvalidValue(
                f"{self.path!r} does not end at its size of {self.size_bytes:,} bytes, as with "
                "files below /proc and /sys",
                pipe_hint(self.path, self.reader),
            )
        )


def _open(path: str, below: str | None, *, follow_links: bool) -> int:
    """Open a file. Open each folder between `below` and the file separately, so that another
    process cannot replace one of them by a symbolic link.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    if follow_links:
        return os.open(path, flags)
    if below is None:
        return os.open(path, flags | os.O_NOFOLLOW)
    *folders, name = path[len(below) :].strip("/").split("/")
    folder = os.open(below, flags | os.O_DIRECTORY)
    try:
        for each in folders:
            inner = os.open(each, flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
