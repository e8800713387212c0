"""The interface of a source of content, and its errors."""

import errno
import shlex
import stat
from collections.abc import Iterator
from typing import Protocol

from catactl.content.part_ranges import Plan
from catactl.domain.file import File
from catactl.errors import CatactlError, Forbidden, InvalidValue, NotFound, SourceChanged

FILE_READER = "file upload ORG - --name NAME"
PART_READER = "part upload ORG FILE NUMBER -"


class Source(Protocol):
    """Content to upload.

    If `size_bytes` is an integer, several threads can read the content at any offset, any number of
    times. If it is None, the content is a stream: it can be read only once and in order.
    """

    @property
    def path(self) -> str: ...

    @property
    def size_bytes(self) -> int | None: ...

    def plan(self, name: str, part_bytes: int | None, existing: File | None) -> Plan:
        """Return the parts to cut the content into, given the existing file of that name.

        Raises `Conflict` if the existing file cannot become this one, and `InvalidValue` if there
        would be too many parts. The ranges of a stream can raise these errors as well.
        """

    def read(self, offset: int, size_bytes: int) -> Iterator[memoryview]:
        """Yield that many bytes, or fewer at the end of a stream. Each chunk is valid until the
        next one. Raises `SourceError`.
        """

    def check_unchanged(self) -> None:
        """Raise `SourceError` if the content changed since it was opened."""

    def close(self) -> None: ...


class Item(Protocol):
    """Content that can be opened for an upload, and the name that its file gets."""

    @property
    def path(self) -> str: ...

    @property
    def name(self) -> str: ...

    def open(self) -> Source:
        """Open the content. Raises `SourceError`."""


class SourceError(Exception):
    """An error that concerns only one source."""

    def __init__(self, error: CatactlError) -> None:
        super().__init__(error.message)
        self.error = error


def changed_error(path: str) -> SourceError:
    """Return the error for content that changed during the upload."""
    return SourceError(SourceChanged(f"{path!r} changed during the upload", "upload it again"))


def unreadable_error(path: str, error: OSError | ValueError) -> CatactlError:
    """Return the error for a path that cannot be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(f"no file or folder {path!r}")
    if isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM}:
        return Forbidden(f"cannot read {path!r}: {error.strerror}")
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return InvalidValue(
            f"{path!r} is not a regular file: symbolic link",
            "upload the target of the link with --follow-links",
        )
    return InvalidValue(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}")


def irregular_error(path: str, mode: int, reader: str = FILE_READER) -> CatactlError | None:
    """Return the error for a path that is not a regular file; None for a regular file. `reader` is
    the command that reads the content from standard input.
    """
    if stat.S_ISREG(mode):
        return None
    hint = pipe_hint(path, reader)
    if stat.S_ISLNK(mode):
        hint = "upload the target of the link with --follow-links"
    elif stat.S_ISDIR(mode):
        hint = "upload a folder with: catactl file upload"
    return InvalidValue(f"{path!r} is not a regular file: {kind_of(mode)}", hint)


def kind_of(mode: int) -> str:
    """Return the kind of a file that is not regular."""
    if stat.S_ISDIR(mode):
        return "folder"
    return "symbolic link" if stat.S_ISLNK(mode) else "device, pipe or socket"


def pipe_hint(path: str, reader: str) -> str:
    return f"pipe it: cat {shlex.quote(path)} | catactl {reader}"
