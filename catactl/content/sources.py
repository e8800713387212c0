"""What is to be uploaded: regular files, found below folders in a fixed order.

A file is read through one descriptor, at any offset, by several threads. It is refused when it
changed between the first look at it and the last, as GNU tar warns of: by size, modification and
status change. Symbolic links are followed only when that is asked for.
"""

import errno
import os
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from catactl.blobs.store import CHUNK_BYTES
from catactl.content.own import NOTHING, Identity, Own, identity_of, refusal, what_is
from catactl.errors import CatactlError, Forbidden, InvalidValue, NotFound, SourceChanged
from catactl.values.spelling import normalized

# A change in the same tick of the kernel's clock would leave the modification time as it is.
_TICK_NANOSECONDS = 20_000_000

FILE_READER = "file upload ORG - --name NAME"
PART_READER = "part upload ORG FILE NUMBER -"


class Source(NamedTuple):
    """A path and the name its file is to get.

    `below` is the folder that the path was found in: nothing outside of it is meant.
    """

    path: str
    name: str
    below: str | None = None


class Unusable(NamedTuple):
    """A path that cannot be uploaded, and why."""

    path: str
    name: str
    error: CatactlError


class Skipped(NamedTuple):
    """An entry of a folder that is not uploaded: a link, a device, a socket, or a file of catactl's
    own.
    """

    path: str
    what: str


class SourceError(Exception):
    """What is wrong with one source, and with it alone."""

    def __init__(self, error: CatactlError) -> None:
        super().__init__(error.message)
        self.error = error


def find(
    paths: list[str], name: str | None, *, follow_links: bool, own: Own = NOTHING
) -> Iterator[Source | Unusable | Skipped]:
    """Yield the files and folders below the paths. Names are relative to the given folder; `name`
    goes before them, or is the name of a single file. Files in `own` are left out.
    """
    for path in paths:
        try:
            status = os.stat(path, follow_symlinks=follow_links)
        except (OSError, ValueError) as error:
            yield Unusable(path, name or path, unreadable(path, error))
            continue
        refused = refusal(path, own)
        if refused is not None:
            yield Unusable(path, name or os.path.basename(path), refused)
            continue
        if stat.S_ISDIR(status.st_mode):
            prefix = f"{name.rstrip('/')}/" if name else ""
            identity = identity_of(status)
            yield from _walk(path, prefix, identity, own, follow_links=follow_links)
        else:
            file_name = name or os.path.basename(path)
            problem = _no_file(path, status.st_mode)
            yield Unusable(path, file_name, problem) if problem else Source(path, file_name)


def _walk(
    folder: str, prefix: str, identity: Identity, own: Own, *, follow_links: bool
) -> Iterator[Source | Unusable | Skipped]:
    """Yield what lies below a folder, a folder's own entries in order of name."""
    above = [identity]
    levels = [_entries(folder, prefix, folder)]
    while levels:
        found = next(levels[-1], None)
        if found is None:
            levels.pop()
            above.pop()
            continue
        if isinstance(found, Unusable):
            yield found
            continue
        path, name, _ = found
        try:
            status = os.stat(path, follow_symlinks=follow_links)
        except OSError as error:
            yield Unusable(path, name, unreadable(path, error))
            continue
        identity = identity_of(status)
        is_followed = follow_links and os.path.islink(path)
        what = what_is(path, own) if is_followed else own.get(identity)
        if what is not None:
            yield Skipped(path, what)
        elif stat.S_ISREG(status.st_mode):
            yield found
        elif not stat.S_ISDIR(status.st_mode):
            yield Skipped(path, _kind(status.st_mode))
        elif identity in above:
            yield Skipped(path, "link to a folder above it")
        else:
            above.append(identity)
            levels.append(_entries(path, f"{name}/", folder))


def _entries(folder: str, prefix: str, below: str) -> Iterator[Source | Unusable]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield Unusable(folder, prefix.rstrip("/"), unreadable(folder, error))
        return
    spelled: dict[str, str] = {}
    for name in names:
        path = os.path.join(folder, name)
        first = spelled.setdefault(normalized(name), name)
        if first == name:
            yield Source(path, prefix + name, below)
        else:
            problem = f"{name!a} differs from {first!a} beside it only in its Unicode form"
            yield Unusable(path, prefix + name, InvalidValue(problem, "rename one of them"))


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "folder"
    return "symbolic link" if stat.S_ISLNK(mode) else "device, pipe or socket"


def _no_file(path: str, mode: int, reader: str = FILE_READER) -> CatactlError | None:
    if stat.S_ISREG(mode):
        return None
    hint = _pipe_hint(path, reader)
    if stat.S_ISLNK(mode):
        hint = "--follow-links uploads what it points to"
    elif stat.S_ISDIR(mode):
        hint = "upload a folder with: catactl file upload"
    return InvalidValue(f"{path!r} is not a regular file: {_kind(mode)}", hint)


def _pipe_hint(path: str, reader: str) -> str:
    return f"pipe it: cat {shlex.quote(path)} | catactl {reader}"


def unreadable(path: str, error: OSError | ValueError) -> CatactlError:
    """Return the error of ours for a path that cannot be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(f"no file or folder {path!r}")
    if isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM}:
        return Forbidden(f"cannot read {path!r}: {error.strerror}")
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return InvalidValue(
            f"{path!r} is not a regular file: symbolic link",
            "--follow-links uploads what it points to",
        )
    return InvalidValue(f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}")


@dataclass
class OpenFile:
    """A regular file held open. `reader` is the command that reads it from standard input instead.

    Raises `SourceError` if the file cannot be read, changes, or does not end at its size.
    """

    path: str
    follow_links: bool
    below: str | None = None
    reader: str = FILE_READER

    def __post_init__(self) -> None:
        try:
            self._file = _open(self.path, self.below, follow_links=self.follow_links)
        except (OSError, ValueError) as error:
            raise SourceError(unreadable(self.path, error)) from error
        status = os.fstat(self._file)
        if problem := _no_file(self.path, status.st_mode, self.reader):
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

    def read(self, offset: int, size_bytes: int) -> Iterator[memoryview]:
        """Yield exactly that many bytes, a chunk at a time; each is valid until the next one."""
        buffer = memoryview(bytearray(min(CHUNK_BYTES, size_bytes)))
        while size_bytes > 0:
            try:
                count = os.preadv(self._file, [buffer[: min(len(buffer), size_bytes)]], offset)
            except OSError as error:
                raise SourceError(unreadable(self.path, error)) from error
            if count == 0:
                raise self._ends_elsewhere()
            yield buffer[:count]
            offset += count
            size_bytes -= count

    def _check_end(self) -> None:
        """Raise `SourceError` unless the content ends at the file's size."""
        last = max(0, self.size_bytes - 1)
        try:
            found_bytes = len(os.pread(self._file, 2, last))
        except OSError as error:
            raise SourceError(unreadable(self.path, error)) from error
        if found_bytes != self.size_bytes - last:
            raise self._ends_elsewhere()

    def check_unchanged(self) -> None:
        if _signature(os.fstat(self._file)) != self._signature:
            raise self.changed()

    def close(self) -> None:
        os.close(self._file)

    def changed(self) -> SourceError:
        """Return the error for a file that changed while it was read."""
        return SourceError(
            SourceChanged(f"{self.path!r} changed while it was read", "upload it again")
        )

    def _ends_elsewhere(self) -> SourceError:
        """Return the error for a file whose size differs from the size of its content. Raise
        `SourceError` if the file changed.
        """
        self.check_unchanged()
        return SourceError(
            InvalidValue(
                f"{self.path!r} does not end at its size of {self.size_bytes:,} bytes, as with "
                "files below /proc and /sys",
                _pipe_hint(self.path, self.reader),
            )
        )


def _open(path: str, below: str | None, *, follow_links: bool) -> int:
    """Open a file. Below a folder each folder on the way is opened by itself, so that none can be
    exchanged for a link that leads elsewhere.
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


def totals(paths: list[str], *, follow_links: bool, own: Own = NOTHING) -> tuple[int, int]:
    """Return how many files there are, and their bytes, for progress."""
    count, size_bytes = 0, 0
    for found in find(paths, None, follow_links=follow_links, own=own):
        if isinstance(found, Source):
            count += 1
            with suppress(OSError):  # gone since it was found
                size_bytes += os.stat(found.path).st_size
    return count, size_bytes
