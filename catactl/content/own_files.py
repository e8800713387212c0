"""Find the files that belong to catactl: the database and the stored content. An upload must not
include them.

Paths are compared by device and inode, so that a link, a relative path or another mount of the same
folder makes no difference.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import URL

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore
from catactl.errors import InvalidValue
from catactl.store.sql.urls import file_of

Identity = tuple[int, int]
# A description of each file and folder that belongs to catactl, by device and inode.
OwnFiles = Mapping[Identity, str]
NO_OWN_FILES: OwnFiles = MappingProxyType({})

_DATABASE_SUFFIXES = ("", "-wal", "-shm", "-journal", "-reserve")


def find_own_files(database: URL, blobs: BlobStore) -> OwnFiles:
    """Return the files of a SQLite database and the folder of a blob store, if they exist."""
    own: dict[Identity, str] = {}
    path = file_of(database)
    if path is not None:
        path = os.path.realpath(path)  # because SQLite puts its other files beside the real one
        for suffix in _DATABASE_SUFFIXES:
            with suppress(OSError):
                own[identity_of(os.stat(f"{path}{suffix}"))] = "catactl's own database"
    if isinstance(blobs, Directory):
        with suppress(OSError):
            own[identity_of(blobs.root.stat())] = "catactl's own content"
    return own


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def describe(path: str, own: OwnFiles) -> str | None:
    """Return the description of a path that belongs to catactl or lies in a folder that does; None
    for any other path. Symbolic links are followed.
    """
    if not own:
        return None
    real = Path(os.path.realpath(path))
    for each in (real, *real.parents):
        with suppress(OSError):
            description = own.get(identity_of(each.stat()))
            if description is not None:
                return description
    return None


def own_file_error(path: str, own: OwnFiles) -> InvalidValue | None:
    """Return the error for a path that belongs to catactl; None for any other path."""
    with suppress(ValueError):  # the path contains a NUL; opening it reports this
        description = describe(path, own)
        if description is not None:
            return InvalidValue(f"{path!r} is {description}", "upload other files")
    return None


def check_not_own(path: str, own: OwnFiles) -> None:
    """Raise `InvalidValue` if a path belongs to catactl."""
    if error := own_file_error(path, own):
        raise error
