"""Reading content again to prove that it is what the log says: missing, damaged or orphaned."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Engine

from catactl.blobs.store import Blob, BlobStore, Content, is_whole
from catactl.content.mark import is_another_logs
from catactl.content.references import (
    Pair,
    Reference,
    file_in_log,
    referred_to_since,
    side_by_side,
    snapshot,
)
from catactl.content.stored_parts import content_of
from catactl.content.workers import workers
from catactl.domain.parts import Part
from catactl.errors import ContentDamaged, ContentMissing
from catactl.projections.swept_content import generations
from catactl.store.sql.engine import reading

_READERS = 2
_AHEAD = 8
Advance = Callable[[int], None]


class Problem(NamedTuple):
    """What is wrong, and where. Orphaned content has no file and no number."""

    problem: str
    org_id: UUID
    file_id: UUID | None
    name: str | None
    number: int | None
    sha256: str
    size_bytes: int
    where: str

    def as_row(self) -> dict[str, Any]:
        return {
            "problem": self.problem,
            "org_id": str(self.org_id),
            "file_id": str(self.file_id) if self.file_id is not None else None,
            "name": self.name,
            "number": self.number,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "where": self.where,
        }


@dataclass
class Verified:
    """The result of a verification: the counts of what was read and is right, and the problems.

    `elsewhere` counts parts whose content is kept elsewhere. `is_another_logs` is true if another
    log recorded content last, so that it may refer to the orphaned content.
    """

    files: int = 0
    blobs: int = 0
    whole: int = 0
    read_bytes: int = 0
    elsewhere: int = 0
    is_another_logs: bool = False
    problems: list[Problem] = field(default_factory=list)


def verify_file(
    engine: Engine, blobs: BlobStore, org_id: UUID, file_id: UUID, found: Verified, advance: Advance
) -> None:
    """Read the content of each part of a file again; add to what was found."""
    with reading(engine) as conn:
        file = file_in_log(conn, org_id, file_id)
        digests = {part.sha256 for part in file.parts} if file is not None else ()
        now_in = generations(conn, org_id, digests)
    if file is None:
        return
    found.files += 1
    found.elsewhere += sum(not part.stored for part in file.parts)
    stored = (part for part in file.parts if part.stored and not file.swept)

    def read(part: Part) -> str | None:
        return _read(blobs, org_id, content_of(part, now_in))

    for part, problem in _read_ahead(read, stored):
        found.blobs += 1
        found.whole += problem is None
        found.read_bytes += part.size_bytes
        advance(part.size_bytes)
        if problem is not None:
            reference = Reference(part.sha256, part.size_bytes, file_id, part.number)
            _add_problem(engine, blobs, org_id, reference, problem, found)


def verify_organization(
    engine: Engine,
    blobs: BlobStore,
    org_id: UUID,
    orphaned_before: datetime,
    found: Verified,
    advance: Advance,
) -> None:
    """Read all content of an organization again, each blob once; add to what was found.

    Content that nothing refers to is orphaned when it is older than that; younger it may be about
    to be recorded.
    """
    with snapshot(engine, org_id, orphaned_before) as (position, references, now_in):

        def read(pair: Pair) -> str | None:
            if not pair.references:
                return None
            generation = now_in.get(pair.sha256, 0)
            if pair.blob(generation) is None:
                return "missing"
            size_bytes = pair.references[0].size_bytes
            return _read(blobs, org_id, Content(pair.sha256, size_bytes, generation))

        pairs = side_by_side(references, blobs.list(org_id))
        for pair, problem in _read_ahead(read, pairs):
            if pair.references:
                found.blobs += 1
                found.whole += problem is None
                found.read_bytes += pair.references[0].size_bytes
                advance(pair.references[0].size_bytes)
                for reference in pair.references if problem is not None else ():
                    _add_problem(engine, blobs, org_id, reference, problem, found)
            for blob in pair.blobs:
                is_left = not pair.references or blob.generation < now_in.get(pair.sha256, 0)
                if is_left and blob.modified_at <= orphaned_before:
                    _add_orphan(engine, blobs, org_id, position, blob, found)
    with reading(engine) as conn:
        found.is_another_logs |= is_another_logs(conn, blobs, org_id)


def _read_ahead(read: Callable[[Any], str | None], items: Iterator[Any]) -> Iterator[Any]:
    """Yield each item with what reading it found, in order, some of them read at once."""
    ahead: deque[tuple[Any, Future[str | None]]] = deque()
    with workers(_READERS) as pool:
        for item in items:
            ahead.append((item, pool.submit(read, item)))
            if len(ahead) >= _AHEAD:
                first, future = ahead.popleft()
                yield first, future.result()
        for first, future in ahead:
            yield first, future.result()


def _read(blobs: BlobStore, org_id: UUID, content: Content) -> str | None:
    try:
        return None if is_whole(blobs, org_id, content) else "damaged"
    except ContentMissing:
        return "missing"
    except ContentDamaged:
        return "damaged"


def _add_problem(
    engine: Engine,
    blobs: BlobStore,
    org_id: UUID,
    reference: Reference,
    problem: str,
    found: Verified,
) -> None:
    """Add a problem, unless the part does not refer to that content any more."""
    sha256, size_bytes, file_id, number = reference
    with reading(engine) as conn:
        file = file_in_log(conn, org_id, file_id)
        now_in = generations(conn, org_id, [sha256])
    part = file.parts.get(number) if file is not None and not file.swept else None
    if file is not None and part is not None and part.stored and part.sha256 == sha256:
        where = blobs.locate(org_id, content_of(part, now_in).address)
        found.problems.append(
            Problem(problem, org_id, file_id, file.name, number, sha256, size_bytes, where)
        )


def _add_orphan(
    engine: Engine, blobs: BlobStore, org_id: UUID, position: int, blob: Blob, found: Verified
) -> None:
    with reading(engine) as conn:
        is_last = blob.generation >= generations(conn, org_id, [blob.sha256]).get(blob.sha256, 0)
        if is_last and blob.sha256 in referred_to_since(conn, org_id, position):
            return
    where = blobs.locate(org_id, blob.address)
    found.problems.append(
        Problem("orphaned", org_id, None, None, None, blob.sha256, blob.size_bytes, where)
    )
