"""Write files and folders that survive a power failure.

A file is written under a temporary name, synced and renamed. Then its folder is synced. Until the
file is renamed or removed, its writer holds a lock on it.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from catactl.blobs.directory_errors import removed_error, translated
from catactl.blobs.store import CHUNK_BYTES, Chunk, Content, Measure, measure

# A writer locks its file right after creating it. Until then only the age protects the file.
_ABANDONED_AFTER_SECONDS = 60


def create_locked(path: Path) -> int:
    """Create a file, lock it and return its descriptor."""
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    with suppress(OSError):  # some network file systems have no locks; the age still protects it
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def write_chunks(file: int, chunks: Iterable[Chunk], path: Path) -> Content:
    """Write the chunks to an open file and return their size and digest. Pass errors that the
    chunks raise on unchanged.
    """
    measure = Measure()
    for chunk in measure.passing(chunks):
        with translated(path):
            write_all(file, chunk)
    return measure.content


def write_all(file: int, chunk: Chunk) -> None:
    """Write a chunk completely, even if the system writes only a part of it at a time."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(file, rest) :]


def rename_into_place(incoming: Path, final: Path) -> None:
    """Give a file that is written and synced its final name. Create the folder if necessary."""
    try:
        make_folder(final.parent)
        os.rename(incoming, final)
    except FileNotFoundError as error:
        raise removed_error(incoming) from error


def sync_name(final: Path) -> None:
    """Make the name of a file durable."""
    try:
        _sync_folder(final.parent)
    except FileNotFoundError as error:
        raise removed_error(final) from error


def overwrite(path: Path, text: bytes) -> None:
    """Replace the content of a file in place. This needs no free space, but is not atomic."""
    with path.open("r+b", buffering=0) as file:
        file.write(text)
        file.truncate()
        os.fsync(file)


def discard_if_abandoned(path: Path) -> bool:
    """Remove an unfinished file if its writer has ended. Return whether it was removed."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if time.time() - os.fstat(file).st_mtime < _ABANDONED_AFTER_SECONDS:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a running writer holds the lock
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(file)


def has_content(path: Path, content: Content) -> bool:
    """Return whether the file exists and has that content. Return False for a damaged or unreadable
    file, so that the caller replaces it.
    """
    try:
        if path.stat().st_size != content.size_bytes:
            return False
        with path.open("rb", buffering=0) as file:
            return measure(read_chunks(file.fileno())).has_same_bytes(content)
    except (FileNotFoundError, PermissionError):
        return False
    except OSError as error:
        if error.errno == errno.EIO:
            return False
        raise


def read_chunks(file: int) -> Iterator[memoryview]:
    """Yield the rest of an open file. Each chunk is valid until the next one."""
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while count := os.readv(file, [buffer]):
        yield buffer[:count]


def read_range(file: int, offset: int, size_bytes: int) -> Iterator[memoryview]:
    """Yield that many bytes of an open file, or fewer if it ends before. Each chunk is valid until
    the next one.
    """
    buffer = memoryview(bytearray(min(CHUNK_BYTES, size_bytes)))
    while size_bytes > 0 and (count := os.preadv(file, [buffer[:size_bytes]], offset)):
        yield buffer[:count]
        offset += count
        size_bytes -= count


def list_names(folder: Path) -> list[str]:
    """Return the names in a folder in order, or no names if there is no folder."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder durably, unless it exists."""
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
