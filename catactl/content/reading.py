"""Reading content back, part by part in order, each part's digest checked.

Parts of usual size are fetched some ahead, and handed out only once they are proved whole. A part
too large to hold is handed out as it is read; its error comes after its bytes.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from catactl.blobs.store import BlobStore, Chunk
from catactl.content.stored_parts import content_of
from catactl.content.workers import workers
from catactl.domain.file import File
from catactl.domain.parts import Part
from catactl.errors import ContentDamaged, CorruptLog, Refused
from catactl.projections.swept_content import generations
from catactl.values.digests import is_sha256
from catactl.wiring.flow import FILE

_HELD_BYTES = 16 * 1024 * 1024
_AHEAD = 3


class Readable(NamedTuple):
    """A file that can be had back: all of its parts lie in the blob store."""

    org_id: UUID
    file_id: UUID
    name: str
    size_bytes: int
    parts: tuple[Part, ...]
    generations: Mapping[str, int]


def readable(conn: Connection, org_id: UUID, file_id: UUID) -> Readable:
    """Return a file's content as the log describes it. Raise `Refused` if the content is not
    available, `CorruptLog` if the stored rows are wrong.
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
            f"part {elsewhere:,} of file {file.name!r} was recorded, not uploaded: its content is "
            "kept elsewhere"
        )
    now_in = generations(conn, org_id, {part.sha256 for part in parts})
    return Readable(org_id, file_id, file.name, file.parts.size_bytes, parts, now_in)


def contents(blobs: BlobStore, file: Readable, parts: Iterable[Part]) -> Iterator[Chunk]:
    """Yield the parts' content in order. Raises `ContentMissing` and `ContentDamaged`."""
    upcoming = iter(parts)
    ahead: deque[Future[Chunk] | Part] = deque()
    with workers(_AHEAD) as pool:
        while True:
            while len(ahead) < _AHEAD and (part := next(upcoming, None)) is not None:
                is_held = part.size_bytes <= _HELD_BYTES
                ahead.append(pool.submit(_whole, blobs, file, part) if is_held else part)
            if not ahead:
                return
            first = ahead.popleft()
            if isinstance(first, Part):
                yield from checked(blobs, file, first)
            else:
                yield first.result()


def _whole(blobs: BlobStore, file: Readable, part: Part) -> Chunk:
    whole = bytearray()
    for chunk in checked(blobs, file, part):
        whole += chunk
    return whole


def checked(blobs: BlobStore, file: Readable, part: Part) -> Iterator[Chunk]:
    """Yield a part's content as it is read; raise at the end if it was not that of the log."""
    address = content_of(part, file.generations).address
    digest = hashlib.sha256()
    for chunk in blobs.open(file.org_id, address):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != part.sha256:
        raise ContentDamaged(
            f"the content of part {part.number:,} of file {file.name!r} is damaged: "
            f"{blobs.locate(file.org_id, address)}",
            "upload the file again: catactl file upload ORG PATH --verify",
        )
