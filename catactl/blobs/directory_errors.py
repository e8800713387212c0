"""Translate errors of the operating system for a directory that holds content."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catactl.errors import BadConfiguration, ContentDamaged, ContentUnreachable, Forbidden


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate an `OSError` into a `CatactlError`. Pass a `FileNotFoundError` on unchanged."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if is_disk_full(error):
            raise ContentUnreachable(
                f"the disk is full: {path}", "free some space, then run it again"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise Forbidden(f"cannot store content in {path}: {error.strerror}") from error
        if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}:
            raise BadConfiguration(
                f"cannot store content in {path}: {error.strerror}",
                "check the blob URL: catactl config show",
            ) from error
        raise ContentUnreachable(f"{path}: {error.strerror}") from error


@contextmanager
def translated_reading(path: Path) -> Iterator[None]:
    """Translate as `translated` does. But a read error, or a folder at the path of a blob, means
    that this blob is damaged.
    """
    try:
        with translated(path):
            yield
    except (BadConfiguration, ContentUnreachable) as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in {errno.EIO, errno.EISDIR}:
            raise ContentDamaged(f"cannot read the content: {error.message}") from error
        raise


def is_disk_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def removed_error(path: Path) -> ContentUnreachable:
    """Return the error for a file that another process removed during the write."""
    return ContentUnreachable(f"{path} was removed during the write", "run it again")
