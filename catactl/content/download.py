"""Downloading a file to a path: beside it under a temporary name first, then renamed.

A download that broke off goes on where it was, once what is there is seen to be right. A stored
name is never trusted with where it leads: below a target folder each of its folders is opened by
itself, and none may be a symbolic link.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from catactl.blobs.store import CHUNK_BYTES, BlobStore, Chunk
from catactl.content.reading import Readable, contents
from catactl.domain.parts import Part
from catactl.errors import (
    AlreadyExists,
    Busy,
    CatactlError,
    ContentUnreachable,
    Findings,
    Forbidden,
    InvalidValue,
    NotFound,
)
from catactl.values.names import check_relative_path

Advance = Callable[[int], None]


class Downloaded(NamedTuple):
    """`outcome` is downloaded, resumed or unchanged; `resumed_bytes` were there before."""

    path: str
    outcome: str
    resumed_bytes: int


def to_stream(blobs: BlobStore, file: Readable, stream: int, advance: Advance) -> None:
    """Write a file to an open descriptor. Raises what is wrong with content, `BrokenPipeError`."""
    with _translated("the output"):
        for chunk in contents(blobs, file, file.parts):
            _write(stream, chunk)
            advance(len(chunk))


def to_path(
    blobs: BlobStore, file: Readable, path: str, advance: Advance, *, force: bool = False
) -> Downloaded:
    """Write a file to a path, or below it by its own name if that is a folder.

    What is there already stays if it is the same, and is replaced only with `force`. The path
    appears whole or not at all. Raises `AlreadyExists`, `Busy` when another download of the file to
    there is under way, `Forbidden`, and what is wrong with content.
    """
    with _translated(path), ExitStack() as stack:
        target = _Target.at(path, file.name, stack)
        status = target.status()
        if status is not None and not stat.S_ISREG(status.st_mode) and not target.is_below:
            return _to_special(blobs, file, target, status.st_mode, advance)
        if _is_there(target, file, force=force):
            advance(file.size_bytes)
            return Downloaded(target.path, "unchanged", file.size_bytes)
        return _to_file(blobs, file, target, advance, force=force)


@dataclass(frozen=True)
class _Target:
    """A name in an open folder. `is_below`: it comes from the stored name."""

    folder: int
    name: str
    path: str
    is_below: bool

    @classmethod
    def at(cls, path: str, file_name: str, stack: ExitStack) -> "_Target":
        if not path or "\0" in path:
            raise InvalidValue(f"not a path: {path!r}")
        if not os.path.isdir(path) and not path.endswith("/"):
            parent, name = os.path.split(path)
            return cls(_open_folder(parent or ".", None, stack), name, path, is_below=False)
        *folders, name = PurePath(check_relative_path(file_name)).parts
        folder = _open_folder(path, None, stack)
        for each in folders:
            folder = _open_folder(each, folder, stack)
        return cls(folder, name, os.path.join(path, file_name), is_below=True)

    def status(self) -> os.stat_result | None:
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int, mode: int = 0) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self.folder)


def _open_folder(name: str, parent: int | None, stack: ExitStack) -> int:
    """Open a folder; below another one it is made if need be, and is never a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if parent is not None:
        flags |= os.O_NOFOLLOW
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
    try:
        folder = os.open(name, flags, dir_fd=parent)
    except OSError as error:
        if parent is not None and error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise AlreadyExists(
                f"{name!r} in the way is no folder, or a symbolic link: nothing is written there"
            ) from error
        raise
    stack.callback(os.close, folder)
    return folder


def _to_special(
    blobs: BlobStore, file: Readable, target: _Target, mode: int, advance: Advance
) -> Downloaded:
    """Write to a device or a pipe that the user named: these are not to be replaced by a file."""
    if stat.S_ISLNK(mode):
        raise AlreadyExists(f"{target.path!r} is a symbolic link", "give the path it leads to")
    stream = target.open(target.name, os.O_WRONLY)
    try:
        to_stream(blobs, file, stream, advance)
    finally:
        os.close(stream)
    return Downloaded(target.path, "downloaded", 0)


def _is_there(target: _Target, file: Readable, *, force: bool) -> bool:
    """Whether the file is there already; what else is there is in the way, without `force`."""
    status = target.status()
    if status is None:
        return False
    if not stat.S_ISREG(status.st_mode):
        raise AlreadyExists(f"{target.path!r} exists and is no file")
    try:
        there = target.open(target.name, os.O_RDONLY)
    except FileNotFoundError:  # it went away while we looked
        return False
    try:
        is_same = status.st_size == file.size_bytes and _leading(there, file) == len(file.parts)
    finally:
        os.close(there)
    if not is_same and not force:
        raise AlreadyExists(
            f"{target.path!r} exists with other content", "replace it with --force, or use --to"
        )
    return is_same


def _to_file(
    blobs: BlobStore, file: Readable, target: _Target, advance: Advance, *, force: bool
) -> Downloaded:
    partial = _partial_name(target.name, file)
    out = _open_partial(partial, target)
    try:
        kept = _leading(out, file)
        kept_bytes = sum(part.size_bytes for part in file.parts[:kept])
        os.ftruncate(out, kept_bytes)
        os.lseek(out, kept_bytes, os.SEEK_SET)
        advance(kept_bytes)
        try:
            for chunk in contents(blobs, file, file.parts[kept:]):
                _write(out, chunk)
                advance(len(chunk))
        except (Findings, OSError):
            os.unlink(partial, dir_fd=target.folder)  # it would fail again, or fills the disk
            raise
        os.fsync(out)
        _name(partial, target, file, force=force)
        os.fsync(target.folder)
    finally:
        os.close(out)
    return Downloaded(target.path, "resumed" if kept else "downloaded", kept_bytes)


def _name(partial: str, target: _Target, file: Readable, *, force: bool) -> None:
    """Give what is complete its name; without `force` nothing else that came there is replaced."""
    while not force:
        try:
            os.link(
                partial,
                target.name,
                src_dir_fd=target.folder,
                dst_dir_fd=target.folder,
                follow_symlinks=False,
            )
        except FileExistsError:
            # Such as by a download that ended after we had looked; what goes away again is no more.
            try:
                if not _is_there(target, file, force=False):
                    continue
            except AlreadyExists:
                os.unlink(partial, dir_fd=target.folder)
                raise
        except OSError:
            break  # a file system without hard links
        os.unlink(partial, dir_fd=target.folder)
        return
    os.rename(partial, target.name, src_dir_fd=target.folder, dst_dir_fd=target.folder)


def _partial_name(name: str, file: Readable) -> str:
    """The temporary name: the same each time for a file and a target, however long that is."""
    return f".catactl-{file.file_id}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}.partial"


def _open_partial(partial: str, target: _Target) -> int:
    """Open and lock what an earlier download left, if it is ours alone; else begin anew.

    Somebody else may have put a file there, or a link to one, to have it written to. Nothing of
    it is believed before it is locked: a download that ends gives it a second name for a moment.
    """
    with suppress(FileNotFoundError):
        out = _open_locked(partial, target, os.O_RDWR)
        status = os.fstat(out)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid():
            return out
        os.unlink(partial, dir_fd=target.folder)
        os.close(out)
    return _open_locked(partial, target, os.O_RDWR | os.O_CREAT | os.O_EXCL)


def _open_locked(partial: str, target: _Target, flags: int) -> int:
    """Keep a second download away; one that has just finished took the name with it."""
    out = target.open(partial, flags, 0o666)
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.stat(partial, dir_fd=target.folder, follow_symlinks=False)
        is_ours = there.st_ino == os.fstat(out).st_ino
    except (BlockingIOError, FileNotFoundError):
        is_ours = False
    if not is_ours:
        os.close(out)
        raise Busy(f"another download to {target.path!r} is under way", "wait for it")
    return out


def _leading(there: int, file: Readable) -> int:
    """Return how many of the file's parts the open file begins with."""
    offset = 0
    size_bytes = os.fstat(there).st_size
    for index, part in enumerate(file.parts):
        if offset + part.size_bytes > size_bytes or not _holds(there, offset, part):
            return index
        offset += part.size_bytes
    return len(file.parts)


def _holds(there: int, offset: int, part: Part) -> bool:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    left = part.size_bytes
    while left:
        count = os.preadv(there, [buffer[: min(left, len(buffer))]], offset)
        if not count:
            return False
        digest.update(buffer[:count])
        offset += count
        left -= count
    return digest.hexdigest() == part.sha256


def _write(stream: int, chunk: Chunk) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(stream, rest) :]


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn what the operating system says of the target into errors of ours."""
    try:
        yield
    except BrokenPipeError:
        raise
    except FileExistsError as error:
        raise Busy(f"another download to {path!r} is under way", "wait for it") from error
    except UnicodeEncodeError as error:
        raise InvalidValue(
            f"this locale has no way to write the name {path!r}", "LC_ALL=C.UTF-8, or --to PATH"
        ) from error
    except OSError as error:
        raise _error(path, error) from error


def _error(path: str, error: OSError) -> CatactlError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ContentUnreachable(f"the disk is full: {path}", "free some space, then run it again")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"there is no folder for {path!r}", "create it first")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Forbidden(f"cannot write {path!r}: {error.strerror}")
    if error.errno in {errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP}:
        return InvalidValue(
            f"cannot write {path!r}: {error.strerror}", "choose another path: --to PATH"
        )
    return ContentUnreachable(f"cannot write {path!r}: {error.strerror}")
