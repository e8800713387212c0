"""Open the target of a download: a name in a folder, and the temporary file beside it.

A stored name is never trusted. Below a target folder, each folder of the name is opened separately,
and none may be a symbolic link.
"""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePath
from uuid import UUID

from catactl.errors import (
    AlreadyExists,
    Busy,
    CatactlError,
    ContentUnreachable,
    Forbidden,
    InvalidValue,
    NotFound,
)
from catactl.values.names import check_relative_path


@dataclass(frozen=True)
class Target:
    """A name in an open folder. `is_below` is true if the name comes from the stored name of a
    file, not from the user.
    """

    folder: int
    name: str
    path: str
    is_below: bool

    @classmethod
    def open(cls, path: str, file_name: str, stack: ExitStack) -> "Target":
        """Return the target for a path. If it is a folder, the target is the file's name below it,
        and missing folders are created.
        """
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

    def open_file(self, name: str, flags: int, mode: int = 0) -> int:
        """Open a file in the folder, unless it is a symbolic link."""
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self.folder)

    def partial_name(self, file_id: UUID) -> str:
        """Return the name of the temporary file. It is the same each time for a file and a target.
        It contains a digest of the target's name, because that name may have the maximum length.
        """
        digest = hashlib.sha256(os.fsencode(self.name)).hexdigest()[:8]
        return f".catactl-{file_id}-{digest}.partial"

    def open_partial(self, partial: str) -> int:
        """Open and lock the temporary file of an earlier download, or create it.

        Another user may have created a file or a hard link there that must not be overwritten, so
        replace a file that is not ours alone. Check this only under the lock, because a download
        that ends gives the file a second name for a moment. Raises `Busy` if another download holds
        the lock.
        """
        with suppress(FileNotFoundError):
            out = self._open_locked(partial, os.O_RDWR)
            status = os.fstat(out)
            is_ours = status.st_nlink == 1 and status.st_uid == os.geteuid()
            if stat.S_ISREG(status.st_mode) and is_ours:
                return out
            os.unlink(partial, dir_fd=self.folder)
            os.close(out)
        return self._open_locked(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def _open_locked(self, partial: str, flags: int) -> int:
        out = self.open_file(partial, flags, 0o666)
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A download that ended in the meantime renamed the file.
            there = os.stat(partial, dir_fd=self.folder, follow_symlinks=False)
            is_locked = there.st_ino == os.fstat(out).st_ino
        except (BlockingIOError, FileNotFoundError):
            is_locked = False
        if not is_locked:
            os.close(out)
            raise _other_download(self.path)
        return out


def _open_folder(name: str, parent: int | None, stack: ExitStack) -> int:
    """Open a folder. Below a parent, create it if necessary and refuse a symbolic link."""
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
                f"{name!r} is a symbolic link or not a folder, so catactl writes nothing below it"
            ) from error
        raise
    stack.callback(os.close, folder)
    return folder


def make_folder(path: str) -> None:
    """Create a folder and the folders above it, unless they exist."""
    try:
        os.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Forbidden(f"cannot create the folder {path!r}: {reason}") from error


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Translate errors of the operating system for a target. Pass a `BrokenPipeError` on
    unchanged.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except FileExistsError as error:
        raise _other_download(path) from error
    except UnicodeEncodeError as error:
        raise InvalidValue(
            f"the locale cannot encode the name {path!r}", "set LC_ALL=C.UTF-8, or use --to PATH"
        ) from error
    except OSError as error:
        raise _error(path, error) from error


def _other_download(path: str) -> Busy:
    return Busy(f"another download writes to {path!r}", "run it again after that download")


def _error(path: str, error: OSError) -> CatactlError:
    message = f"cannot write {path!r}: {error.strerror}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ContentUnreachable(f"the disk is full: {path}", "free some space, then run it again")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"the folder for {path!r} does not exist", "create it first")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Forbidden(message)
    if error.errno in {errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP}:
        return InvalidValue(message, "choose another path: --to PATH")
    return ContentUnreachable(message)
