"""Download files to a path. A file is written beside the path under a temporary name, then renamed.

An interrupted download checks the parts that it has, and continues where it stopped.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine

from catactl.blobs.durable_files import read_range, write_all
from catactl.blobs.store import BlobStore, measure
from catactl.content.download_target import Target, translated
from catactl.content.meter import Advance, Meter
from catactl.content.readable_file import ReadableFile, read_content, readable_file
from catactl.errors import AlreadyExists, CatactlError, Findings, Unreachable
from catactl.store.sql.engine import reading


class DownloadedFile(NamedTuple):
    """A file that is at `path` now. `outcome` is downloaded, resumed or unchanged. `resumed_bytes`
    is the size of the part that was there before.
    """

    file: ReadableFile
    path: str
    outcome: str
    resumed_bytes: int


class FailedDownload(NamedTuple):
    """A file that was not downloaded, and the reason."""

    file_id: UUID
    name: str
    error: CatactlError


def download_files(
    engine: Engine,
    blobs: BlobStore,
    org_id: UUID,
    files: Mapping[UUID, str],
    folder: str,
    meter: Meter,
    *,
    force: bool = False,
) -> Iterator[DownloadedFile | FailedDownload]:
    """Download files into a folder, and yield the result of each. `files` maps the id of each file
    to its name.

    If one file fails, the others are still downloaded. Raises `Unreachable`, because it concerns
    all files.
    """
    for file_id, name in files.items():
        try:
            with reading(engine) as conn:
                file = readable_file(conn, org_id, file_id)
            meter.begin(file.name)
            yield download_file(blobs, file, folder, meter.advance, force=force)
        except Unreachable:
            raise
        except CatactlError as error:
            yield FailedDownload(file_id, name, error)


def write_to_stream(blobs: BlobStore, file: ReadableFile, stream: int, advance: Advance) -> None:
    """Write a file to an open descriptor. Raises the errors of content, and `BrokenPipeError`."""
    with translated("the output"):
        for chunk in read_content(blobs, file, file.parts):
            write_all(stream, chunk)
            advance(len(chunk))


def download_file(
    blobs: BlobStore, file: ReadableFile, path: str, advance: Advance, *, force: bool = False
) -> DownloadedFile:
    """Write a file to a path, or below it under the file's own name if the path is a folder.

    A file with the same content at the path stays unchanged. Other content is replaced only with
    `force`. The file appears complete or not at all. Raises `AlreadyExists`, `Busy` if another
    download writes the file to that path, `Forbidden`, and the errors of content.
    """
    with translated(path), ExitStack() as stack:
        target = Target.open(path, file.name, stack)
        status = target.status()
        if status is not None and not stat.S_ISREG(status.st_mode) and not target.is_below:
            return _write_to_special_file(blobs, file, target, status.st_mode, advance)
        if _has_file(target, file, force=force):
            advance(file.size_bytes)
            return DownloadedFile(file, target.path, "unchanged", file.size_bytes)
        return _write_file(blobs, file, target, advance, force=force)


def _write_to_special_file(
    blobs: BlobStore, file: ReadableFile, target: Target, mode: int, advance: Advance
) -> DownloadedFile:
    """Write to a device or a pipe that the user named. Do not replace it by a file."""
    if stat.S_ISLNK(mode):
        raise AlreadyExists(f"{target.path!r} is a symbolic link", "use the path of its target")
    stream = target.open_file(target.name, os.O_WRONLY)
    try:
        write_to_stream(blobs, file, stream, advance)
    finally:
        os.close(stream)
    return DownloadedFile(file, target.path, "downloaded", 0)


def _has_file(target: Target, file: ReadableFile, *, force: bool) -> bool:
    """Return whether the target has the content of the file. Raise `AlreadyExists` if it has other
    content, unless `force` is true.
    """
    status = target.status()
    if status is None:
        return False
    if not stat.S_ISREG(status.st_mode):
        raise AlreadyExists(f"{target.path!r} exists and is not a file")
    try:
        existing = target.open_file(target.name, os.O_RDONLY)
    except FileNotFoundError:  # another process removed it
        return False
    try:
        is_same = status.st_size == file.size_bytes and (
            _count_leading_parts(existing, file) == len(file.parts)
        )
    finally:
        os.close(existing)
    if not is_same and not force:
        raise AlreadyExists(
            f"{target.path!r} exists with other content", "replace it with --force, or use --to"
        )
    return is_same


def _write_file(
    blobs: BlobStore, file: ReadableFile, target: Target, advance: Advance, *, force: bool
) -> DownloadedFile:
    partial = target.partial_name(file.file_id)
    out = target.open_partial(partial)
    try:
        kept = _count_leading_parts(out, file)
        kept_bytes = sum(part.size_bytes for part in file.parts[:kept])
        os.ftruncate(out, kept_bytes)
        os.lseek(out, kept_bytes, os.SEEK_SET)
        advance(kept_bytes)
        try:
            for chunk in read_content(blobs, file, file.parts[kept:]):
                write_all(out, chunk)
                advance(len(chunk))
        except (Findings, OSError):
            # Remove the file, because continuing would fail again, and the file may fill the disk.
            os.unlink(partial, dir_fd=target.folder)
            raise
        os.fsync(out)
        _rename(partial, target, file, force=force)
        os.fsync(target.folder)
    finally:
        os.close(out)
    return DownloadedFile(file, target.path, "resumed" if kept else "downloaded", kept_bytes)


def _rename(partial: str, target: Target, file: ReadableFile, *, force: bool) -> None:
    """Give a complete file its name. Without `force`, replace no other file."""
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
            # Another process created a file since the check. It may remove the file again.
            try:
                if not _has_file(target, file, force=False):
                    continue
            except AlreadyExists:
                os.unlink(partial, dir_fd=target.folder)
                raise
        except OSError:
            break  # the file system has no hard links
        os.unlink(partial, dir_fd=target.folder)
        return
    os.rename(partial, target.name, src_dir_fd=target.folder, dst_dir_fd=target.folder)


def _count_leading_parts(existing: int, file: ReadableFile) -> int:
    """Return the number of the file's parts that an open file begins with."""
    offset = 0
    size_bytes = os.fstat(existing).st_size
    for index, part in enumerate(file.parts):
        if offset + part.size_bytes > size_bytes:
            return index
        if measure(read_range(existing, offset, part.size_bytes)).sha256 != part.sha256:
            return index
        offset += part.size_bytes
    return len(file.parts)
