"""Store content in a local directory.

Each blob is written to the folder `incoming`, synced and renamed to its final name. Then its folder
is synced. So a blob is either complete or absent, even after a kill or a power failure. The umask
decides who may read and write blobs, so that the users of a group can share a directory.
"""

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from catactl.blobs.directory_errors import (
    is_disk_full,
    removed_error,
    translated,
    translated_reading,
)
from catactl.blobs.durable_files import (
    create_locked,
    discard_if_abandoned,
    has_content,
    list_names,
    make_folder,
    overwrite,
    read_chunks,
    rename_into_place,
    sync_name,
    write_chunks,
)
from catactl.blobs.store import (
    NO_GENERATIONS,
    Blob,
    Chunk,
    Content,
    Generations,
    Mark,
    key_of,
    mark_key_of,
    parse_address,
)
from catactl.errors import BadConfiguration, ContentMissing, ContentUnreachable

_INCOMING = "incoming"
_MARK_BYTES = 1024  # every mark is shorter


class Directory:
    """A blob store in the folder `root`. The first write creates the root. If `is_private` is true,
    only the owner can then enter it.
    """

    def __init__(self, root: Path, *, is_private: bool = False) -> None:
        self.root = root
        self._root_mode = 0o700 if is_private else 0o777

    def put(
        self, org_id: UUID, chunks: Iterable[Chunk], generations: Generations = NO_GENERATIONS
    ) -> Content:
        with self._incoming(org_id) as (file, incoming):
            written = write_chunks(file, chunks, incoming)
            content = written._replace(generation=generations.get(written.sha256, 0))
            final = self._path(org_id, content.address)
            with translated(final):
                if not has_content(final, content):
                    os.fsync(file)
                    rename_into_place(incoming, final)
                # Sync even if another writer renamed the file, which may not have synced it yet.
                sync_name(final)
        return content

    def open(self, org_id: UUID, address: str) -> Iterator[Chunk]:
        path = self._path(org_id, address)
        try:
            with translated_reading(path), path.open("rb", buffering=0) as file:
                yield from read_chunks(file.fileno())
        except FileNotFoundError:
            raise ContentMissing(f"the content is missing: {path}") from None

    def missing(self, org_id: UUID, contents: Collection[Content]) -> set[Content]:
        return {content for content in contents if not self._has_size(org_id, content)}

    def list(self, org_id: UUID) -> Iterator[Blob]:
        folder = self.root / str(org_id)
        with translated(folder):
            for name in list_names(folder):
                for address in list_names(folder / name) if len(name) == 2 else ():
                    parsed = parse_address(address)
                    if parsed is None or not address.startswith(name):
                        continue
                    with suppress(FileNotFoundError):  # another process removed it
                        status = (folder / name / address).stat()
                        if not stat.S_ISREG(status.st_mode):
                            continue
                        modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                        yield Blob(*parsed, status.st_size, modified_at)

    def delete(self, org_id: UUID, addresses: Collection[str]) -> None:
        for address in addresses:
            path = self._path(org_id, address)
            with translated(path):
                path.unlink(missing_ok=True)

    def mark(self, org_id: UUID, mark: Mark) -> None:
        final, text = self.root / mark_key_of(org_id), mark.text.encode()
        try:
            with self._incoming(org_id) as (file, incoming), translated(final):
                write_chunks(file, [text], incoming)
                os.fsync(file)
                rename_into_place(incoming, final)
                sync_name(final)
        except ContentUnreachable as error:
            # Overwrite the old mark, because that needs no room. A torn mark matches no log.
            if not is_disk_full(error.__cause__) or not final.exists():
                raise
            with translated(final):
                overwrite(final, text)

    def read_mark(self, org_id: UUID) -> Mark | None:
        path = self.root / mark_key_of(org_id)
        with translated(path):
            try:
                with path.open("rb") as file:
                    return Mark.parse(file.read(_MARK_BYTES))
            except FileNotFoundError:
                return None

    def discard_abandoned(self, org_id: UUID) -> int:
        folder = self.root / str(org_id) / _INCOMING
        discarded = 0
        with translated(folder):
            for name in list_names(folder):
                path = folder / name
                # Skip files of other users that we may not remove: their own sweep discards them.
                with suppress(FileNotFoundError, PermissionError):
                    if path.is_file() and not path.is_symlink():
                        discarded += discard_if_abandoned(path)
        return discarded

    def locate(self, org_id: UUID, address: str) -> str:
        return str(self._path(org_id, address))

    def remove_empty_folders(self, org_id: UUID) -> None:
        """Remove the empty folders of an organization that no other process writes to."""
        folder = self.root / str(org_id)
        with suppress(OSError):
            for name in list_names(folder):
                (folder / name).rmdir()
            folder.rmdir()

    def _path(self, org_id: UUID, address: str) -> Path:
        return self.root / key_of(org_id, address)

    def _has_size(self, org_id: UUID, content: Content) -> bool:
        path = self._path(org_id, content.address)
        with translated(path):
            try:
                return path.stat().st_size == content.size_bytes
            except FileNotFoundError:
                return False

    @contextmanager
    def _incoming(self, org_id: UUID) -> Iterator[tuple[int, Path]]:
        """Yield a new file that is open for writing, and its path. Remove the file afterwards,
        unless it was renamed.
        """
        path = self.root / str(org_id) / _INCOMING / uuid4().hex
        file = self._create(path)
        try:
            yield file, path
        finally:
            with suppress(OSError):  # a renamed file stays under its new name
                path.unlink(missing_ok=True)
            os.close(file)

    def _create(self, path: Path) -> int:
        with translated(path):
            try:
                return create_locked(path)
            except FileNotFoundError:
                self._make_folders(path.parent)
            try:
                return create_locked(path)
            except FileNotFoundError as error:
                raise removed_error(path) from error

    def _make_folders(self, incoming: Path) -> None:
        """Create the root and the folders below it. Do not create the folder above the root: it is
        missing if a disk is not mounted.
        """
        if not self.root.parent.is_dir():
            raise BadConfiguration(
                f"the folder {self.root.parent} for the content does not exist",
                "create it, or check the blob URL: catactl config show",
            )
        try:
            make_folder(self.root, self._root_mode)
            make_folder(incoming.parent)
            make_folder(incoming)
        except FileNotFoundError as error:
            raise removed_error(incoming) from error
