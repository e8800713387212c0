"""Read the content of a file part by part, and check the digest of each part.

Several parts are read ahead in memory, and yielded once their digests are checked. A part that is
too large for memory is yielded while it is read, so an error is raised after its bytes.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import BlobStore, Chunk, Measure
from catactl.content.stored_parts import content_of
from catactl.content.workers import workers
from catactl.domain.file import File
from catactl.domain.parts import Part
from catactl.errors import ContentDamaged, CorruptLog, Refused
from catactl.projections.swept_content import generations
from catactl.values.digests import is_sha256
from catactl.wiring.flow import FILE

_IN_MEMORY_BYTES = 16 * 1024 * 1024
_AHEAD = 3


class ReadableFile(NamedTuple):
    """A complete file whose parts are all in the blob store."""

    org_id: UUID
    file_id: UUID
    name: str
    size_bytes: int
    parts: tuple[Part, ...]
    generations: Mapping[str, int]


def readable_file(conn: Connection, org_id: UUID, file_id: UUID) -> ReadableFile:
    """Return the parts of a file as the log describes them. Raise `Refused` if the content is not
    available, and `CorruptLog` if the stored rows are wrong.
    """
    stored = FILE.store.get_by_id(conn, org_id, file_id)
    if stored is None or not all(is_sha256(part.sha256) for part in stored.state.parts):
        raise CorruptLog(
            f"the stored rows of file {str(file_id)!r} and its parts differ",
            "rebuild them: catactl projection rebuild",
        )
    file: File = stored.state
    if file.deleted:
        hint = None if file.swept else "restore it first: catactl file restore ORG FILE"
        raise Refused(f"file {file.name!r} is deleted", hint)
    if not file.completed:
        raise Refused(
            f"file {file.name!r} is not complete: it has {file.parts.count:,} parts so far",
            "upload the rest, or complete it: catactl file complete ORG FILE",
        )
    parts = tuple(file.parts)
    elsewhere = next((part.number for part in parts if not part.stored), None)
    if elsewhere is not None:
        raise Refused(
            f"part {elsewhere:,} of file {file.name!r} was recorded without content, which is kept "
            "elsewhere"
        )
    current = generations(conn, org_id, {part.sha256 for part in parts})
    return ReadableFile(org_id, file_id, file.name, file.parts.size_bytes, parts, current)


def read_content(blobs: BlobStore, file: ReadableFile, parts: Iterable[Part]) -> Iterator[Chunk]:
    """Yield the content of the parts in order. Raises `ContentMissing` and `ContentDamaged`."""
    upcoming = iter(parts)
    ahead: deque[Future[Chunk] | Part] = deque()
    with workers(_AHEAD) as pool:
        while True:
            while len(ahead) < _AHEAD and (part := next(upcoming, None)) is not None:
                is_small = part.size_bytes <= _IN_MEMORY_BYTES
                ahead.append(pool.submit(_read_whole, blobs, file, part) if is_small else part)
            if not ahead:
                return
            first = ahead.popleft()
            if isinstance(first, Part):
                yield from _read_checked(blobs, file, first)
            else:
                yield first.result()


def _read_whole(blobs: BlobStore, file: ReadableFile, part: Part) -> Chunk:
    whole = bytearray()
    for chunk in _read_checked(blobs, file, part):
        whole += chunk
    return whole


def _read_checked(blobs: BlobStore, file: ReadableFile, part: Part) -> Iterator[Chunk]:
    """Yield the content of a part while it is read. Raise `ContentDamaged` at the end if its digest
    differs from the log.
    """
    address = content_of(part, file.generations).address
    measure = Measure()
    yield from measure.passing(blobs.open(file.org_id, address))
    if measure.content.sha256 != part.sha256:
        raise ContentDamaged(
            f"the content of part {part.number:,} of file {file.name!r} is damaged: "
            f"{blobs.locate(file.org_id, address)}",
            "upload the file again: catactl file upload ORG PATH --verify",
        )
