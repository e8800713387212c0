"""Read stored content and compare it with the log: report missing, damaged and orphaned content."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Engine

from catactl.blobs.store import Blob, BlobStore, Content, Generations, is_undamaged
from catactl.content.mark import is_another_logs
from catactl.content.meter import Advance
from catactl.content.references import (
    DigestEntry,
    Reference,
    digests_uploaded_since,
    file_in_log,
    merge_by_digest,
    snapshot,
)
from catactl.content.stored_parts import content_of
from catactl.content.workers import workers
from catactl.domain.parts import Part
from catactl.errors import ContentDamaged, ContentMissing
from catactl.projections.swept_content import generations
from catactl.results.content import ContentProblem
from catactl.store.sql.engine import reading

_READERS = 2
_AHEAD = 8

T = TypeVar("T")


@dataclass
class Verification:
    """The result of a verification.

    `blobs` is the number of blobs that were read, and `undamaged` how many of them have no problem.
    `elsewhere` is the number of parts that were recorded without content. `is_another_logs` is true
    if another log recorded content last, so that it may refer to the orphaned content.
    """

    files: int = 0
    blobs: int = 0
    undamaged: int = 0
    read_bytes: int = 0
    elsewhere: int = 0
    is_another_logs: bool = False
    problems: list[ContentProblem] = field(default_factory=list)


def verify_files(
    engine: Engine, blobs: BlobStore, org_id: UUID, file_ids: Iterable[UUID], advance: Advance
) -> Verification:
    """Read the content of each part of the files."""
    verification = Verification()
    verifier = _Verifier(engine, blobs, org_id, verification, advance)
    for file_id in file_ids:
        verifier.verify_file(file_id)
    return verification


def verify_organizations(
    engine: Engine,
    blobs: BlobStore,
    org_ids: Iterable[UUID],
    orphaned_before: datetime,
    advance: Advance,
) -> Verification:
    """Read all content of the organizations, each blob once.

    Content without a reference is orphaned if it is older than `orphaned_before`. An upload may
    still record younger content.
    """
    verification = Verification()
    for org_id in org_ids:
        _Verifier(engine, blobs, org_id, verification, advance).verify_organization(orphaned_before)
    return verification


@dataclass
class _Verifier:
    """Verifies the content of one organization."""

    engine: Engine
    blobs: BlobStore
    org_id: UUID
    verification: Verification
    advance: Advance

    def verify_file(self, file_id: UUID) -> None:
        with reading(self.engine) as conn:
            file = file_in_log(conn, self.org_id, file_id)
            digests = {part.sha256 for part in file.parts} if file is not None else ()
            current = generations(conn, self.org_id, digests)
        if file is None:
            return
        self.verification.files += 1
        self.verification.elsewhere += sum(not part.stored for part in file.parts)
        stored = (part for part in file.parts if part.stored and not file.swept)
        for part, problem in _read_ahead(partial(self._read_part, current), stored):
            self._count(part.size_bytes, problem)
            if problem is not None:
                reference = Reference(part.sha256, part.size_bytes, file_id, part.number)
                self._add_problem(reference, problem)

    def verify_organization(self, orphaned_before: datetime) -> None:
        with snapshot(self.engine, self.org_id, orphaned_before) as (position, references, current):
            entries = merge_by_digest(references, self.blobs.list(self.org_id))
            for entry, problem in _read_ahead(partial(self._read_entry, current), entries):
                if entry.references:
                    self._count(entry.references[0].size_bytes, problem)
                if problem is not None:
                    for reference in entry.references:
                        self._add_problem(reference, problem)
                for blob in entry.blobs:
                    is_old = blob.modified_at <= orphaned_before
                    if is_old and not entry.is_referred_to(blob, current):
                        self._add_orphan(position, blob)
        with reading(self.engine) as conn:
            self.verification.is_another_logs |= is_another_logs(conn, self.blobs, self.org_id)

    def _count(self, size_bytes: int, problem: str | None) -> None:
        """Count a blob that was read."""
        self.verification.blobs += 1
        self.verification.undamaged += problem is None
        self.verification.read_bytes += size_bytes
        self.advance(size_bytes)

    def _read_part(self, current: Generations, part: Part) -> str | None:
        return self._read(content_of(part, current))

    def _read_entry(self, current: Generations, entry: DigestEntry) -> str | None:
        """Read the blob of a digest that has references."""
        if not entry.references:
            return None
        generation = current.get(entry.sha256, 0)
        if entry.blob(generation) is None:
            return "missing"
        return self._read(Content(entry.sha256, entry.references[0].size_bytes, generation))

    def _read(self, content: Content) -> str | None:
        """Return the problem of a blob, or None."""
        try:
            return None if is_undamaged(self.blobs, self.org_id, content) else "damaged"
        except ContentMissing:
            return "missing"
        except ContentDamaged:
            return "damaged"

    def _add_problem(self, reference: Reference, problem: str) -> None:
        """Add a problem, unless the part no longer refers to that content."""
        sha256, size_bytes, file_id, number = reference
        with reading(self.engine) as conn:
            file = file_in_log(conn, self.org_id, file_id)
            current = generations(conn, self.org_id, [sha256])
        part = file.parts.get(number) if file is not None and not file.swept else None
        if file is None or part is None or not part.stored or part.sha256 != sha256:
            return
        self.verification.problems.append(
            {
                "problem": problem,
                "org_id": str(self.org_id),
                "file_id": str(file_id),
                "name": file.name,
                "number": number,
                "sha256": sha256,
                "size_bytes": size_bytes,
                "where": self.blobs.locate(self.org_id, content_of(part, current).address),
            }
        )

    def _add_orphan(self, position: int, blob: Blob) -> None:
        """Add orphaned content, unless an event since the position of the log refers to it."""
        with reading(self.engine) as conn:
            current = generations(conn, self.org_id, [blob.sha256]).get(blob.sha256, 0)
            if blob.generation >= current and blob.sha256 in digests_uploaded_since(
                conn, self.org_id, position
            ):
                return
        self.verification.problems.append(
            {
                "problem": "orphaned",
                "org_id": str(self.org_id),
                "file_id": None,
                "name": None,
                "number": None,
                "sha256": blob.sha256,
                "size_bytes": blob.size_bytes,
                "where": self.blobs.locate(self.org_id, blob.address),
            }
        )


def _read_ahead(
    read: Callable[[T], str | None], items: Iterable[T]
) -> Iterator[tuple[T, str | None]]:
    """Yield each item with the result of `read`, in order. Read several items at once."""
    ahead: deque[tuple[T, Future[str | None]]] = deque()
    with workers(_READERS) as pool:
        for item in items:
            ahead.append((item, pool.submit(read, item)))
            if len(ahead) >= _AHEAD:
                first, future = ahead.popleft()
                yield first, future.result()
        for first, future in ahead:
            yield first, future.result()
