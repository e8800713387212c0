"""Find the files to upload: regular files at paths and below folders, in a fixed order."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from catactl.content.file_source import FileSource
from catactl.content.own_files import (
    NO_OWN_FILES,
    Identity,
    OwnFiles,
    describe,
    identity_of,
    own_file_error,
)
from catactl.content.source import FILE_READER, irregular_error, kind_of, unreadable_error
from catactl.errors import CatactlError, InvalidValue
from catactl.values.spelling import normalized


class FoundFile(NamedTuple):
    """A path and the name that its file gets.

    `below` and `reader` are as in `FileSource`.
    """

    path: str
    name: str
    below: str | None = None
    follow_links: bool = False
    reader: str = FILE_READER

    def open(self) -> FileSource:
        """Open the file. Raises `SourceError`."""
        return FileSource(self.path, self.follow_links, self.below, self.reader)


class UnusablePath(NamedTuple):
    """A path that cannot be uploaded, and the reason."""

    path: str
    name: str
    error: CatactlError


class SkippedPath(NamedTuple):
    """An entry of a folder that is not uploaded: a link, a device, a socket, or a file that belongs
    to catactl.
    """

    path: str
    reason: str


Found = FoundFile | UnusablePath | SkippedPath


def find_files(
    paths: list[str], name: str | None, *, follow_links: bool, own: OwnFiles = NO_OWN_FILES
) -> Iterator[Found]:
    """Yield the files at the paths and below them. The names of files below a folder are relative
    to the folder. `name` is the name of a single file, or the prefix for the files of a folder.
    Files in `own` are skipped.
    """
    for path in paths:
        try:
            status = os.stat(path, follow_symlinks=follow_links)
        except (OSError, ValueError) as error:
            yield UnusablePath(path, name or path, unreadable_error(path, error))
            continue
        file_name = name or os.path.basename(path)
        if problem := own_file_error(path, own):
            yield UnusablePath(path, file_name, problem)
        elif stat.S_ISDIR(status.st_mode):
            prefix = f"{name.rstrip('/')}/" if name else ""
            yield from _walk(path, prefix, identity_of(status), own, follow_links=follow_links)
        elif irregular := irregular_error(path, status.st_mode):
            yield UnusablePath(path, file_name, irregular)
        else:
            yield FoundFile(path, file_name, None, follow_links)


def _walk(
    folder: str, prefix: str, identity: Identity, own: OwnFiles, *, follow_links: bool
) -> Iterator[Found]:
    """Yield the entries below a folder. The entries of each folder are in order of name."""
    above = [identity]
    levels = [_entries(folder, prefix, folder, follow_links=follow_links)]
    while levels:
        entry = next(levels[-1], None)
        if entry is None:
            levels.pop()
            above.pop()
            continue
        if isinstance(entry, UnusablePath):
            yield entry
            continue
        path = entry.path
        try:
            status = os.stat(path, follow_symlinks=follow_links)
        except OSError as error:
            yield UnusablePath(path, entry.name, unreadable_error(path, error))
            continue
        identity = identity_of(status)
        is_followed = follow_links and os.path.islink(path)
        description = describe(path, own) if is_followed else own.get(identity)
        if description is not None:
            yield SkippedPath(path, description)
        elif stat.S_ISREG(status.st_mode):
            yield entry
        elif not stat.S_ISDIR(status.st_mode):
            yield SkippedPath(path, kind_of(status.st_mode))
        elif identity in above:
            yield SkippedPath(path, "link to a folder above it")
        else:
            above.append(identity)
            levels.append(_entries(path, f"{entry.name}/", folder, follow_links=follow_links))


def _entries(
    folder: str, prefix: str, below: str, *, follow_links: bool
) -> Iterator[FoundFile | UnusablePath]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield UnusablePath(folder, prefix.rstrip("/"), unreadable_error(folder, error))
        return
    spelled: dict[str, str] = {}
    for name in names:
        path = os.path.join(folder, name)
        first = spelled.setdefault(normalized(name), name)
        if first == name:
            yield FoundFile(path, prefix + name, below, follow_links)
        else:
            problem = f"{name!a} differs from {first!a} beside it only in its Unicode form"
            yield UnusablePath(path, prefix + name, InvalidValue(problem, "rename one of them"))


def totals(
    paths: list[str], *, follow_links: bool, own: OwnFiles = NO_OWN_FILES
) -> tuple[int, int]:
    """Return the number of files and the sum of their sizes, for progress."""
    count, size_bytes = 0, 0
    for found in find_files(paths, None, follow_links=follow_links, own=own):
        if isinstance(found, FoundFile):
            count += 1
            with suppress(OSError):  # another process removed it
                size_bytes += os.stat(found.path).st_size
    return count, size_bytes
