"""Find the files that an upload must leave out: the database and the content of catactl itself.

Paths are compared by device and inode, so that a link, a relative path or another mount of the same
folder makes no difference.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from catactl.blobs.directory import Directory
from catactl.blobs.store import BlobStore
from catactl.errors import InvalidValue

Identity = tuple[int, int]
# A description of each of catactl's own files and folders, by device and inode.
Own = Mapping[Identity, str]
NOTHING: Own = MappingProxyType({})

_DATABASE_SUFFIXES = ("", "-wal", "-shm", "-journal", "-reserve")
_DATABASE = "catactl's own database"
_CONTENT = "catactl's own content"


def find_own(database: str | None, blobs: BlobStore) -> Own:
    """Return the files of a SQLite database, and the folder of content that lies in a directory.

    Files that do not exist are left out. `database` is None for a server.
    """
    found: dict[Identity, str] = {}
    if database is not None:
        path = os.path.realpath(database)  # SQLite puts the other files beside the real one
        for suffix in _DATABASE_SUFFIXES:
            with suppress(OSError):
                found[identity_of(os.stat(f"{path}{suffix}"))] = _DATABASE
    if isinstance(blobs, Directory):
        with suppress(OSError):
            found[identity_of(blobs.root.stat())] = _CONTENT
    return found


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def what_is(path: str, own: Own) -> str | None:
    """Return a description of the path if it is catactl's own, or lies in a folder that is, else
    None.

    Symbolic links are followed.
    """
    if not own:
        return None
    real = Path(os.path.realpath(path))
    for each in (real, *real.parents):
        with suppress(OSError):
            what = own.get(identity_of(each.stat()))
            if what is not None:
                return what
    return None


def refusal(path: str, own: Own) -> InvalidValue | None:
    """Return the error for a path that is catactl's own, None for any other."""
    try:
        what = what_is(path, own)
    except ValueError:  # a path with a NUL, which no file has
        return None
    return InvalidValue(f"{path!r} is {what}", "upload other files") if what is not None else None
