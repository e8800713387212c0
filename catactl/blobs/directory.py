"""Store content in a local directory. The umask decides who may read and write it, so users of one
group can share it. Only the owner can enter a private root.

A blob is written below `incoming`, synced, and renamed to its final name; then the folder is
synced. So a blob is there whole or not at all, whichever process is killed and whenever the power
fails.
"""

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from catactl.blobs.store import (
    CHUNK_BYTES,
    FIRST,
    Blob,
    Chunk,
    Content,
    Mark,
    key_of,
    mark_key_of,
    measure,
    parse_address,
)
from catactl.errors import (
    BadConfiguration,
    ContentDamaged,
    ContentMissing,
    ContentUnreachable,
    Forbidden,
)

_INCOMING = "incoming"
_MARK_BYTES = 1024  # every mark is shorter
# A writer locks its file right after creating it; until then only its age protects it.
_ABANDONED_AFTER_SECONDS = 60


class Directory:
    """If the root does not exist and `is_private` is true, it is made so that only its owner can
    enter it.
    """

    def __init__(self, root: Path, *, is_private: bool = False) -> None:
        self._root = root
        self._root_mode = 0o700 if is_private else 0o777

    def put(
        self, org_id: UUID, chunks: Iterable[Chunk], generations: Mapping[str, int] = FIRST
    ) -> Content:
        with self._incoming(org_id) as (file, incoming):
            written = _write(file, chunks, incoming)
            content = written._replace(generation=generations.get(written.sha256, 0))
            final = self._path(org_id, content.address)
            with _translated(final):
                if not _holds(final, content):
                    os.fsync(file)
                    _put_in_place(incoming, final)
                _sync_name(final)  # also of another writer's, who may still be about to
        return content

    def open(self, org_id: UUID, address: str) -> Iterator[Chunk]:
        path = self._path(org_id, address)
        try:
            with _translated_reading(path), path.open("rb", buffering=0) as file:
                yield from _chunks(file.fileno())
        except FileNotFoundError:
            raise ContentMissing(f"the content is missing: {path}") from None

    def missing(self, org_id: UUID, contents: Collection[Content]) -> set[Content]:
        return {content for content in contents if not self._is_there(org_id, content)}

    def list(self, org_id: UUID) -> Iterator[Blob]:
        folder = self._root / str(org_id)
        with _translated(folder):
            for name in _names(folder):
                for address in _names(folder / name) if len(name) == 2 else ():
                    parsed = parse_address(address)
                    if parsed is None or not address.startswith(name):
                        continue
                    with suppress(FileNotFoundError):  # removed since it was listed
                        found = (folder / name / address).stat()
                        if not stat.S_ISREG(found.st_mode):
                            continue
                        modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
                        yield Blob(*parsed, found.st_size, modified_at)

    def delete(self, org_id: UUID, addresses: Collection[str]) -> None:
        for address in addresses:
            path = self._path(org_id, address)
            with _translated(path):
                path.unlink(missing_ok=True)

    def mark(self, org_id: UUID, mark: Mark) -> None:
        final, text = self._root / mark_key_of(org_id), mark.text.encode()
        try:
            with self._incoming(org_id) as (file, incoming), _translated(final):
                _write(file, [text], incoming)
                os.fsync(file)
                _put_in_place(incoming, final)
                _sync_name(final)
        except ContentUnreachable as error:
            # Overwrite the old mark, because that needs no room. A torn mark matches no log.
            if not _is_full(error.__cause__) or not final.exists():
                raise
            with _translated(final):
                _write_over(final, text)

    def read_mark(self, org_id: UUID) -> Mark | None:
        path = self._root / mark_key_of(org_id)
        with _translated(path):
            try:
                with path.open("rb") as file:
                    return Mark.parse(file.read(_MARK_BYTES))
            except FileNotFoundError:
                return None

    def discard_abandoned(self, org_id: UUID) -> int:
        folder = self._root / str(org_id) / _INCOMING
        discarded = 0
        with _translated(folder):
            for name in _names(folder):
                path = folder / name
                # Skip files of other users that we may not remove: their own sweep discards them.
                with suppress(FileNotFoundError, PermissionError):
                    if path.is_file() and not path.is_symlink():
                        discarded += _discard_if_abandoned(path)
        return discarded

    def locate(self, org_id: UUID, address: str) -> str:
        return str(self._path(org_id, address))

    @property
    def root(self) -> Path:
        return self._root

    def remove_empty_folders(self, org_id: UUID) -> None:
        """Remove the folders of an organization that nobody writes to; those that hold content
        stay.
        """
        folder = self._root / str(org_id)
        with suppress(OSError):
            for name in _names(folder):
                (folder / name).rmdir()
            folder.rmdir()

    def _path(self, org_id: UUID, address: str) -> Path:
        return self._root / key_of(org_id, address)

    def _is_there(self, org_id: UUID, content: Content) -> bool:
        path = self._path(org_id, content.address)
        with _translated(path):
            try:
                return path.stat().st_size == content.size_bytes
            except FileNotFoundError:
                return False

    @contextmanager
    def _incoming(self, org_id: UUID) -> Iterator[tuple[int, Path]]:
        """Yield a new file that is open for writing, and its path. Remove the file afterwards,
        unless it was renamed.
        """
        path = self._root / str(org_id) / _INCOMING / uuid4().hex
        file = self._create(path)
        try:
            yield file, path
        finally:
            with suppress(OSError):  # a renamed file stays under its new name
                path.unlink(missing_ok=True)
            os.close(file)

    def _create(self, path: Path) -> int:
        with _translated(path):
            try:
                file = _create_locked(path)
            except FileNotFoundError:
                if not self._root.parent.is_dir():
                    raise BadConfiguration(
                        f"there is no folder {self._root.parent} to keep content in",
                        "create it, or check the blob URL: catactl config show",
                    ) from None
                try:
                    _make_folder(self._root, self._root_mode)
                    for folder in (path.parent.parent, path.parent):
                        _make_folder(folder)
                    file = _create_locked(path)
                except FileNotFoundError as error:
                    raise _removed(path) from error
        return file


def _put_in_place(incoming: Path, final: Path) -> None:
    try:
        _make_folder(final.parent)
        os.rename(incoming, final)
    except FileNotFoundError as error:
        raise _removed(incoming) from error


def _sync_name(final: Path) -> None:
    try:
        _sync_folder(final.parent)
    except FileNotFoundError as error:
        raise _removed(final) from error


def _removed(path: Path) -> ContentUnreachable:
    return ContentUnreachable(f"{path} was removed while it was written", "run it again")


def _create_locked(path: Path) -> int:
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    with suppress(OSError):  # some network file systems lock nothing; then only age protects it
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _discard_if_abandoned(path: Path) -> bool:
    """Remove the file of a writer that is no more: a living one holds its lock."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if time.time() - os.fstat(file).st_mtime < _ABANDONED_AFTER_SECONDS:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(file)


def _write_over(path: Path, text: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        file.write(text)
        file.truncate()
        os.fsync(file)


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _write(file: int, chunks: Iterable[Chunk], path: Path) -> Content:
    """Write the chunks while hashing them. What the chunks raise by themselves passes as it is."""
    digest = hashlib.sha256()
    size_bytes = 0
    for chunk in chunks:
        digest.update(chunk)
        size_bytes += len(chunk)
        with _translated(path):
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(file, rest) :]
    return Content(digest.hexdigest(), size_bytes)


def _holds(path: Path, content: Content) -> bool:
    """Whether the file is there with that content: what was damaged is replaced."""
    try:
        if path.stat().st_size != content.size_bytes:
            return False
        with path.open("rb", buffering=0) as file:
            return measure(_chunks(file.fileno())).has_bytes_of(content)
    except (FileNotFoundError, PermissionError):
        return False
    except OSError as error:
        if error.errno == errno.EIO:
            return False
        raise


def _chunks(file: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while count := os.readv(file, [buffer]):
        yield buffer[:count]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _make_folder(folder: Path, mode: int = 0o777) -> None:
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


@contextmanager
def _translated_reading(path: Path) -> Iterator[None]:
    """The same for reading, where a disk that fails, or no file at all, is damage to one blob."""
    try:
        with _translated(path):
            yield
    except (BadConfiguration, ContentUnreachable) as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in {errno.EIO, errno.EISDIR}:
            raise ContentDamaged(f"the content cannot be read: {error.message}") from error
        raise


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the operating system says into errors of ours; a missing file passes."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if _is_full(error):
            raise ContentUnreachable(
                f"the disk is full: {path}", "free some space, then run it again"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise Forbidden(f"content cannot be kept in {path}: {error.strerror}") from error
        if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}:
            raise BadConfiguration(
                f"content cannot be kept in {path}: {error.strerror}",
                "check the blob URL: catactl config show",
            ) from error
        raise ContentUnreachable(f"{path}: {error.strerror}") from error
